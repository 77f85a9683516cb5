"""What tools/gpu_check.sh runs; no part of the package."""
