#!/usr/bin/env bash
# Test and measure on one GPU, 8 minutes at most: nothing is installed, downloaded or read.
#   bash tools/gpu_check.sh [--out FILE.json] [--dry-run]      more: --help
# PYTHON names the Python with the packages; else it is the one on the PATH.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -n "${PYTHON:-}" ]; then
  python=$(command -v "$PYTHON") || {
    echo "error: PYTHON is $PYTHON, which cannot be run: name a Python with torch and mmsegmentation" >&2
    exit 2; }
else
  python=$(command -v python || command -v python3) || {
    echo "error: no python on the PATH: set PYTHON, or source .venv/bin/activate" >&2; exit 2; }
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" "$root/tools/gpu_check.py" "$@"
