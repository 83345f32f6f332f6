"""Transactions of random clients: operations put together, signed by who should or, now and then, by others.

Must not know: what the ledger will say."""
from dataclasses import dataclass

import authority
import invent_accounts
import invent_governance
import invent_khqr
import invent_money
import khqr
import spoil
import wire

GROUPS = (invent_money.KINDS, invent_khqr.KINDS, invent_accounts.KINDS, invent_governance.KINDS)
KINDS = {kind: weight for group in GROUPS for kind, weight in group.items()}
# Shares of what is drawn: operations spoilt, transactions signed by others, transactions of several operations, of many
# of one kind, such that no node takes, and such that expire on their way.
SPOILT, MISSIGNED, SEVERAL, MANY, REFUSED, LATE = 0.15, 0.05, 0.12, 0.01, 0.01, 0.01
# What is drawn many times in one transaction, until there is no room for more of it; with the fields that all share.
FILLING = {
    "grant_mandate": ("from",), "freeze_account": ("account",), "propose": ("operation", "participant"),
    "report_misbehaviour": (), "pay_khqr": ("from", "to", "asset", "amount_minor", "payload"),
}
BEFORE_MS, WINDOW_MS = 60_000, 600_000


@dataclass
class Made:
    """A transaction. `refused` is the reason for which every node refuses it unqueued; None when they take it."""
    identity: str
    signed: object
    refused: str
    late: bool


class Maker:
    """Makes transactions of what chance gives."""

    def __init__(self, ledger, chance):
        self.new, self.chance = ledger.message, chance

    def transaction(self):
        chance = self.chance
        if chance.often(MANY):
            return self.many(chance.random.choice(list(FILLING)))
        operations = self.operations()
        if chance.often(REFUSED):
            signed, reason = chance.random.choice(spoil.BYTES)(self, operations)
            return Made("", signed, reason, False)
        body, late = self.body(operations), chance.often(LATE)
        body.independent = chance.often(0.5)
        if late:
            body.not_after_ms = chance.time_ms + chance.random.randint(1, 60)
        return self.made(body, operations, late, chance.often(MISSIGNED))

    def kinds(self, names):
        """A transaction for each of these operations that the ledger has something for."""
        made = [kind(self.chance) for kind in KINDS if kind.__name__ in names]
        return [self.of([operation]) for operation in made if operation]

    def of(self, operations, signing=None, independent=False):
        """A transaction of these, signed by those who should sign for the operations `signing`: for all of them."""
        body = self.body(operations)
        body.independent = independent
        return self.made(body, signing or operations)

    def made(self, body, signing, late=False, by_others=False):
        body_bytes = body.SerializeToString(deterministic=True)
        identity = wire.digest("transaction", body.chain, body_bytes).hex()
        return Made(identity, self.signed(body_bytes, signing, by_others), None, late)

    def body(self, operations):
        """A body that is valid for some minutes."""
        chance = self.chance
        window = {"not_before_ms": chance.time_ms - BEFORE_MS, "not_after_ms": chance.time_ms + WINDOW_MS}
        operations = [wire.operation_message(self.new, operation) for operation in operations]
        nonce = chance.random.randbytes(8)
        return self.new("TransactionBody", chain=chance.ledger.chain, nonce=nonce, operations=operations, **window)

    def operations(self):
        count = self.chance.random.randint(2, 5) if self.chance.often(SEVERAL) else 1
        return [self.operation() for _ in range(count)]

    def operation(self):
        chance, made = self.chance, None
        while made is None:
            made = chance.random.choices(list(KINDS), KINDS.values())[0](chance)
        return spoil.operation(chance, made) if chance.often(SPOILT) else made

    def race(self):
        """(identity of a dynamic code or None, transactions that pay by it, of which one can)."""
        operations = invent_khqr.race(self.chance)
        code = khqr.identity(operations[0]["payload"]) if operations else None
        return code, [self.of([operation]) for operation in operations]

    def many(self, does):
        """More of one kind than there is room for, each on its own."""
        kind = next(kind for kind in KINDS if kind.__name__ == does)
        made = [operation for operation in (kind(self.chance) for _ in range(100)) if operation] or [self.operation()]
        same = {field: made[0].get(field) for field in FILLING[does]}
        made = [operation | {field: value for field, value in same.items() if value} for operation in made]
        if does == "report_misbehaviour":
            # Signatures that do not hold: so it takes until no more are looked at in one block.
            made = [operation | {"proof": operation["proof"][:-64] + bytes(64)} for operation in made]
        elif does == "propose":
            made = [operation | {"expires_ms": self.chance.soon()} for operation in made]
        return self.of(made, signing=made[:1], independent=True)

    def signed(self, body_bytes, operations, by_others=False):
        """Signed by as many keys as these operations ask for, as far as 16 are enough; or not quite by those."""
        keys = set()
        for operation in operations:
            keys |= self.signers(operation)
        if by_others:
            keys = self.missigned(keys)
        keys = set(sorted(keys)[:16]) or {self.chance.keyring.new()}
        return self.chance.keyring.sign(self.new, self.chance.ledger.chain, body_bytes, keys)

    def signers(self, operation):
        random, known = self.chance.random, self.chance.keyring.secrets.keys()
        found = authority.choices(self.chance.state, operation) or []
        able = [(sorted(keys & known), threshold) for keys, threshold in found if len(keys & known) >= threshold]
        if not able:
            return set()
        keys, threshold = random.choice(able)
        if operation["does"] == "approve":
            done = self.chance.state.proposals[operation["proposal"]].approvals if able else ()
            keys = [key for key in keys if key not in done or self.chance.often(0.1)] or keys
        more = self.chance.often(0.1) and len(keys) > threshold
        return set(random.sample(keys, min(threshold + more, len(keys))))

    def missigned(self, keys):
        """One key less, or other keys."""
        random, secrets = self.chance.random, self.chance.keyring.secrets
        if len(keys) > 1 and self.chance.often(0.6):
            return set(random.sample(sorted(keys), len(keys) - 1))
        return {random.choice(sorted(secrets))}
