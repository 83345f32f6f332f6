"""What stands at the end beside accounts and agreements: aliases, limits, proposals, as RegisterService answers them and
as the second ledger has it.

Must not know: how it came about."""
import chain
import compare
import wire

SERVICE = "RegisterService"
# Aliases that nobody set which the nodes are asked for: there must be none.
UNKNOWN = [bytes([number]) * 32 for number in range(10)]


def differences(nodes, state):
    """Lines for all that differs."""
    yield from aliases(nodes, state)
    for node in nodes:
        yield from compare.standing(f"{node.name}'s limits", limits(node), due_limits(state))
    yield from compare.standing("proposals", proposals(nodes[0]), due_proposals(state))


def aliases(nodes, state):
    """Every alias, each asked of one of the nodes."""
    asked = [*sorted(state.aliases), *UNKNOWN]
    fields = [{"service": SERVICE, "alias": alias} for alias in asked]
    calls = [(nodes[turn % len(nodes)], "ResolveAlias", entry) for turn, entry in enumerate(fields)]
    for alias, answer in zip(asked, chain.together(calls)):
        here = answer and (answer.account, answer.display_name)
        yield from compare.standing(f"alias {alias.hex()[:16]}", here, state.aliases.get(alias))


def limits(node):
    """{asset tier: [a day, times an hour]}, and when a day begins."""
    answer = wire.plain(node.call("GetLimits", service=SERVICE))
    found = {f"{entry['asset']} {entry['tier']}": [entry["daily_minor"], entry["hourly"]] for entry in answer["limits"]}
    return found | {"day": answer["day_offset_ms"]}


def due_limits(state):
    """The same as the second ledger has it; none where both are 0."""
    found = {f"{asset} {tier}": list(limit) for (asset, tier), limit in state.limits.items() if any(limit)}
    return found | {"day": state.day_offset_ms}


def proposals(node):
    """{id: what it says}."""
    found, cursor = {}, ""
    while True:
        page = node.call("ListProposals", service=SERVICE, page_size=1000, cursor=cursor)
        found |= {entry.proposal.hex(): proposal(entry) for entry in page.proposals}
        cursor = page.next_cursor
        if not cursor:
            return found


def proposal(entry):
    plain = wire.plain(entry)
    fields = {name: plain[name] for name in ("participant", "operation", "effect_height", "expires_ms", "approvals")}
    return fields | {"proposed": wire.location(entry.proposed), "kind": entry.kind}


def due_proposals(state):
    """The same as the second ledger has it."""
    return {
        key.hex(): {
            "participant": it.participant, "operation": it.operation, "effect_height": it.effect_height,
            "expires_ms": it.expires_ms, "approvals": sorted(it.approvals), "proposed": list(it.place),
            "kind": it.operation["does"],
        }
        for key, it in state.proposals.items()
    }
