"""Who validates: a change keeps a quorum of every set that may still be in force.
Follows docs/decisions/0012-membership.md and docs/api.md.

Must not know: who signed, what validators do."""
from codes import reason, refuse

MOST, FLOOR, VERSIONS_MOST, KEYS_MOST, SLACK = 100, 4, 64, 16_384, 256


def in_force(scene):
    """The versions of the set that may be in force: a replaced one for two epochs and 256 heights."""
    versions = scene.state.validators["versions"]
    start = scene.height - (2 * scene.state.epoch_length + SLACK)
    replaced = [since for since, _ in versions[1:]] + [None]
    return [members for (_, members), height in zip(versions, replaced) if height is None or height > max(start, 0)]


def validates(scene, participant):
    """Does the set that was decided last, or one that may be in force, have one of the participant?"""
    sets = [scene.state.validators["members"], *in_force(scene)]
    return any(participant == member[0] for members in sets for member in members)


def fits(scene, members):
    """Reasons why this cannot be the set."""
    before, kept = scene.state.validators["members"], in_force(scene)
    keys, quorum = {key for _, key, _ in members}, len(members) - (len(members) - 1) // 3
    size = not members or len(members) > MOST or (len(members) < FLOOR <= len(before))
    staying = [sum(key in keys for _, key, _ in older) for older in kept]
    return (
        reason("VALIDATOR_SET_SIZE", size)
        | reason("VALIDATOR_CHANGES_FULL", len(kept) >= VERSIONS_MOST)
        | reason("QUORUM_LOST", any(count < quorum for count in staying))
    )


def set_validator(scene, operation):
    state, name = scene.state, operation["participant"]
    participant, standing = state.participants.get(name), state.validators["members"]
    new = name, operation["key"], operation["network_key"]
    old = next((member for member in standing if member[0] == name), (name, None, None))
    added = [key for key, before in zip(new[1:], old[1:]) if key != before]
    used = any(key in state.validators["used"] for key in added)
    members = tuple(new if member == old else member for member in standing)
    members = members if old in standing else (*standing, new)
    refuse(
        reason("UNKNOWN_PARTICIPANT", participant is None),
        reason("PARTICIPANT_SUSPENDED", participant and participant.mode == "removed"),
        reason("CANNOT_VALIDATE", participant and participant.role not in ("operator", "bank")),
        reason("VALIDATOR_KEY_USED", used or not added or new[1] == new[2]),
        reason("VALIDATOR_KEYS_FULL", len(state.validators["used"]) + len(added) > KEYS_MOST),
        fits(scene, members),
    )
    state.put("validators", "used", state.validators["used"] | set(added))
    state.put("validators", "members", members)
    return []


def remove_validator(scene, operation):
    state, name = scene.state, operation["participant"]
    members = tuple(member for member in state.validators["members"] if member[0] != name)
    there = len(members) < len(state.validators["members"])
    refuse(
        reason("UNKNOWN_PARTICIPANT", name not in state.participants),
        reason("NOT_VALIDATOR", not there),
        fits(scene, members) if there else None,
    )
    state.put("validators", "members", members)
    return []


def end_of_block(scene):
    """What the block changed is one new version."""
    state = scene.state
    versions, members = state.validators["versions"], state.validators["members"]
    if versions[-1][1] != members:
        state.put("validators", "versions", (*versions, (scene.height, members)))


OPERATIONS = {"set_validator": set_validator, "remove_validator": remove_validator}
