#!/bin/sh
# Calls a running node with clients that nobody here wrote: Python's gRPC libraries and npm's buf. Ends with one line,
# "N passed, N failed", and status 1 when one failed.
#
# usage: run.sh ADDRESS KEY_FILE GENESIS_FILE BANK_KEY
#   run.sh 127.0.0.1:50051 .devnet/keys/aba.key .devnet/genesis.json .devnet/keys/wing-encryption.key
# The key is aba's, and BANK_KEY opens what is sealed for wing; alice@aba and bob@wing must be there, as in a devnet. TONLE names the tonle binary, for `tonle verify`;
# CARGO_TARGET_DIR the folder for what is installed (default: target).
set -eu
address=$1 key=$2 genesis=$3 bank_key=$4
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/clients
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. "$here/install.sh"
install_python
install_npm

export PYTHONPATH="$root/docs/examples" PYTHONDONTWRITEBYTECODE=1
python=$tools/venv/bin/python
buf=$tools/node_modules/.bin/buf
export BUF_CACHE_DIR="$work/buf"
passed=0 failed=0

# check NAME PATTERN COMMAND...: the command succeeds and prints a line that matches.
check() {
    name=$1 pattern=$2
    shift 2
    if "$@" >"$work/out" 2>&1 && grep -Eq -- "$pattern" "$work/out"; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$work/out"
    fi
}
curl() { # curl METHOD JSON
    "$buf" curl --protocol grpc --http2-prior-knowledge --data "$2" "http://$address/tonle.v1.LedgerService/$1"
}

reference="clients-$$-$(date +%s)"
receipt=$work/one.receipt
pay() { "$python" "$root/docs/examples/pay.py" "$address" "$key" alice@aba bob@wing "$1" KHR "$reference" "$receipt"; }

check "python: the golden transaction" "byte for byte" \
    "$python" "$here/golden.py" "$address" "$root/node/ledger/tests/vectors/ledger.txt"
check "python: the ledger's proofs hold" "^[0-9]+ proofs hold$" \
    "$python" "$root/node/ledger/tests/verify_proof.py" "$root/node/ledger/tests/vectors/ledger.txt"
check "python: and none of them with a byte changed" "changed ones are refused" \
    "$python" "$root/node/ledger/tests/refuse_changed_proofs.py" "$root/node/ledger/tests/vectors/ledger.txt"
check "python: pays by reflection" "^FINAL block [0-9]+$" pay 100
check "python: the same instruction again moves nothing" "^ALREADY FINAL block" pay 100
check "python: verifies the finality receipt" "^OK  [0-9]+ signatures" \
    "$python" "$root/docs/examples/verify.py" "$receipt" "$genesis"
check "python: refuses every changed byte of it" "changed files are refused" \
    "$python" "$here/refuse_changed.py" "$receipt" "$genesis"
check "python: verifies three changes of the validators" "^OK  3 signatures" \
    "$python" "$root/docs/examples/verify.py" "$here/epochs.receipt" "$here/epochs.genesis.json"
check "python: refuses every changed byte of that" "changed files are refused" \
    "$python" "$here/refuse_changed.py" "$here/epochs.receipt" "$here/epochs.genesis.json"
check "python: errors, health, streams" "each once" "$python" "$here/errors.py" "$address" "$key"
check "python: pays with a note, which the other bank opens" "^FINAL block [0-9]+ sealed 524 bytes: rent for May$" \
    "$python" "$root/docs/examples/seal.py" "$address" "$key" alice@aba bob@wing 100 KHR "rent for May" "$bank_key"
if [ -n "${TONLE:-}" ]; then
    check "age: three programs open what two of them sealed" "^three programs open" "$python" "$here/sealing.py" "$TONLE"
    check "tonle: verifies what Python was given" "^OK  [0-9]+ signatures" "$TONLE" verify "$receipt" --genesis "$genesis"
fi
check "buf: lists services by reflection" "^tonle.v1.LedgerService$" \
    "$buf" curl --protocol grpc --http2-prior-knowledge --list-services "http://$address"
check "buf: lists methods" "^tonle.v1.LedgerService/SubmitAndWait$" \
    "$buf" curl --protocol grpc --http2-prior-knowledge --list-methods "http://$address"
check "buf: GetStatus" '"chainDigest"' curl GetStatus '{}'
check "buf: GetAccount with a proof" '"finalityReceipt"' curl GetAccount '{"account": "bob@wing", "prove": true}'
check "buf: ListTransactions" '"transactionId"' curl ListTransactions '{"account": "bob@wing", "pageSize": 1}'
check "buf: lint" "^0$" sh -c 'cd "$1" && "$2" lint && echo 0' sh "$root/proto" "$buf"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
