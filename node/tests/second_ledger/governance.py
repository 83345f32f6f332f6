"""Who participates and by which rules: participants, limits, versions of the protocol; and dual control.
Follows docs/authorization.md, docs/decisions/0061-dual-control.md and docs/execution.md.

Must not know: how what is proposed is executed."""
from dataclasses import replace

import authority
import validators
import wire
from codes import reason, refuse
from state import PERMISSIONS, Proposal, keeper

PARTICIPANTS_MOST, ACTIVATIONS_MOST = 10_000, 256
PROPOSALS_MOST, PROPOSALS_OF_ONE_MOST, PROPOSAL_LIFE_MS = 1_000, 64, 30 * 24 * 3_600_000
DAILY_MOST, HOURLY_MOST = 10**18, 1_000_000
OPERATORS_OWN = {"issue", "freeze", "seize", "govern"}


def add_participant(scene, operation):
    participants, name = scene.state.participants, operation["participant"]
    refuse(
        reason("PARTICIPANT_EXISTS", name in participants),
        reason("PARTICIPANTS_FULL", len(participants) >= PARTICIPANTS_MOST),
    )
    scene.state.put("participants", name, authority.admitted(operation))
    return []


def standing(state, name):
    """Reasons why there is no such participant to change."""
    participant = state.participants.get(name)
    if participant is None:
        return {"UNKNOWN_PARTICIPANT"}
    return reason("PARTICIPANT_SUSPENDED", participant.mode == "removed")


def set_participant_keys(scene, operation):
    state, name, keys = scene.state, operation["participant"], authority.keys_of(operation)
    participant = state.participants.get(name)
    operators = participant and participant.role != "operator" and any(OPERATORS_OWN & may for may in keys.values())
    refuse(
        reason("FREEZE_AND_ISSUE", any({"freeze", "issue"} <= may for may in keys.values())),
        standing(state, name),
        reason("PERMISSION_NOT_OF_ROLE", operators),
    )
    thresholds = {permission: max(operation["thresholds"][permission], 1) for permission in PERMISSIONS}
    state.put("participants", name, replace(participant, keys=keys, thresholds=thresholds))
    strike(state, name)
    return []


def strike(state, name):
    """Keys that may not decide any more have not approved any more, for good."""
    for key, proposal in list(state.proposals.items()):
        if proposal.participant == name:
            deciders, _ = authority.deciders(state, name, proposal.operation)
            state.put("proposals", key, replace(proposal, approvals=proposal.approvals & deciders))


def set_encryption_key(scene, operation):
    name = operation["participant"]
    refuse(standing(scene.state, name))
    participant = scene.state.participants[name]
    scene.state.put("participants", name, replace(participant, encryption_key=operation["encryption_key"]))
    return []


def set_participant_mode(scene, operation):
    name = operation["participant"]
    refuse(standing(scene.state, name))
    participant = scene.state.participants[name]
    scene.state.put("participants", name, replace(participant, mode=operation["mode"]))
    return []


def remove_participant(scene, operation):
    state, name = scene.state, operation["participant"]
    participant = state.participants.get(name)
    wound_down = participant and participant.mode in ("pay_out_only", "suspended")
    issues = name in state.issuers.values() or (participant and participant.role == "operator")
    rich = any(sum(amounts) for (account, _), amounts in state.balances.items() if keeper(account) == name)
    refuse(
        standing(state, name),
        reason("PARTICIPANT_SUSPENDED", not wound_down),
        reason("STILL_ISSUES", issues),
        reason("STILL_VALIDATES", validators.validates(scene, name)),
        reason("STILL_HAS_MONEY", rich),
    )
    thresholds = {permission: 1 for permission in PERMISSIONS}
    state.put("participants", name, replace(participant, mode="removed", keys={}, thresholds=thresholds))
    return []


def set_limits(scene, operation):
    asset, daily, hourly = operation["asset"], operation["daily_minor"], operation["hourly"]
    refuse(
        reason("ASSET_UNKNOWN", asset not in scene.state.supply),
        reason("LIMITS_INVALID", daily > DAILY_MOST or hourly > HOURLY_MOST),
    )
    scene.state.put("limits", (asset, operation["tier"]), (daily, hourly))
    return []


def activate_protocol(scene, operation):
    state, version, height = scene.state, operation["version"], operation["height"]
    every = state.activations["all"]
    past = tuple(entry for entry in every if entry[0] <= scene.height)
    in_force = past[-1][1] if past else state.first_version
    changes = version > in_force or (version == in_force and len(past) < len(every))
    refuse(
        reason("ACTIVATION_INVALID", height <= scene.height or not changes),
        reason("ACTIVATIONS_FULL", len(past) >= ACTIVATIONS_MOST),
    )
    state.put("activations", "all", past + (((height, version),) if version > in_force else ()))
    return []


# ----- dual control: these give (result, None), or (None, what takes effect now)

def propose(scene, operation):
    state, name, proposed = scene.state, operation["participant"], operation["operation"]
    height, expires_ms = operation["effect_height"], operation["expires_ms"]
    deciders, _ = authority.deciders(state, name, proposed)
    approvals = deciders & scene.signers
    own = sum(proposal.participant == name for proposal in state.proposals.values())
    refuse(
        reason("DEADLINE_INVALID", not scene.time_ms < expires_ms <= scene.time_ms + PROPOSAL_LIFE_MS),
        reason("EFFECT_HEIGHT_PASSED", height != 0 and height <= scene.height),
        reason("ALREADY_APPROVED", not approvals),
        reason("PROPOSALS_FULL", own >= PROPOSALS_OF_ONE_MOST or len(state.proposals) >= PROPOSALS_MOST),
    )
    key = identity(scene.place)
    return settle(scene, key, Proposal(name, proposed, height, expires_ms, approvals, scene.place))


def identity(place):
    """A proposal's id: that of the transaction that proposed, and of the operation's number in it."""
    transaction, _, _, number = place
    return wire.digest("proposal", bytes.fromhex(transaction), wire.number(4, number))


def approve(scene, operation):
    key = operation["proposal"]
    proposal = scene.state.proposals.get(key)
    refuse(reason("PROPOSAL_NOT_FOUND", proposal is None))
    deciders, threshold = authority.deciders(scene.state, proposal.participant, proposal.operation)
    new = (deciders & scene.signers) - proposal.approvals
    # Whoever approved before brings it to effect when fewer keys are asked for by now.
    enough = proposal.effect_height == 0 and len(proposal.approvals & deciders) >= threshold
    refuse(reason("ALREADY_APPROVED", not new and not enough))
    return settle(scene, key, replace(proposal, approvals=proposal.approvals | new))


def settle(scene, key, proposal):
    """It waits, or takes effect."""
    deciders, threshold = authority.deciders(scene.state, proposal.participant, proposal.operation)
    count = len(proposal.approvals & deciders)
    if proposal.effect_height == 0 and count >= threshold:
        scene.state.put("proposals", key, None)
        return None, proposal.operation
    scene.state.put("proposals", key, proposal)
    return ["pending", key.hex(), count, threshold], None


def withdraw(scene, operation):
    refuse(reason("PROPOSAL_NOT_FOUND", operation["proposal"] not in scene.state.proposals))
    scene.state.put("proposals", operation["proposal"], None)
    return []


def due(state, height, time_ms):
    """Proposals that end at the start of this block, in the order in which they were proposed."""
    ends = lambda it: it.expires_ms <= time_ms or 0 < it.effect_height <= height
    found = [(proposal.place[1:], key) for key, proposal in state.proposals.items() if ends(proposal)]
    return [key for _, key in sorted(found)]


def decided(scene, proposal):
    """Reasons why a proposal that ends takes no effect."""
    deciders, threshold = authority.deciders(scene.state, proposal.participant, proposal.operation)
    few = len(proposal.approvals & deciders) < threshold
    return reason("EXPIRED", proposal.expires_ms <= scene.time_ms) | reason("THRESHOLD_NOT_MET", few)


OPERATIONS = {
    "add_participant": add_participant, "set_participant_keys": set_participant_keys,
    "set_encryption_key": set_encryption_key, "set_participant_mode": set_participant_mode,
    "remove_participant": remove_participant, "set_limits": set_limits, "activate_protocol": activate_protocol,
    "withdraw": withdraw,
}
DECISIONS = {"propose": propose, "approve": approve}
