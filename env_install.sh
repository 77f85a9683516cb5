#!/usr/bin/env bash
# Installs everything with plain Python >= 3.9 and pip; running it again is quick and harmless.
#   bash env_install.sh           into .venv beside this script
#   bash env_install.sh --here    into the active environment
#   bash env_install.sh --full    also builds mmcv-full (compiled operators; nothing here needs them)
#   bash env_install.sh --dev     also what the tests need
# PYTHON=python3.11 picks the interpreter of a new .venv.
set -euo pipefail

MMCV_VERSION=1.7.2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"

here=0 full=0 extras=""
for flag in "$@"; do
  case "$flag" in
    --here) here=1 ;;
    --full) full=1 ;;
    --dev) extras="[dev]" ;;
    -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "error: unknown flag $flag; see: bash env_install.sh --help" >&2; exit 2 ;;
  esac
done

fail() { echo "error: $*" >&2; exit 2; }

if [ "$here" = 1 ]; then
  python=$(command -v python3 || command -v python) || fail "no python on the PATH"
else
  base=${PYTHON:-python3}
  if [ ! -x .venv/bin/python ]; then
    command -v "$base" >/dev/null || fail "$base is not on the PATH; set PYTHON to a Python >= 3.9"
    "$base" -m venv .venv || fail "$base has no venv module (Debian: apt-get install python3-venv)"
  fi
  python="$root/.venv/bin/python"
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
  || fail "$("$python" --version) is too old, Python 3.9 or newer was expected"

pip() { "$python" -m pip --disable-pip-version-check "$@"; }

# What this run would install; when the stamp of the last run says the same, there is nothing to do.
stamp=$("$python" - <<'PY'
import sys
from pathlib import Path
print(Path(sys.prefix) / 'mmseg_maskclip.installed')
PY
)
files="$(cksum setup.py env_install.sh | tr '\n' ' ')root=$root full=$full"
want="$files extras=$extras"
if [ -f "$stamp" ] && grep -qxF -e "$want" -e "$files extras=[dev]" "$stamp" \
    && "$python" -c 'import importlib.metadata as m; m.version("mmseg_maskclip")' 2>/dev/null; then
  echo "Already installed in $("$python" -c 'import sys; print(sys.prefix)')"
  exit 0
fi

# One resolver run for torch and torchvision: a torch of another build beside torchvision breaks it.
# setuptools below 81 still has pkg_resources, which mmcv's setup.py imports.
echo "Installing torch and the libraries (the download of torch is most of it) ..."
pip install --upgrade --quiet pip
pip install --quiet --progress-bar on 'setuptools>=64,<81' wheel torch torchvision opencv-python-headless
pip install --quiet --progress-bar on --no-build-isolation -e ".$extras"

mmcv_installed() { "$python" -c "import importlib.metadata as m; m.version('$1')" 2>/dev/null; }

build_full_mmcv() {
  # torch >= 2.14 needs C++20, mmcv's setup.py asks for C++17.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  pip download --quiet --no-deps --no-binary :all: --no-build-isolation -d "$work" "mmcv-full==$MMCV_VERSION"
  tar -xzf "$work/mmcv-full-$MMCV_VERSION.tar.gz" -C "$work"
  "$python" - "$work/mmcv-full-$MMCV_VERSION/setup.py" <<'PY'
import sys
from pathlib import Path

import torch

major, minor = (int(part) for part in torch.__version__.split('.')[:2])
if (major, minor) >= (2, 14):
    path = Path(sys.argv[1])
    path.write_text(path.read_text().replace('-std=c++14', '-std=c++20')
                    .replace('-std=c++17', '-std=c++20'))
PY
  pip uninstall --quiet --yes mmcv || true
  echo "Building mmcv-full $MMCV_VERSION (13 minutes on 2 cores) ..."
  MMCV_WITH_OPS=1 pip install --quiet --no-build-isolation "$work/mmcv-full-$MMCV_VERSION"
}

if [ "$full" = 1 ]; then
  mmcv_installed mmcv-full || build_full_mmcv
elif ! mmcv_installed mmcv-full && ! mmcv_installed mmcv; then
  MMCV_WITH_OPS=0 pip install --quiet --no-build-isolation "mmcv==$MMCV_VERSION"
fi

"$python" -c 'import mmseg_maskclip' 2>/dev/null || "$python" -c 'import mmseg_maskclip'
echo "$want" > "$stamp"
echo "Installed in $("$python" -c 'import sys; print(sys.prefix)')"
