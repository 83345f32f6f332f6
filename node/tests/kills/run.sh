#!/bin/sh
# Kills validators of a real devnet while clients pay, then checks every node from outside. Ends with status 0, or says
# what was found and where to look.
#
# usage: run.sh [--kills N] [--seed S] [--tonle PROGRAM] [--dir FOLDER] [--doctor]
#        run.sh test                          the checker's own tests
# CARGO_TARGET_DIR is the folder for what is installed (default: target).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/clients
. "$root/node/tests/clients/install.sh"
install_python
export PYTHONPATH="$root/docs/examples" PYTHONDONTWRITEBYTECODE=1
[ "${1:-}" = install ] && exit 0
if [ "${1:-}" = test ]; then
    exec "$tools/venv/bin/python" "$here/checker.py"
fi
exec "$tools/venv/bin/python" "$here/drive.py" "$@"
