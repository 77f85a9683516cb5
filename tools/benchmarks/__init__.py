"""What tools/benchmark.py measures; no part of the package."""
