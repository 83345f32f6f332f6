#!/bin/sh
# Installs the published packages, as pinned beside this file, into a folder: `install.sh FOLDER`. Once for each content
# of the pinned lists; a killed installation starts over.
set -eu
tools=$1
here=$(cd "$(dirname "$0")" && pwd)
stamp=$(cat "$here/package-lock.json" "$here/requirements.txt" | cksum | tr ' ' -)
[ -e "$tools/installed-$stamp" ] && exit 0
rm -rf "$tools"
mkdir -p "$tools"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$tools/"
npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel error
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
: >"$tools/installed-$stamp"
