"""Random operations of the operator: who participates and validates, by which rules; dual control; evidence.

Must not know: who signs."""
import authority
import evidence
import invent_money
import wire
from state import PERMISSIONS, keeper

BANKS_OWN = ("pay", "open_accounts", "manage_keys")
GUESTS_MOST, MEMBERS_MOST = 40, 5
# Versions of the protocol come into force, if ever, long after the run: no node knows them.
FAR = 10_000_000


def add_participant(chance):
    if len(chance.guests) >= GUESTS_MOST:
        return None
    name = f"p{chance.number()}"
    role = chance.random.choices(["bank", "payment_provider", "auditor"], (3, 3, 1))[0]
    keys = chance.participant_keys(chance.random.randint(1, 3), BANKS_OWN)
    thresholds = chance.thresholds(keys)
    chance.guests.append(name)
    fields = {"does": "add_participant", "participant": name, "legal_name": f"Guest {name}", "bic": "", "role": role}
    fields["encryption_key"] = chance.keyring.encryption()
    return fields | {"keys": keys} | {kind + "_threshold": thresholds[kind] for kind in BANKS_OWN}


def set_participant_keys(chance):
    """Of the operator some keys freeze, and the others do all else."""
    operators = [name for name, entry in chance.state.participants.items() if entry.role == "operator"]
    if chance.often(0.1):
        return operators_keys(chance, chance.one(operators))
    name = chance.one(chance.guests) if chance.guests and chance.often(0.9) else chance.one(chance.banks)
    if name in operators:
        return operators_keys(chance, name)
    keys = chance.participant_keys(chance.random.randint(1, 3), BANKS_OWN)
    if chance.often(0.1):
        chance.random.choice(keys)["may_" + chance.random.choice(["issue", "freeze", "seize", "govern"])] = True
    return {"does": "set_participant_keys", "participant": name, "keys": keys, "thresholds": chance.thresholds(keys)}


def operators_keys(chance, name):
    keys = chance.participant_keys(3, [name for name in PERMISSIONS if name != "freeze"])
    keys += [{"key": chance.keyring.new(), "may_freeze": True}]
    if chance.often(0.1):
        keys[0] |= {"may_freeze": True, "may_issue": True}
    keys.sort(key=lambda entry: entry["key"])
    return {"does": "set_participant_keys", "participant": name, "keys": keys, "thresholds": chance.thresholds(keys, 3)}


def set_encryption_key(chance):
    name = chance.one(chance.guests) if chance.guests and chance.often(0.5) else chance.one(chance.banks)
    return {"does": "set_encryption_key", "participant": name, "encryption_key": chance.keyring.encryption()}


def set_participant_mode(chance):
    """Banks are soon active again; guests are wound down."""
    state = chance.state
    away = [name for name in chance.banks if state.participants[name].mode != "active"]
    if away and chance.often(0.8):
        return {"does": "set_participant_mode", "participant": chance.one(away), "mode": "active"}
    name = chance.one(chance.guests) if chance.often(0.85) else chance.one(chance.banks)
    mode = chance.random.choice(["active", "active", "receive_only", "pay_out_only", "suspended"])
    return name and {"does": "set_participant_mode", "participant": name, "mode": mode}


def remove_participant(chance):
    state = chance.state
    rich = {keeper(account) for (account, _), amounts in state.balances.items() if sum(amounts)}
    mode = lambda name: state.participants[name].mode if name in state.participants else None
    done = [name for name in chance.guests if mode(name) in ("pay_out_only", "suspended") and name not in rich]
    away = [name for name in chance.banks if mode(name) in ("pay_out_only", "suspended")]
    name = chance.one(done) if done and chance.often(0.6) else chance.one(away or chance.guests + chance.banks)
    return {"does": "remove_participant", "participant": name}


def set_limits(chance):
    """The basic tier's are low, so that they are met; the others' are mostly out of the way."""
    tier = chance.random.choices(["basic", "partial", "full", "interbank"], (6, 2, 1, 1))[0]
    low = tier == "basic"
    daily = chance.random.choice([0, 1000, 100_000] if low else [0, 10**9, 10**18, 10**18 + 1])
    hourly = chance.random.choice([0, 3, 10] if low else [0, 600, 1_000_000, 1_000_001])
    return {"does": "set_limits", "asset": chance.asset(), "tier": tier, "daily_minor": daily, "hourly": hourly}


def activate_protocol(chance):
    state, here = chance.state, chance.ledger.height
    every, version = state.activations["all"], chance.random.randint(1, 4)
    far = {"does": "activate_protocol", "version": version, "height": here + FAR}
    if every and chance.often(0.5):
        return far | {"version": state.first_version}
    return far | {"height": max(here - 1, 1)} if chance.often(0.1) else far


def propose(chance):
    """What is under dual control; some at once, some at a height."""
    kinds = [invent_money.issue, invent_money.redeem, invent_money.seize, set_limits, set_participant_mode]
    kinds += [set_participant_keys, set_encryption_key, add_participant, remove_participant, activate_protocol]
    weights = [6, 3, 3, 2, 1, 1, 1, 1, 1, 1]
    operation = chance.random.choices(kinds, weights)[0](chance)
    height = chance.ledger.height + chance.random.randint(1, 12) if chance.often(0.4) else 0
    operators = [name for name, entry in chance.state.participants.items() if entry.role == "operator"]
    fields = {"does": "propose", "participant": chance.one(operators), "operation": operation}
    return operation and fields | {"effect_height": height, "expires_ms": chance.deadline()}


def approve(chance):
    proposal = chance.one(chance.state.proposals)
    return proposal and {"does": "approve", "proposal": proposal}


def withdraw(chance):
    proposal = chance.one(chance.state.proposals)
    return proposal and {"does": "withdraw", "proposal": proposal}


def set_validator(chance):
    """The operator becomes one, if it is none; one takes another network key; now and then what cannot be."""
    members = chance.state.validators["members"]
    if len(members) < MEMBERS_MOST and chance.often(0.5):
        return member("nbc", chance.keyring.new(), chance.keyring.new())
    if chance.often(0.3):
        name = chance.one(chance.guests) or "nbc"
        return member(name, chance.keyring.new(), chance.keyring.new())
    name, key, network_key = chance.random.choice(members)
    if chance.often(0.15):
        return member(name, key, chance.one(sorted(chance.state.validators["used"] - {key})))
    return member(name, key, network_key if chance.often(0.2) else chance.keyring.new())


def member(name, key, network_key):
    return {"does": "set_validator", "participant": name, "key": key, "network_key": network_key}


def remove_validator(chance):
    names = [entry[0] for entry in chance.state.validators["members"]]
    name = names[-1] if len(names) > 4 else chance.one(names + chance.guests)
    return {"does": "remove_validator", "participant": name}


def report_misbehaviour(chance):
    """Two batches at one place of a lane, or two votes in one view, signed with a validator's key; some not quite."""
    accused = chance.random.choice(sorted(chance.keyring.validators))
    secret, chain = chance.keyring.validators[accused], chance.ledger.chain
    named = chance.keyring.new() if chance.often(0.1) else accused
    place = wire.number(8, chance.random.randint(1, 2 if chance.often(0.2) else 1_000_000))
    sign = lambda message: secret.sign(message) if chance.often(0.9) else bytes(64)
    digests = sorted(chance.random.randbytes(32) for _ in range(2))
    if chance.often(0.5):
        proof = evidence.TAG + b"\2" + named + place
        for digest in digests:
            proof += digest + sign(evidence.HEAD + chain + named + place + digest)
    else:
        context = wire.number(8, 0) + chance.random.randbytes(32)
        proof = evidence.TAG + b"\1" + named + context
        for said in statements(chance, place, digests):
            proof += said + sign(evidence.CONSENSUS + chain + context + said)
    return {"does": "report_misbehaviour", "proof": proof[:-1] if chance.often(0.1) else proof}


def statements(chance, view, digests):
    """Two that no honest validator makes both of: kind, view and what the kind has."""
    kind = chance.random.choice([evidence.PROPOSAL, evidence.NOTARIZE, evidence.FINALIZE, evidence.TIMEOUT])
    number = lambda kind: wire.number(1, kind)
    if kind == evidence.TIMEOUT:
        high = wire.number(8, chance.random.randint(0, 2))
        return [number(evidence.FINALIZE) + view + digests[0], number(evidence.TIMEOUT) + view + high]
    parent = wire.number(8, 0) if kind == evidence.PROPOSAL else b""
    return [number(kind) + view + parent + digest for digest in digests]


KINDS = {
    add_participant: 3, set_participant_keys: 4, set_encryption_key: 2, set_participant_mode: 4,
    remove_participant: 4, set_limits: 3, activate_protocol: 2, propose: 8, approve: 10, withdraw: 2,
    set_validator: 1.5, remove_validator: 1, report_misbehaviour: 3,
}
assert {kind.__name__ for kind in KINDS} <= authority.RULES.keys()
