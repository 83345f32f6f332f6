"""A block, from what ends by itself to the last transaction's receipt: what the receipts must say.
Follows docs/execution.md and docs/decisions/0010-transaction-identity.md.

Must not know: what the node says."""
from dataclasses import dataclass, replace

import accounts
import agreements
import authority
import evidence
import governance
import mandates
import payments
import references
import timed
import validators
import wire
from codes import FREE, NUMBERS, Rejected, refuse
from state import State

MODULES = (payments, agreements, mandates, accounts, governance, validators, evidence)
OPERATIONS = {does: act for module in MODULES for does, act in module.OPERATIONS.items()}


@dataclass(frozen=True)
class Scene:
    """Where an operation is executed. `place` is where its result will stand: (transaction, height, index, operation);
    `signers` are the keys that signed; `judged` counts the block's proofs whose signatures were checked."""
    state: State
    chain: bytes
    height: int
    time_ms: int
    place: tuple
    signers: frozenset
    judged: list


def rejection(code, operation):
    return [code, NUMBERS[code], operation]


class Ledger:
    """The ledger of a chain: give it each block in turn."""

    def __init__(self, genesis, chain):
        self.state, self.chain, self.height = State(genesis), chain, 0

    def block(self, height, time_ms, transactions):
        """The receipts of a block, as wire.receipt gives them. `transactions` are (id, wire.transaction, keys that
        signed), in order, none of which was executed before."""
        self.height = height
        scene = Scene(self.state, self.chain, height, time_ms, None, frozenset(), [0])
        receipts = []
        own = self.own(scene)
        if own:
            identity = wire.digest("block receipt", self.chain, wire.number(8, height)).hex()
            receipts.append(receipt(identity, scene, 0, "applied", None, own))
        for identity, body, signers in transactions:
            index = len(receipts)
            here = replace(scene, place=(identity, height, index, 0), signers=frozenset(signers))
            receipts.append(receipt(identity, here, index, *self.transaction(here, identity, body)))
        validators.end_of_block(scene)
        self.state.keep()
        return receipts

    def own(self, scene):
        """What ends by itself: the results of the block's own receipt."""
        results = timed.endings(scene)
        identity = wire.digest("block receipt", self.chain, wire.number(8, scene.height)).hex()
        for key in governance.due(self.state, scene.height, scene.time_ms):
            proposal = self.state.proposals[key]
            self.state.put("proposals", key, None)
            self.state.keep()
            here = replace(scene, place=(identity, scene.height, 0, len(results)))
            try:
                refuse(governance.decided(here, proposal))
                result = execute(here, proposal.operation)
                if result[0] != "applied":
                    raise Rejected("DUPLICATE_REFERENCE")
                results.append(["decided", key.hex(), result[1]])
            except Rejected as rejected:
                self.state.take_back()
                results.append(["lapsed", key.hex(), rejection(rejected.code, None)])
            self.state.keep()
        return results

    def transaction(self, scene, identity, body):
        """What became of a transaction: outcome, rejection, results."""
        state, (_, height, index, _) = self.state, scene.place
        why = judge(scene, body)
        if why is None or NUMBERS[why[0]] not in FREE:
            state.put("ids", identity, (height, index))
            state.keep()
        if why:
            return "rejected", rejection(*why), []
        results = []
        for number, operation in enumerate(body["operations"]):
            here = replace(scene, place=(identity, height, index, number))
            try:
                results.append(act(here, operation))
            except Rejected as rejected:
                state.take_back()
                if not body["independent"]:
                    return "rejected", rejection(rejected.code, number), []
                results.append(["rejected", rejection(rejected.code, number)])
            if body["independent"]:
                state.keep()
        state.keep()
        kinds = {result[0] for result in results}
        return "partial" if "rejected" in kinds else "repeated" if kinds == {"repeated"} else "applied", None, results


def receipt(identity, scene, index, outcome, why, results):
    place = {"id": identity, "height": scene.height, "index": index, "time_ms": scene.time_ms}
    return place | {"outcome": outcome, "rejection": why, "results": results}


def judge(scene, body):
    """Why a transaction is refused as a whole: (code, operation or None); None when it is not."""
    if scene.time_ms < body["not_before_ms"]:
        return "NOT_YET_VALID", None
    if scene.time_ms >= body["not_after_ms"]:
        return "EXPIRED", None
    return authority.judge(scene.state, body["operations"], scene.signers)


def act(scene, operation):
    """The result of an operation of a transaction. What a proposal brings to effect stands in its place."""
    decide = governance.DECISIONS.get(operation["does"])
    if decide is None:
        return execute(scene, operation)
    result, takes_effect = decide(scene, operation)
    return result or execute(scene, takes_effect)


def execute(scene, operation):
    """The reference first, then what the operation does."""
    first = references.repeated(scene, operation)
    if first:
        return ["repeated", list(first)]
    after = OPERATIONS[operation["does"]](scene, operation)
    references.take(scene, operation)
    return ["applied", after]
