#!/usr/bin/env bash
# Downloads CLIP checkpoints into pretrain/, converts them, builds text banks.
# Usage: bash download_weights.sh [MODEL ...]   (--help for more)
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ -z "${VIRTUAL_ENV:-}" ] && [ -f "$here/.venv/bin/activate" ]; then
    # shellcheck disable=SC1091
    source "$here/.venv/bin/activate"
fi
exec python "$here/tools/maskclip_utils/download_weights.py" "$@"
