"""Models as graphs that run without this package: what can be exported, and the check of it."""
