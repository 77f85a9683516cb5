#!/usr/bin/env bash
# Sets the environment up if needed, then runs the whole CPU test suite.
#   bash tests/run.sh [pytest arguments]
# MASKCLIP_SAMPLES=FOLDER also reads real labelled pictures (voc, ade, cityscapes, see
# tests/helpers/samples.py), MASKCLIP_PARITY_DIR=FOLDER other recordings than
# tests/parity/recordings.
# HERE=1 uses the active environment instead of .venv; WORKERS sets how many processes share the
# tests (default: 2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${HERE:-0}" = 1 ]; then
  bash env_install.sh --dev --here
  python=$(command -v python3 || command -v python)
else
  bash env_install.sh --dev
  python=.venv/bin/python
fi
export PATH="$(cd "$(dirname "$python")" && pwd):$PATH"
# One thread: equal runs are equal to the last bit, and tests with several processes don't crowd.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
"$python" -m ruff check .
lint-imports --no-cache
"$python" -m mypy --no-error-summary
exec "$python" -m pytest -q -n "${WORKERS:-2}" --dist loadfile "$@"
