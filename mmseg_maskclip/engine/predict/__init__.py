"""Pictures and words of the user's own: from files to label maps."""
