#!/usr/bin/env bash
# Installs everything with plain Python >= 3.9 and pip; running it again is quick and harmless.
#   bash env_install.sh           into .venv beside this script
#   bash env_install.sh --here    into the active environment
#   bash env_install.sh --full    also builds mmcv-full (compiled operators; nothing here needs them)
#   bash env_install.sh --dev     also what the tests need
# PYTHON=python3.11 picks the interpreter of a new .venv. Of an old Python the versions named in
# constraints/ are installed, which are known to work together.
set -euo pipefail

MMCV_VERSION=1.7.2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
help() { sed -n '2,8s/^# \{0,1\}//p' "$root/env_install.sh"; }
fail() { echo "error: $*" >&2; exit 2; }

here=0 full=0 dev=0
for flag in "$@"; do
  case "$flag" in
    --here) here=1 ;;
    --full) full=1 ;;
    --dev) dev=1 ;;
    -h|--help) help; exit 0 ;;
    *) fail "unknown flag $flag; see: bash env_install.sh --help" ;;
  esac
done
cd "$root"

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

if [ "$here" = 1 ]; then
  python=$(command -v python3 || command -v python) || fail "no python on the PATH"
  recent "$python" || fail "$("$python" --version) is too old, expected Python 3.9 or newer"
else
  python="$root/.venv/bin/python"
  if ! "$python" -m pip --version >/dev/null 2>&1 || ! recent "$python"; then
    # None yet, or what an interrupted run or an old Python left.
    base=${PYTHON:-python3}
    command -v "$base" >/dev/null || fail "$base is not on the PATH; set PYTHON to a Python >= 3.9"
    recent "$base" || fail "$("$base" --version 2>&1) is too old; set PYTHON to a Python >= 3.9"
    rm -rf .venv
    "$base" -m venv .venv || { rm -rf .venv; \
      fail "$base has no venv module (Debian: apt-get install python3-venv)"; }
  fi
fi

pip() { "$python" -m pip --disable-pip-version-check "$@"; }
version_of() { "$python" -c "import importlib.metadata as m; print(m.version('$1'))" 2>/dev/null || true; }
imports() { (cd / && "$python" -c 'import mmseg_maskclip' 2>/dev/null); }

# The stamp of the last finished run: what was asked for and of which sources it was made.
stamp=$("$python" -c 'import sys; print(sys.prefix)')/mmseg_maskclip.installed
constraints=constraints/python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
[ -f "$constraints" ] || constraints=""
# shellcheck disable=SC2086
sources="$(cksum setup.py env_install.sh $constraints | tr '\n' ' ')$root"
has() { [ -f "$stamp" ] && grep -qF -- "$1" "$stamp"; }
if has "$sources" && { [ "$dev" = 0 ] || has "dev=1"; } && { [ "$full" = 0 ] || has "full=1"; } \
    && imports; then
  echo "Already installed in $(dirname "$stamp")"
  exit 0
fi
has "dev=1" && dev=1
rm -f "$stamp"

# One resolver run for torch and torchvision: a torch of another build beside torchvision breaks it.
# setuptools below 81 still has pkg_resources, which mmcv's setup.py imports.
constrain=${constraints:+-c $constraints}  # two words, or none
echo "Installing torch and the libraries (the download of torch is most of it) ..."
pip install --upgrade --quiet pip
pip install --quiet $constrain 'setuptools>=64,<81' wheel torch torchvision opencv-python-headless
extras=""
[ "$dev" = 0 ] || extras="[dev]"
pip install --quiet $constrain --no-build-isolation -e ".$extras"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# mmcv's setup.py runs its version file by exec() within a function and reads the version from
# locals(). Since Python 3.13 (PEP 667) these are two dicts; here exec() writes where it is read.
cat > "$work/sitecustomize.py" <<'PY'
import builtins
import sys

_exec = builtins.exec


def exec_in_caller(code, *scopes, **named):
    if scopes or named:
        return _exec(code, *scopes, **named)
    frame = sys._getframe(1)
    return _exec(code, frame.f_globals, frame.f_locals)


if sys.version_info >= (3, 13):
    builtins.exec = exec_in_caller
PY
pip_mmcv() { PYTHONPATH="$work${PYTHONPATH:+:$PYTHONPATH}" pip "$@"; }

build_full_mmcv() {
  pip_mmcv download --quiet --no-deps --no-binary :all: --no-build-isolation -d "$work" "mmcv-full==$MMCV_VERSION"
  tar -xzf "$work/mmcv-full-$MMCV_VERSION.tar.gz" -C "$work"
  # torch >= 2.14 needs C++20, mmcv's setup.py asks for less.
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
  echo "Building mmcv-full $MMCV_VERSION (about 28 minutes of processor time) ..."
  MMCV_WITH_OPS=1 pip_mmcv wheel --quiet --no-deps --no-build-isolation -w "$work/wheel" \
    "$work/mmcv-full-$MMCV_VERSION"
  # Only now that there is something to put in its place.
  pip uninstall --quiet --yes mmcv mmcv-full
  pip install --quiet $constrain "$work"/wheel/*.whl
}

full_version=$(version_of mmcv-full)
if [ -n "$full_version" ] && [ "$full_version" != "$MMCV_VERSION" ]; then
  pip uninstall --quiet --yes mmcv-full
  full_version=""
fi
if [ "$full" = 1 ]; then
  [ -n "$full_version" ] || build_full_mmcv
elif [ -z "$full_version" ] && [ "$(version_of mmcv)" != "$MMCV_VERSION" ]; then
  MMCV_WITH_OPS=0 pip_mmcv install --quiet $constrain --no-build-isolation "mmcv==$MMCV_VERSION"
fi
[ -z "$(version_of mmcv-full)" ] || full=1

imports || (cd / && "$python" -c 'import mmseg_maskclip')
echo "$sources dev=$dev full=$full" > "$stamp" || true
echo "Installed in $(dirname "$stamp")"
