"""What a test run leaves beside its metrics."""
