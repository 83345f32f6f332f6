"""Who must have signed: the table of docs/authorization.md, read from that page, judged for all operations of a
transaction before the first of them is executed.

Must not know: what operations do."""
import os
import re

from codes import NUMBERS, ROOT
from state import Participant, keeper

# Permissions that may be used by one key after another: what needs one of them can be proposed.
DUAL = ("issue", "seize", "govern")
# The fields that name the account whose money leaves, the one it enters, and the one whose keeper signs.
LEAVES, ENTERS, KEPT = ("from", "maker", "account"), ("to", "taker"), ("account", "from")


def read():
    """{operation: (who signs, permission, roles)} of every row of the page."""
    text = open(os.path.join(ROOT, "docs", "authorization.md"), encoding="utf-8").read()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    name = lambda text: text.strip().replace(" ", "_")
    return {does: (who.strip(), name(may), {name(role) for role in roles.split(",")}) for does, who, may, roles in rows}


RULES = read()
GOVERN = "govern", {"operator"}


def first_of(operation, fields):
    return next(operation[field] for field in fields if field in operation)


def dual_control(does):
    """The permission by which it can be proposed; None when it cannot."""
    who, permission, _ = RULES[does]
    permission = "govern" if who == "the participant; or an operator" else permission
    return permission if permission in DUAL else None


def choices(state, operation, admitted=None):
    """Whose keys may sign: a list of (keys, how many of them must), any one of which is enough. None: nobody needs to,
    for what the operation is about is not there, and it fails when it is executed. `admitted` are the participants that
    the same transaction admits."""
    who, permission, roles = RULES[operation["does"]]
    known = (admitted or {}) | state.participants
    if who in ("the account that money leaves", "the account that money enters"):
        name = first_of(operation, LEAVES if who.endswith("leaves") else ENTERS)
        account = state.accounts.get(name)
        if account and account.keys:
            return [(frozenset(account.keys), account.threshold)]
        return of_participant(known.get(keeper(name)), permission, roles)
    if who == "the participant that keeps the account":
        return of_participant(known.get(keeper(first_of(operation, KEPT))), permission, roles)
    if who == "the issuer of the asset":
        return of_participant(known.get(state.issuers.get(operation["asset"])), permission, roles)
    if who == "an operator":
        return of_operators(state, permission, roles)
    if who == "the participant; or an operator":
        itself = of_participant(known.get(operation["participant"]), permission.split(";")[0], roles)
        return None if itself is None else itself + of_operators(state, *GOVERN)
    if who == "any participant":
        return [(frozenset(key for participant in known.values() for key in participant.keys), 1)]
    return of_deciders(state, operation)


def of_participant(participant, permission, roles):
    if participant is None:
        return None
    return [panel(participant, permission)] if participant.role in roles else []


def of_operators(state, permission, roles):
    operators = [participant for participant in state.participants.values() if participant.role in roles]
    return [panel(participant, permission) for participant in operators]


def panel(participant, permission):
    """The keys of a participant that have a permission, and how many of them must sign."""
    keys = frozenset(key for key, may in participant.keys.items() if permission in may)
    return keys, participant.thresholds[permission]


def of_deciders(state, operation):
    """Any one key that may decide on what is proposed."""
    if operation["does"] == "propose":
        asked = operation["participant"], operation["operation"]
    else:
        proposal = state.proposals.get(operation["proposal"])
        if proposal is None:
            return None
        asked = proposal.participant, proposal.operation
    keys, _ = deciders(state, *asked)
    return [(keys, 1)]


def deciders(state, participant, operation):
    """The keys of the participant that decide on an operation, and how many must; (no keys, 1) when it is not its to
    decide."""
    record, permission = state.participants.get(participant), dual_control(operation["does"])
    issues = RULES[operation["does"]][0] == "the issuer of the asset"
    its = record and record.role == "operator" and (not issues or state.issuers.get(operation["asset"]) == participant)
    return panel(record, permission) if its else (frozenset(), 1)


def admits(operations):
    """{id: Participant} of those that a transaction admits: they sign for what comes after it in the transaction."""
    found = {}
    for operation in operations:
        if operation["does"] == "add_participant":
            found.setdefault(operation["participant"], admitted(operation))
    return found


def admitted(operation):
    """The record that admitting a participant makes."""
    thresholds = {name: 1 for name in ("issue", "freeze", "seize", "govern")}
    thresholds |= {name: max(operation[name + "_threshold"], 1) for name in ("pay", "open_accounts", "manage_keys")}
    return Participant(operation["role"], "active", keys_of(operation), thresholds, operation["encryption_key"])


def keys_of(operation):
    """{key: permissions} of a message that lists keys of a participant."""
    permissions = lambda entry: frozenset(name[4:] for name, may in entry.items() if name != "key" and may)
    return {entry["key"]: permissions(entry) for entry in operation["keys"]}


def judge(state, operations, signers):
    """(code, operation) of the first operation that the signing keys may not ask for; None when they may ask for all.
    THRESHOLD_NOT_MET when of some choice at least one key signed."""
    known = admits(operations)
    for number, operation in enumerate(operations):
        found = choices(state, operation, known)
        if found is None:
            continue
        signed = [(len(keys & signers), threshold) for keys, threshold in found]
        if any(count >= max(threshold, 1) for count, threshold in signed):
            continue
        return ("THRESHOLD_NOT_MET" if any(count for count, _ in signed) else "NOT_AUTHORIZED"), number
    return None


assert "NOT_AUTHORIZED" in NUMBERS and len(RULES) >= 40, "docs/authorization.md has its table"
