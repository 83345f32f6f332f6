#!/bin/sh
# Installs schemathesis, as pinned beside this file, into a folder: `install.sh FOLDER`. Once for each content of the
# pinned list; a killed installation starts over.
set -eu
tools=$1
here=$(cd "$(dirname "$0")" && pwd)
stamp=$(cksum <"$here/requirements.txt" | tr ' ' -)
[ -e "$tools/installed-$stamp" ] && exit 0
rm -rf "$tools"
mkdir -p "$tools"
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
: >"$tools/installed-$stamp"
