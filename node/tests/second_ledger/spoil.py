"""Ways to make a good operation one that the ledger refuses, or a good transaction one that no node takes.

Must not know: which reason is given for an operation. For bytes it is said here."""
import invent_khqr
import sealed

HOUR_MS = 3_600_000
U64_MAX = 2**64 - 1
PARTIES = ("from", "to", "account", "maker", "taker")
REFERENCES = ("hold_ref", "transfer_ref", "request_ref", "mandate_ref", "quote_ref", "original_ref")
AMOUNTS = ("amount_minor", "cap_minor", "sold_minor", "bought_minor")


def operation(chance, good):
    """The same operation with one field changed to what is well formed and mostly wrong."""
    choices = [(field, spoilt) for field, spoilt in FIELDS.items() if good.get(field)]
    if not choices:
        return good
    field, spoilt = chance.random.choice(choices)
    return good | {field: spoilt(chance, good, field)}


def party(chance, good, field):
    return chance.random.choice([
        f"nobody@{good[field].split('@')[1]}", "somebody@nowhere", chance.one(chance.state.accounts),
        good.get("to") or good[field], chance.random.choice(chance.names), chance.random.choice(chance.names),
    ])


def amount(chance, good, field):
    return chance.random.choice([0, U64_MAX, good[field] ^ 1, good[field] * 1000 % U64_MAX])


def reference(chance, good, field):
    known = chance.one(entry.reference for entry in chance.state.timed.values())
    return chance.random.choice(["unknown", known or "unknown"])


def time(chance, good, field):
    return chance.random.choice([1, chance.time_ms, chance.time_ms + 91 * 24 * HOUR_MS, U64_MAX])


def asset(chance, good, field):
    return chance.random.choice(["KHR", "USD", "XAU"])


def participant(chance, good, field):
    return chance.random.choice(["nowhere", *chance.banks, *chance.guests])


def digest(chance, good, field):
    return chance.random.randbytes(32)


FIELDS = (
    dict.fromkeys(PARTIES, party) | dict.fromkeys(AMOUNTS, amount) | dict.fromkeys(REFERENCES, reference)
    | dict.fromkeys(("asset", "sold_asset", "bought_asset"), asset)
    | {"expires_ms": time, "participant": participant, "alias": digest, "proposal": digest}
    | {"payload": invent_khqr.spoilt}
    | {"tier": lambda chance, good, field: "interbank", "order_ref": lambda chance, good, field: "no-such-order"}
)


# ----- bytes: each gives (SignedTransaction, the reason that every node gives)

def malformed(maker, operations):
    """An unknown field after the last."""
    body = maker.body(operations).SerializeToString(deterministic=True)
    return maker.signed(body + b"\xf8\x01\x01", operations), "MALFORMED"


def encryption_key_weak(maker, operations):
    """Of small order, or not reduced."""
    prime = b"\xed" + b"\xff" * 30 + b"\x7f"
    key = maker.chance.random.choice([bytes(32), bytes([1, *bytes(31)]), prime, b"\xff" * 32])
    weak = {"does": "set_encryption_key", "participant": maker.chance.banks[0], "encryption_key": key}
    return maker.signed(maker.body([weak]).SerializeToString(), operations), "MALFORMED"


def sealed_invalid(maker, operations):
    """Personal data that is not sealed, in one of the operations that hold any; a bank must have some."""
    random, does = maker.chance.random, maker.chance.random.choice(["transfer", "send_to_bank", "request_to_pay"])
    parties = {"does": does, "from": maker.chance.names[0], "to": maker.chance.names[1], "asset": "KHR"}
    open_ = parties | {"amount_minor": 1, "instruction_ref": "open", "expires_ms": maker.chance.time_ms + HOUR_MS}
    open_["sealed"] = b"" if does == "send_to_bank" and maker.chance.often(0.3) else sealed.spoil(random)
    body = maker.body([*operations, open_]).SerializeToString(deterministic=True)
    return maker.signed(body, operations), "SEALED_INVALID"


def no_operations(maker, operations):
    return maker.signed(maker.body([]).SerializeToString(deterministic=True), operations), "NO_OPERATIONS"


def too_many(maker, operations):
    """One more than there may be."""
    operation = {"does": "withdraw", "proposal": bytes(32)}
    return maker.signed(maker.body([operation] * 8_191).SerializeToString(), operations), "TOO_MANY_OPERATIONS"


def too_large(maker, operations):
    transaction = maker.signed(maker.body(operations).SerializeToString(), operations)
    transaction.body += bytes(2 << 20)
    return transaction, "TRANSACTION_TOO_LARGE"


def wrong_chain(maker, operations):
    body = maker.body(operations)
    body.chain, body.not_after_ms = bytes(32), body.not_before_ms
    return maker.signed(body.SerializeToString(), operations), "WRONG_CHAIN"


def window_empty(maker, operations):
    body = maker.body(operations)
    body.not_after_ms = body.not_before_ms
    return maker.signed(body.SerializeToString(), operations), "WINDOW_EMPTY"


def window_too_long(maker, operations):
    body = maker.body(operations)
    body.not_after_ms = body.not_before_ms + 24 * HOUR_MS + 1
    return maker.signed(body.SerializeToString(), operations), "WINDOW_TOO_LONG"


def signature_invalid(maker, operations):
    transaction = maker.signed(maker.body(operations).SerializeToString(), operations)
    transaction.signatures[0].signature = bytes(64)
    return transaction, "SIGNATURE_INVALID"


def not_yet_valid(maker, operations):
    body = maker.body(operations)
    body.not_before_ms = maker.chance.time_ms + HOUR_MS
    body.not_after_ms = body.not_before_ms + HOUR_MS
    return maker.signed(body.SerializeToString(), operations), "NOT_YET_VALID"


BYTES = (
    malformed, encryption_key_weak, sealed_invalid, no_operations, too_many, too_large, wrong_chain, window_empty,
    window_too_long, signature_invalid, not_yet_valid,
)
