#!/usr/bin/env bash
# Prints the path of a Chromium, which tests/web/test_browser.py opens the page in.
#   bash tests/web/chromium.sh             one that is there, or what MASKCLIP_CHROMIUM names
#   bash tests/web/chromium.sh --install   else installs Debian's
set -euo pipefail
find_one() {
  local name
  for name in ${MASKCLIP_CHROMIUM:-chromium chromium-browser google-chrome-stable google-chrome}; do
    if command -v "$name"; then exit 0; fi
  done
}
find_one
if [ "${1:-}" = --install ] && [ -z "${MASKCLIP_CHROMIUM:-}" ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium ..." >&2
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  { $sudo apt-get -qq update && $sudo env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install -y --no-install-recommends chromium; } >/dev/null || true
  find_one
fi
echo "error: the tests of the page need Chromium: install it (Debian: apt-get install chromium) or" \
  "name its program in MASKCLIP_CHROMIUM" >&2
exit 2
