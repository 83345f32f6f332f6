#!/bin/sh
# Random transactions on a real devnet, and a second ledger, in Python, that must agree with the node on every receipt,
# rejection and balance. Ends with status 0, or says what differs.
#
# usage: run.sh [--transactions N] [--seed N] [--codes N] [--doctor] [--tonle PROGRAM] [--dir FOLDER]
# CARGO_TARGET_DIR is the folder for what is installed (default: target).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/clients
. "$root/node/tests/clients/install.sh"
install_python
# The devnet and its errors are read as the suite `kills` reads them.
export PYTHONPATH="$root/docs/examples:$root/node/tests/kills" PYTHONDONTWRITEBYTECODE=1
[ "${1:-}" = install ] && exit 0
exec "$tools/venv/bin/python" "$here/drive.py" "$@"
