"""A node as its clients reach it: gRPC, and messages that the server itself describes. Receipts and operations become
plain lists and dictionaries here, which JSON keeps as they are."""
import grpc
from blake3 import blake3
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# A client that gives up on a dead node must find the restarted one soon: the library's pauses grow to two minutes.
OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.max_receive_message_length", 64 << 20),
]
SERVICE = "/tonle.v1.LedgerService/"
# Reasons that may pass: the same request may be sent again, here or elsewhere (docs/api.md).
RETRIED = {"NOT_FINAL_YET", "OVERLOADED", "SHUTTING_DOWN", "NODE_NOT_TAKING"}


class Node:
    """One node. `ledger` is pay.py's: where messages come from."""

    def __init__(self, name, address, ledger):
        self.name, self.ledger = name, ledger
        self.move(address)

    def move(self, address):
        """The node listens elsewhere from now on."""
        self.address, self.channel = address, grpc.insecure_channel(address, options=OPTIONS)

    def start(self, method, timeout, ready=False, service=SERVICE, **fields):
        """Begins a call: a future. `ready` waits until there is a connection, as long as `timeout` (seconds) allows."""
        request = self.ledger.message(method + "Request", **fields)
        answer = type(self.ledger.message(method + "Response"))
        call = self.channel.unary_unary(service + method, lambda m: m.SerializeToString(), answer.FromString)
        return call.future(request, timeout=timeout, wait_for_ready=ready)

    def call(self, method, timeout=30, ready=True, **fields):
        return self.start(method, timeout, ready, **fields).result()

    def watch(self, from_height, timeout, receipts=True):
        """The blocks from a height on, as (block, receipts) in the pieces that they come in."""
        fields = {"from_height": from_height, "include_receipts": receipts}
        request = self.ledger.message("WatchBlocksRequest", **fields)
        answer = type(self.ledger.message("WatchBlocksResponse"))
        stream = self.channel.unary_stream(SERVICE + "WatchBlocks", lambda m: m.SerializeToString(), answer.FromString)
        return stream(request, timeout=timeout, wait_for_ready=True)

    def await_height(self, height, timeout):
        """Returns once the block at `height` is final here; grpc.RpcError when it is not in time."""
        stream = self.watch(height, timeout, receipts=False)
        next(stream)
        stream.cancel()

    def status(self, timeout=5, ready=True):
        return self.call("GetStatus", timeout, ready)


def transaction_id(chain, body):
    """As docs/api.md defines it."""
    return blake3(chain + body, derive_key_context="tonle v1 transaction").hexdigest()


def reason(error):
    """The reason in an error of the node, and its metadata; the gRPC status where the node did not get to answer."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for entry in status.details if status else []:
        if entry.Is(info.DESCRIPTOR) and entry.Unpack(info):
            return info.reason, dict(info.metadata)
    return error.code().name, {}


def receipt(message):
    """A receipt as plain data."""
    plain = {"id": message.transaction_id.hex(), "height": message.height, "index": message.index}
    plain |= {"time_ms": message.time_ms, "outcome": OUTCOMES[message.outcome], "results": []}
    if message.HasField("rejection"):
        plain["rejection"] = rejection(message.rejection)
    for result in message.results:
        plain["results"].append(RESULTS[result.WhichOneof("result")](result))
    return plain


def rejection(message):
    return [message.code, message.operation if message.HasField("operation") else None]


OUTCOMES = {1: "applied", 2: "rejected", 3: "partial", 4: "repeated"}
RESULTS = {
    "applied": lambda result: ["applied"] + [balance(after) for after in result.applied.balances_after],
    "repeated": lambda result: ["repeated"] + location(result.repeated),
    "rejected": lambda result: ["rejected"] + rejection(result.rejected),
    "ended": lambda result: ["ended", result.ended.id.hex()] + list(map(balance, result.ended.balances_after)),
}


def balance(message):
    return [message.account, message.asset, message.available_minor, message.held_minor]


def location(message):
    return [message.transaction_id.hex(), message.height, message.index, message.operation]


def operation(message):
    """An operation as plain data: {"does": "transfer", "from": …, "to": …, "asset": …, "amount": …, "reference": …},
    other fields under their own names, without what is not set."""
    does = message.WhichOneof("operation")
    inner = getattr(message, does)
    plain = {"does": does}
    for field, value in inner.ListFields():
        plain[{"amount_minor": "amount", "instruction_ref": "reference"}.get(field.name, field.name)] = value
    return plain
