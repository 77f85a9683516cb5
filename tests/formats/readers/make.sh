#!/usr/bin/env bash
# Makes the environments of the tools that tests read label files with, and prints their folder.
#   bash tests/formats/readers/make.sh [PYTHON]
# They need other releases of Pillow and OpenCV than the project. They stay in the user's cache, or in
# MASKCLIP_READERS, and are made again where that is deleted: a minute and 1.4 GB. PYTHON is theirs,
# by default the newest of a few, 3.10 at least: LabelMe 7 needs 3.12, older ones have 6.
set -euo pipefail
for python in "${1:-python3.13}" python3.13 python3.12 python3.11 python3.10 python3; do
  # Some are there by name alone, or can't make environments.
  if "$python" -c 'import ensurepip, venv' 2> /dev/null; then
    break
  fi
done
folder=${MASKCLIP_READERS:-${XDG_CACHE_HOME:-$HOME/.cache}/mmseg_maskclip/readers}
mkdir -p "$folder"
# Of two processes of tests one waits.
if command -v flock > /dev/null; then
  exec 9> "$folder/lock"
  flock 9
fi
make() {
  local environment=$folder/$1
  shift
  if [ -f "$environment/complete" ]; then
    return
  fi
  rm -rf "$environment"
  "$python" -m venv "$environment" >&2
  "$environment/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile "$@" >&2
  touch "$environment/complete"
}
make labelme labelme
make others datumaro label-studio-sdk
echo "$folder"
