"""A node's ledger over gRPC: blocks with their receipts and transactions, and what stands at the end.
Messages come from server reflection (docs/examples/pay.py).

Must not know: what should be there."""
import grpc
import sealed
import wire
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SERVICE = "/tonle.v1.{}/"
PATIENCE_S = 60
PAGE = 1000


class Unacceptable(Exception):
    """A transaction on the ledger that no node may take."""


class Node:
    """One node. `ledger` is pay.py's: where messages come from."""

    def __init__(self, name, address, ledger):
        self.name, self.ledger = name, ledger
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)])
        self.methods = {}

    def start(self, method, service="LedgerService", **fields):
        """Begins a call: a future."""
        if method not in self.methods:
            answer = type(self.ledger.message(method + "Response"))
            encode = lambda message: message.SerializeToString()
            self.methods[method] = self.channel.unary_unary(SERVICE.format(service) + method, encode, answer.FromString)
        request = self.ledger.message(method + "Request", **fields)
        return self.methods[method].future(request, timeout=PATIENCE_S, wait_for_ready=True)

    def call(self, method, **fields):
        return self.start(method, **fields).result()

    def watch(self, from_height):
        """Every block from a height on, without end: (block, receipts)."""
        answer = type(self.ledger.message("WatchBlocksResponse"))
        encode = lambda message: message.SerializeToString()
        stream = self.channel.unary_stream(SERVICE.format("LedgerService") + "WatchBlocks", encode, answer.FromString)
        request = self.ledger.message("WatchBlocksRequest", from_height=from_height, include_receipts=True)
        receipts = []
        for piece in stream(request, wait_for_ready=True):
            receipts += [wire.receipt(entry) for entry in piece.receipts]
            if not piece.continues:
                yield piece.block, receipts
                receipts = []

    def transactions(self, height):
        """What was signed, for each receipt of a block in its order: (id, body, {key}); None for the block's own."""
        found, cursor = [], ""
        while True:
            fields = {"height": height, "page_size": PAGE, "include_transactions": True, "cursor": cursor}
            page = self.call("ListTransactions", **fields)
            found += [self.signed(entry) for entry in page.transactions]
            cursor = page.next_cursor
            if not cursor:
                return found

    def signed(self, entry):
        """Its signatures hold, and its body is in the one form; Unacceptable when not."""
        if not entry.HasField("transaction"):
            return None
        bytes_, keys = entry.transaction.body, [signer.key for signer in entry.transaction.signatures]
        body = type(self.ledger.message("TransactionBody")).FromString(bytes_)
        identity = wire.digest("transaction", body.chain, bytes_).hex()
        in_order = keys == sorted(set(keys)) and 1 <= len(keys) <= 16
        if body.SerializeToString(deterministic=True) != bytes_ or not in_order:
            raise Unacceptable(f"transaction {identity[:16]} is not in the canonical form")
        try:
            for signer in entry.transaction.signatures:
                key = Ed25519PublicKey.from_public_bytes(signer.key)
                key.verify(signer.signature, wire.SIGNING_TAG + body.chain + bytes_)
        except InvalidSignature:
            raise Unacceptable(f"transaction {identity[:16]} has a signature that does not hold") from None
        plain = wire.transaction(body)
        if not all(personal_data(operation) for operation in plain["operations"]):
            raise Unacceptable(f"transaction {identity[:16]} has personal data that is not sealed")
        return identity, plain, set(keys)

    def block(self, block, receipts):
        """A block as plain data: {"height", "time_ms", "state_root", "receipts", "transactions"}."""
        plain = {"height": block.height, "time_ms": block.time_ms, "state_root": block.state_root.hex()}
        signed = self.transactions(block.height) if receipts else []
        return plain | {"receipts": receipts, "transactions": signed}


def personal_data(operation):
    """Is what it has sealed, and has it what it must have?"""
    bytes_ = operation.get("sealed", b"")
    return sealed.fits(bytes_) if bytes_ else operation["does"] != "send_to_bank"


def together(calls):
    """The answers of (node, method, fields), asked 256 at a time; None where there is nothing under that name."""
    calls, answers = list(calls), []
    for start in range(0, len(calls), 256):
        futures = [node.start(method, **fields) for node, method, fields in calls[start : start + 256]]
        for future in futures:
            try:
                answers.append(future.result())
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise
                answers.append(None)
    return answers
