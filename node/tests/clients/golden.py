"""What a client signs, byte for byte: builds the ledger's golden transaction from the messages that the server
describes, and compares. usage: golden.py ADDRESS VECTORS"""
import sys

from pay import Ledger

lines = (line.rstrip("\n").split(" = ") for line in open(sys.argv[2]) if not line.startswith("rejection"))
vector = {name: bytes.fromhex(value) for name, value in lines if name.startswith(("smallest.", "genesis.digest"))}
ledger = Ledger(sys.argv[1])
transfer = {"from": "alice@aba", "to": "bob@acleda", "asset": "KHR", "amount_minor": 1}
sample = ledger.message("TransactionBody").FromString(vector["smallest.body"])
body = ledger.message(
    "TransactionBody",
    chain=vector["genesis.digest"],
    not_before_ms=sample.not_before_ms,
    not_after_ms=sample.not_after_ms,
    operations=[ledger.message("Operation", transfer=ledger.message("Transfer", **transfer))],
)
signed = ledger.sign(body, b"aba".ljust(32, b"\0"))
assert signed.body == vector["smallest.body"], signed.body.hex()
assert signed.SerializeToString(deterministic=True) == vector["smallest.bytes"], signed
assert b"tonle/v1/transaction\0" + body.chain + signed.body == vector["smallest.signed_message"]
print("the golden transaction, byte for byte")
