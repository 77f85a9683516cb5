#!/usr/bin/env bash
# Sets the environment up if needed, checks the code, then runs the tests on the CPU.
#   bash tests/run.sh [--all] [pytest arguments]
# Takes at most four minutes on two idle cores. With --all, as in CI, come the tests that are marked
# slow, 25 minutes at most; then nothing is skipped but what needs a GPU, and the variant on real
# pictures where MASKCLIP_SAMPLES is not set.
# HERE=1 uses the active environment instead of .venv; WORKERS sets how many processes share the
# tests (default: 2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
selection='not slow'
if [ "${1:-}" = --all ]; then
  selection=''
  shift
fi
if [ "${HERE:-0}" = 1 ]; then
  bash env_install.sh --dev --here
  python=$(command -v python3 || command -v python)
else
  bash env_install.sh --dev
  python=.venv/bin/python
fi
slow='import transformers, nbclient, ipykernel, axe_playwright_python'
if [ -z "$selection" ] && ! "$python" -c "$slow" 2>/dev/null; then
  # What only slow tests compare with.
  constraints=constraints/python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
  [ -f "$constraints" ] && constrain="-c $constraints" || constrain=""
  # shellcheck disable=SC2086
  "$python" -m pip --disable-pip-version-check install --quiet --no-build-isolation $constrain \
    -e '.[slow]'
fi
[ -n "$selection" ] || bash tests/web/chromium.sh --install >/dev/null
export PATH="$(cd "$(dirname "$python")" && pwd):$PATH"
# One thread: equal runs are equal to the last bit, and tests with several processes don't crowd.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
"$python" -m ruff check .
lint-imports --no-cache
"$python" -m mypy --no-error-summary
# Each process starts with one half of the tests in their order and, once through, takes the last
# ones of the other: what a file's tests share is made in both only where they are parted, and no
# process waits for the other's longest file.
exec "$python" -m pytest -q -n "${WORKERS:-2}" --dist worksteal -m "$selection" "$@"
