"""What flags of the command line change in a config."""
