#!/usr/bin/env bash
# Makes an environment in which exported models run, without torch and mmcv, and prints its folder.
#   bash tests/export/without_torch.sh
# It stays in the user's cache, or in MASKCLIP_WITHOUT_TORCH, and is made again where that is deleted:
# half a minute. This package is installed anew each time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=${MASKCLIP_WITHOUT_TORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/mmseg_maskclip/without_torch}
mkdir -p "$folder"
# Of two processes of tests one waits.
if command -v flock > /dev/null; then
  exec 9> "$folder/lock"
  flock 9
fi
python=$folder/bin/python
pip() { "$python" -m pip --disable-pip-version-check install --quiet "$@" >&2; }
if [ ! -f "$folder/complete" ]; then
  "${PYTHON:-python3}" -m venv "$folder" >&2
  pip onnxruntime numpy pillow tqdm 'setuptools<81' wheel
  touch "$folder/complete"
fi
# From a copy, for the build leaves its files beside the sources.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r setup.py pyproject.toml README.md mmseg_maskclip configs "$copy"
pip --no-deps --no-build-isolation --force-reinstall "$copy" 2> >(grep -v 'dependency\|requires' >&2)
echo "$folder"
