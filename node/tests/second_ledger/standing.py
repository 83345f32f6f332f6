"""What stands at the end: accounts, participants, agreements, payments by codes, the register, supply, validators,
offences, as the nodes answer and as the second ledger has it.

Must not know: how it came about."""
import authority
import chain
import compare
import money
import paid
import register
import timed
import wire

# Agreements that have ended which the nodes are asked for: there must be none.
ENDED_ASKED = 200
# Accounts that are asked for at once.
TOGETHER = 1_000
STATUSES = {(True, True): "active", (False, True): "debits_frozen", (True, False): "credits_frozen"}


def differences(nodes, replay, ended, root):
    """Lines for all that differs. Nothing is on its way any more; `root` is the last block's state root."""
    state = replay.state
    yield from agreements(nodes, state, ended)
    yield from paid.differences(nodes, state)
    yield from register.differences(nodes, state)
    for node in nodes:
        next(node.watch(replay.height))
        block = node.call("GetBlock", height=replay.height).block
        yield from compare.standing(f"{node.name}'s state root", block.state_root.hex(), root)
        supply = {entry.asset: int(entry.amount_minor) for entry in node.call("GetStatus").supply}
        yield from compare.standing(f"{node.name}'s supply", supply, state.supply)
    yield from compare.standing("validators", validators(nodes[0]), members(state))
    yield from participants(nodes, state)
    yield from compare.standing("offences", offences(nodes[0]), sorted(key.hex() for key in state.offences))
    sums = dict.fromkeys(state.supply, 0)
    for (_, asset), amounts in state.balances.items():
        sums[asset] += sum(amounts)
    yield from compare.standing("the second ledger's own supply", state.supply, sums)
    names = sorted(state.accounts)
    for start in range(0, len(names), TOGETHER):
        yield from accounts(nodes, state, names[start : start + TOGETHER])


def accounts(nodes, state, names):
    """These accounts, each asked of one of the nodes."""
    calls = [(nodes[turn % len(nodes)], "GetAccount", {"account": name}) for turn, name in enumerate(names)]
    for name, answer in zip(names, chain.together(calls)):
        here = answer and account(wire.plain(answer.account))
        yield from compare.standing(f"account {name}", here, due(state, name))


def account(said):
    """An account as a node answers it."""
    money_ = {entry["asset"]: [entry["available_minor"], entry["held_minor"]] for entry in said["balances"]}
    fields = {name: said[name] for name in ("kind", "status", "keys", "threshold", "mandates")}
    return fields | {"balances": {asset: amounts for asset, amounts in money_.items() if any(amounts)}}


def due(state, name):
    """The same as the second ledger has it."""
    it = state.accounts[name]
    may = money.allows(it, "debit"), money.allows(it, "credit")
    status = "closed" if it.status == "closed" else STATUSES.get(may, "frozen")
    mandates = [
        {
            "reference": reference, "to": granted.to, "asset": granted.asset, "cap_minor": granted.cap,
            "period": granted.period, "granted_ms": granted.granted_ms, "expires_ms": granted.expires_ms,
            "period_number": granted.number, "collected_minor": granted.collected,
        }
        for reference, granted in it.mandates.items()
    ]
    balances = {asset: list(state.balance(name, asset)) for asset in state.supply}
    return {
        "kind": it.kind, "status": status, "keys": list(it.keys), "threshold": it.threshold, "mandates": mandates,
        "balances": {asset: amounts for asset, amounts in balances.items() if any(amounts)},
    }


def participants(nodes, state):
    """All that were ever admitted, each asked of one of the nodes."""
    names = sorted(state.participants)
    calls = [(nodes[turn % len(nodes)], "GetParticipant", {"participant": name}) for turn, name in enumerate(names)]
    for name, answer in zip(names, chain.together(calls)):
        it = state.participants[name]
        here = answer and participant(wire.plain(answer.participant))
        due_ = {"role": it.role, "mode": it.mode, "encryption_key": it.encryption_key, "thresholds": it.thresholds}
        yield from compare.standing(f"participant {name}", here, due_ | {"keys": it.keys})


def participant(said):
    """A participant as a node answers it."""
    fields = {name: said[name] for name in ("role", "mode", "encryption_key", "thresholds")}
    return fields | {"keys": authority.keys_of(said)}


def agreements(nodes, state, ended):
    """All that stand, and that those which ended last do not."""
    stand = list(state.timed.values())
    names = {(entry.kind, entry.account, entry.reference) for entry in stand}
    gone = [entry for entry in ended[-ENDED_ASKED:] if (entry.kind, entry.account, entry.reference) not in names]
    enum = nodes[0].ledger.message("GetAgreementRequest").DESCRIPTOR.fields_by_name["kind"].enum_type
    kinds = {wire.name_of(enum, value.number): value.number for value in enum.values}
    call = lambda it: {"kind": kinds[it.kind], "account": it.account, "reference": it.reference}
    asked = stand + gone
    calls = [(nodes[turn % len(nodes)], "GetAgreement", call(it)) for turn, it in enumerate(asked)]
    for number, (it, answer) in enumerate(zip(asked, chain.together(calls))):
        here = answer and wire.plain(answer.agreement)
        there = agreement(it) if number < len(stand) else None
        yield from compare.standing(f"{it.kind} {it.reference} of {it.account}", here, there)


def agreement(it):
    """As GetAgreement answers it."""
    content = it.content
    asset, amount = content.get("sold") or (content.get("asset", ""), content.get("amount", content.get("returned")))
    bought, price = content.get("bought") or ("", 0)
    identity = timed.identity(it.kind, it.account, it.reference)
    return {
        "kind": it.kind, "id": identity, "account": it.account, "reference": it.reference, "ends_ms": it.ends_ms,
        "from": content.get("from", it.account), "to": content.get("to", ""), "asset": asset, "amount_minor": amount,
        "bought_asset": bought, "bought_minor": price, "tracking_status": content.get("stage", ""),
    }


def validators(node):
    last = node.call("ListValidators").versions[-1]
    return [[entry.participant, entry.key.hex(), entry.network_key.hex()] for entry in last.validators]


def members(state):
    return [[name, key.hex(), network_key.hex()] for name, key, network_key in state.validators["members"]]


def offences(node):
    """Ids of those on the ledger."""
    found, cursor = [], ""
    while True:
        page = node.call("ListMisbehaviour", service="OperatorService", page_size=1000, cursor=cursor)
        found += [entry.offence_id.hex() for entry in page.offences if entry.landed_height]
        cursor = page.next_cursor
        if not cursor:
            return sorted(found)
