"""What is checked before a training run starts: single values, and one image each way."""
