"""Reports of what validators did: a proof is read and judged here once more, signatures included.
Follows the layouts in docs/execution.md.

Must not know: who signed the report."""
from collections import Counter

import wire
from codes import Rejected, reason, refuse
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TAG, HEAD, CONSENSUS = b"tonle/v1/misbehaviour\0", b"tonle/v1/batch-head\0", b"tonle/v1/consensus\0"
OF_ONE_MOST, MOST, JUDGED_MOST = 64, 10_000, 64
PROPOSAL, NOTARIZE, FINALIZE, TIMEOUT = 1, 2, 3, 4
# Bytes of a statement's body, after its kind and view.
BODIES = {PROPOSAL: 8 + 32, NOTARIZE: 32, FINALIZE: 32, TIMEOUT: 8}
BATCHES = 5


class Bytes:
    """Reads pieces; ValueError when there are too few."""

    def __init__(self, rest):
        self.rest = rest

    def take(self, count):
        if len(self.rest) < count:
            raise ValueError("ends early")
        piece, self.rest = self.rest[:count], self.rest[count:]
        return piece

    def number(self, count):
        return int.from_bytes(self.take(count), "big")


def read(proof):
    """(id, accused key, what was signed: ((message after the chain's digest, tag), signature) twice); None when the
    bytes are no proof."""
    try:
        rest = Bytes(proof)
        if rest.take(len(TAG)) != TAG:
            return None
        form = rest.number(1)
        found = {1: statements, 2: batches}[form](rest)
        return None if rest.rest else found
    except (ValueError, KeyError):
        return None


def offence(accused, kind, epoch, place):
    parts = wire.number(1, kind), wire.number(8, epoch), wire.number(8, place)
    return wire.digest("offence", accused, *parts)


def batches(rest):
    """Two batches at one place of a lane, the lower digest first."""
    lane, place = rest.take(32), rest.number(8)
    (first, one), (second, other) = [(rest.take(32), rest.take(64)) for _ in range(2)]
    if place == 0 or first >= second:
        raise ValueError("no fork")
    signed = lambda digest: (HEAD, lane + wire.number(8, place) + digest)
    return offence(lane, BATCHES, 0, place), lane, ((signed(first), one), (signed(second), other))


def statements(rest):
    """Two statements of consensus that contradict each other."""
    accused, epoch, set_ = rest.take(32), rest.number(8), rest.take(32)
    said = []
    for _ in range(2):
        kind, view = rest.number(1), rest.number(8)
        said.append((kind, view, rest.take(BODIES[kind]), rest.take(64)))
    (kind, view, body, _), (other, later, denial, _) = said
    if kind == other != TIMEOUT:
        number = kind
        holds = view == later and body[-32:] < denial[-32:]
    else:
        number = 4
        holds = (kind, other) == (FINALIZE, TIMEOUT) and later >= view > int.from_bytes(denial, "big")
    if not holds or view == 0:
        raise ValueError("no contradiction")
    context = wire.number(8, epoch) + set_
    signed = lambda it: (CONSENSUS, context + wire.number(1, it[0]) + wire.number(8, it[1]) + it[2])
    return offence(accused, number, epoch, view), accused, tuple((signed(it), it[3]) for it in said)


def holds(chain, accused, signed):
    try:
        for (tag, message), signature in signed:
            Ed25519PublicKey.from_public_bytes(accused).verify(signature, tag + chain + message)
    except (InvalidSignature, ValueError):
        return False
    return True


def report(scene, operation):
    state, claim = scene.state, read(operation["proof"])
    refuse(reason("EVIDENCE_MALFORMED", claim is None))
    identity, accused, signed = claim
    many = Counter(state.offences.values())[accused] >= OF_ONE_MOST or len(state.offences) >= MOST
    refuse(
        reason("ACCUSED_UNKNOWN", accused not in state.validators["used"]),
        reason("ALREADY_REPORTED", identity in state.offences),
        reason("OFFENCES_FULL", many),
        reason("REPORTS_BUSY", scene.judged[0] >= JUDGED_MOST),
    )
    # What is checked counts, also when it is taken back.
    scene.judged[0] += 1
    if not holds(scene.chain, accused, signed):
        raise Rejected("EVIDENCE_INVALID")
    state.put("offences", identity, accused)
    return []


OPERATIONS = {"report_misbehaviour": report}
