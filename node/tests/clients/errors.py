"""Errors, health, reflection and streams as Python's gRPC libraries see them.
usage: errors.py ADDRESS KEY_FILE"""
import sys
import time

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from pay import Ledger

ledger = Ledger(sys.argv[1])
secret = bytes.fromhex(open(sys.argv[2]).read().split("secret ")[1])
status = ledger.call("GetStatus", ledger.message("GetStatusRequest"))


def body(operations=1, **changes):
    transfer = {"from": "alice@aba", "to": "bob@wing", "asset": "KHR", "amount_minor": 1} | changes.pop("transfer", {})
    operation = ledger.message("Operation", transfer=ledger.message("Transfer", **transfer))
    now = int(time.time() * 1000)
    fields = {"chain": status.chain_digest, "not_before_ms": now - 60_000, "not_after_ms": now + 600_000}
    return ledger.message("TransactionBody", operations=[operation] * operations, **(fields | changes))


def refused(request, method="SubmitAndWait"):
    """The status and reason of an error, whose ErrorInfo must be there."""
    try:
        ledger.call(method, request)
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        details = rpc_status.from_call(error).details
        assert any(entry.Unpack(info) for entry in details if entry.Is(info.DESCRIPTOR)), details
        assert info.domain == "tonle.v1", info
        return error.code().name, info.reason
    raise AssertionError("not refused")


def wait(transaction):
    return ledger.message("SubmitAndWaitRequest", transaction=transaction)


def check(name, request, code, reason, method="SubmitAndWait"):
    found = refused(request, method)
    assert found == (code, reason), f"{name}: {found}"
    print(f"  {name}: {code} {reason}")


hour = 3_600_000
past = int(time.time() * 1000) - 5 * hour
bad = ledger.sign(body(), secret)
bad.signatures[0].signature = bytes(64)
bare = ledger.sign(body(), secret)
bare.body = b"\xff" * 20
check("malformed", wait(bare), "INVALID_ARGUMENT", "MALFORMED")
check("bad signature", wait(bad), "UNAUTHENTICATED", "SIGNATURE_INVALID")
check("wrong chain", wait(ledger.sign(body(chain=bytes(32)), secret)), "INVALID_ARGUMENT", "WRONG_CHAIN")
old = body(not_before_ms=past, not_after_ms=past + hour)
check("expired", wait(ledger.sign(old, secret)), "FAILED_PRECONDITION", "EXPIRED")
much = body(transfer={"amount_minor": 2 * 10**9})
check("too much", wait(ledger.sign(much, secret)), "FAILED_PRECONDITION", "INSUFFICIENT_FUNDS")
nobody = body(transfer={"to": "nobody@wing"})
check("unknown account", wait(ledger.sign(nobody, secret)), "NOT_FOUND", "UNKNOWN_ACCOUNT")
many = body(operations=8_191)
check("8,191 operations", wait(ledger.sign(many, secret)), "INVALID_ARGUMENT", "TOO_MANY_OPERATIONS")
huge = ledger.message("SignedTransaction", body=bytes(100_000_000))
check("100 MB", wait(huge), "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
unknown = ledger.message("GetTransactionRequest", transaction_id=bytes(32))
check("unknown transaction", unknown, "NOT_FOUND", "TRANSACTION_NOT_FOUND", "GetTransaction")

health = health_pb2_grpc.HealthStub(ledger.channel).Check(health_pb2.HealthCheckRequest(service="tonle.v1.LedgerService"))
assert health.status == health_pb2.HealthCheckResponse.SERVING
print("  health: SERVING")


def watch(start, count):
    answer = type(ledger.message("WatchBlocksResponse"))
    path = "/tonle.v1.LedgerService/WatchBlocks"
    request = ledger.message("WatchBlocksRequest", from_height=start, include_receipts=True)
    stream = ledger.channel.unary_stream(path, lambda m: m.SerializeToString(), answer.FromString)(request, timeout=30)
    heights = [next(stream).block.height for _ in range(count)]
    stream.cancel()
    return heights


latest = ledger.call("GetStatus", ledger.message("GetStatusRequest")).latest_height
half = max(1, min(latest, 20) // 2)
heights = watch(1, half)
heights += watch(heights[-1] + 1, min(latest, 20) - half)
assert heights == list(range(1, len(heights) + 1)), heights
print(f"  a stream cut off and resumed: blocks 1 to {heights[-1]}, each once")
