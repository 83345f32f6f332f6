"""Instruction references: the same instruction takes effect once in 7 days.
Follows docs/decisions/0010-transaction-identity.md.

Must not know: what instructions do."""
from codes import Rejected
from state import Reference

HOUR_MS = 3_600_000
LIFE_MS = 7 * 24 * HOUR_MS
# Whose reference it is, by the field of the operation: an account's, or, for "asset", the issuer's of that asset.
OWNERS = {
    "transfer": "from", "issue": "asset", "redeem": "from", "place_hold": "from", "capture_hold": "to",
    "send_to_bank": "from", "return": "from", "request_to_pay": "to", "accept_request": "from", "grant_mandate": "from",
    "collect": "to", "pay_khqr": "from", "offer_quote": "maker", "take_quote": "taker", "seize": "asset",
}
# What does not make two instructions differ: encrypted data, which is other bytes each time.
ENCRYPTED = ("sealed",)


def scope(state, operation):
    """Under what its reference is taken; None without one."""
    field, reference = OWNERS.get(operation["does"]), operation.get("instruction_ref")
    if not field or not reference:
        return None
    if field != "asset":
        return "account", operation[field], reference
    issuer = state.issuers.get(operation["asset"])
    return issuer and ("issuer", issuer, reference)


def content(operation):
    """What makes another operation under the same reference the same."""
    skipped = (*ENCRYPTED, "instruction_ref")
    return tuple(sorted((name, value) for name, value in operation.items() if name not in skipped))


def until(taken_ms):
    """The first block time at which a reference is free that was taken then."""
    return (taken_ms // HOUR_MS + 1) * HOUR_MS + LIFE_MS


def standing(state, key, now_ms):
    """The Reference that stands under a key, unless its time is over."""
    known = state.references.get(key)
    return known if known and now_ms < until(known.taken_ms) else None


def repeated(scene, operation):
    """The place of the first, when this instruction took effect before; Rejected when its reference did for another."""
    key = scope(scene.state, operation)
    known = key and standing(scene.state, key, scene.time_ms)
    if not known:
        return None
    if known.content != content(operation):
        raise Rejected("DUPLICATE_REFERENCE")
    return known.place


def take(scene, operation):
    """The operation took effect: its reference is taken."""
    key = scope(scene.state, operation)
    if key:
        scene.state.put("references", key, Reference(scene.time_ms, content(operation), scene.place))
