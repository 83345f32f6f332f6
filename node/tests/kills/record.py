"""What a node says of its ledger, read over gRPC and kept as plain data: every block from 1 to a height, its receipts,
and what was signed. Must not know: what should be there."""
from dataclasses import dataclass, field

import node as api

# Of the heights that a node proves to be final and that have receipts, it proves a receipt in each of so many.
PROVEN_EVERY = 4


@dataclass
class Block:
    """A final block as one node answers it. Digests in hexadecimal, time in milliseconds."""
    height: int
    digest: str
    parent: str
    time_ms: int
    payload: str
    state_root: str
    results_root: str
    count: int
    receipts: list = field(default_factory=list)
    transactions: list = field(default_factory=list)


@dataclass
class Record:
    """One node's ledger. `accounts` holds {account: {asset: [available, held]}} and `supply` {asset: minor units}, as answered
    at the end; `certificates` {height: (headers, certificate)}, in bytes, and `proofs` {transaction id: finality
    receipt file} for the heights that this node was asked about; `halted` is why it no longer votes, empty when it
    does."""
    name: str
    blocks: list
    accounts: dict
    supply: dict
    certificates: dict
    proofs: dict
    halted: str
    # The highest height that an account was answered at.
    answered: int = 0


def fetch(node, height, accounts, certified, timeout):
    """Reads blocks 1 to `height`, the certificates of the heights `certified`, proofs of some receipts there, and
    `accounts` at the end. grpc.RpcError when the node does not answer in time."""
    blocks = []
    stream = node.watch(1, timeout)
    for piece in stream:
        if not blocks or blocks[-1].height != piece.block.height:
            blocks.append(block(piece.block))
        blocks[-1].receipts += [api.receipt(receipt) for receipt in piece.receipts]
        if piece.block.height >= height and not piece.continues:
            break
    stream.cancel()
    for entry in blocks:
        if entry.count:
            entry.transactions = transactions(node, entry.height, timeout)
    certificates = {}
    for at in certified:
        answer = node.call("GetBlock", timeout, height=at, include_certificate=True)
        certificates[at] = list(answer.headers), answer.certificate
    proofs, provable = {}, node.status(timeout).provable_height
    # The last receipt of a block; it is the block's own when nothing but an end happened there.
    proven = [blocks[at - 1].receipts[-1] for at in certified if at <= provable and blocks[at - 1].receipts]
    for receipt in proven[::PROVEN_EVERY]:
        identity = receipt["id"]
        answer = node.call("GetTransaction", timeout, transaction_id=bytes.fromhex(identity), prove=True)
        proofs[identity] = answer.finality_receipt
    held, answered = {}, height
    for name in accounts:
        answer = node.call("GetAccount", timeout, account=name)
        answered = max(answered, answer.height)
        balances = answer.account.balances
        held[name] = {balance.asset: [balance.available_minor, balance.held_minor] for balance in balances}
    status = node.status(timeout)
    supply = {entry.asset: int(entry.amount_minor) for entry in status.supply}
    return Record(node.name, blocks, held, supply, certificates, proofs, status.halted, answered)


def block(message):
    digests = [message.digest, message.parent, message.payload, message.state_root, message.results_root]
    digest, parent, payload, state_root, results_root = (value.hex() for value in digests)
    height, time_ms, count = message.height, message.time_ms, message.transactions
    return Block(height, digest, parent, time_ms, payload, state_root, results_root, count)


def transactions(node, height, timeout):
    """What was signed, for each receipt of a block in its order; nothing for the block's own."""
    found, cursor = [], ""
    while True:
        fields = {"height": height, "page_size": 1000, "include_transactions": True, "cursor": cursor}
        page = node.call("ListTransactions", timeout, **fields)
        for entry in page.transactions:
            signers = [(signer.key, signer.signature) for signer in entry.transaction.signatures]
            found.append({"receipt": api.receipt(entry.receipt), "body": entry.transaction.body, "signers": signers})
        cursor = page.next_cursor
        if not cursor:
            return found
