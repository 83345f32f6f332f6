"""Leave to collect: granted, used, taken back. Mandates stand in the payer's account and do not end by themselves.
Follows proto/proto/tonle/v1/transaction.proto.

Must not know: who signed; references of instructions."""
from dataclasses import replace

import money
from codes import reason, refuse
from payments import parts, pay, same
from state import Mandate

DAY_MS = 24 * 3_600_000
PERIODS_MS = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 30 * DAY_MS}
MOST = 32


def write(scene, name, mandates):
    scene.state.put("accounts", name, replace(scene.state.accounts[name], mandates=mandates))


def grant(scene, operation):
    state, payer, payee = scene.state, operation["from"], operation["to"]
    asset, cap, reference = operation["asset"], operation["cap_minor"], operation["instruction_ref"]
    account = state.accounts.get(payer)
    # Those whose time is over leave their room.
    live = {name: it for name, it in (account.mandates if account else {}).items() if it.expires_ms > scene.time_ms}
    refuse(
        reason("DUPLICATE_REFERENCE", reference in live),
        money.amounts(state, (asset, cap)),
        same(payer, payee),
        reason("DEADLINE_INVALID", operation["expires_ms"] <= scene.time_ms),
        money.parties(state, (payer, "debit"), (payee, "credit")),
        reason("MANDATES_FULL", len(live) >= MOST),
    )
    times = scene.time_ms, operation["expires_ms"]
    write(scene, payer, live | {reference: Mandate(payee, asset, cap, operation["period"], *times, 0, 0)})
    return []


def standing(scene, operation):
    """The mandate that is named, if it is for this payee; or None."""
    account = scene.state.accounts.get(operation["from"])
    found = account.mandates.get(operation["mandate_ref"]) if account else None
    return found if found and found.to == operation["to"] else None


def collect(scene, operation):
    payer, payee, asset, amount = parts(operation)
    found = standing(scene, operation)
    found = found if found and found.asset == asset else None
    reasons, collected = {"MANDATE_NOT_FOUND"}, None
    if found:
        number = (scene.time_ms - found.granted_ms) // PERIODS_MS[found.period]
        collected = amount + (found.collected if number == found.number else 0)
        over = found.expires_ms <= scene.time_ms
        reasons = reason("MANDATE_EXPIRED", over) | reason("MANDATE_EXCEEDED", collected > found.cap)
    refuse(
        money.amounts(scene.state, (asset, amount)),
        money.parties(scene.state, (payer, "debit"), (payee, "credit")),
        reasons,
    )
    changed = replace(found, number=number, collected=collected)
    write(scene, payer, scene.state.accounts[payer].mandates | {operation["mandate_ref"]: changed})
    return pay(scene, payer, payee, asset, amount)


def revoke(scene, operation):
    known = operation["from"] in scene.state.accounts
    refuse(
        reason("UNKNOWN_ACCOUNT", not known),
        reason("MANDATE_NOT_FOUND", standing(scene, operation) is None),
    )
    mandates = scene.state.accounts[operation["from"]].mandates
    left = {name: it for name, it in mandates.items() if name != operation["mandate_ref"]}
    write(scene, operation["from"], left)
    return []


OPERATIONS = {"grant_mandate": grant, "collect": collect, "revoke_mandate": revoke}
