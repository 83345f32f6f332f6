"""What ends by itself at a block time: holds, bank transfers, requests, quotes, and what was returned of a payment.
Follows docs/decisions/0062-agreements.md and docs/execution.md.

Must not know: which operations begin and change it."""
from collections import Counter

import money
import wire
from codes import reason
from state import Timed, keeper

NUMBERS = {"hold": 1, "bank_transfer": 2, "returned": 3, "request": 4, "quote": 5}
MOST, MOST_OF_ONE, MOST_IN_A_BLOCK = 1_000_000, 100_000, 4_096
LIFE_MS = 90 * 24 * 3_600_000


def identity(kind, account, reference):
    """What it stands under: the digest of its kind, of the account whose reference names it, and of that."""
    return wire.digest("timed", wire.number(1, NUMBERS[kind]), wire.text(account), wire.text(reference))


def full(state, account):
    """Is there no room for one more that the keeper of this account began?"""
    if len(state.timed) < MOST_OF_ONE:
        return False
    counts = Counter(entry.owner for entry in state.timed.values())
    return len(state.timed) >= MOST or counts[keeper(account)] >= MOST_OF_ONE


def deadline(scene, ends_ms):
    return reason("DEADLINE_INVALID", not scene.time_ms < ends_ms <= scene.time_ms + LIFE_MS)


def put(scene, kind, account, reference, ends_ms, begun_ms, owner, kept, content):
    """Writes it down; `owner` is the account whose keeper it counts for."""
    value = Timed(kind, account, reference, ends_ms, begun_ms, keeper(owner), kept, content)
    scene.state.put("timed", identity(kind, account, reference), value)


def end(scene, identity_):
    scene.state.put("timed", identity_, None)


def standing(scene, kind, account, reference, missing, over, fits):
    """What a reference names, if it is there and not over: (id, Timed or None, reasons). `fits` says of its content
    whether it is the one that is meant."""
    found = scene.state.timed.get(identity(kind, account, reference))
    if found is None or not fits(found.content):
        return None, None, {missing}
    return identity(kind, account, reference), found, reason(over, found.ends_ms <= scene.time_ms)


def endings(scene):
    """Ends what is due, soonest first, then by id, as many as a block ends: the results of the block's own receipt."""
    state, results = scene.state, []
    due = sorted((entry.ends_ms, key) for key, entry in state.timed.items() if entry.ends_ms <= scene.time_ms)
    for _, key in due[:MOST_IN_A_BLOCK]:
        entry, after = state.timed[key], []
        if entry.kept:
            after.append(money.unhold(scene, entry.account, *entry.kept, entry.begun_ms))
        end(scene, key)
        results.append(["ended", key.hex(), after])
    return results
