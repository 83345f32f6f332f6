"""Opening accounts, changing what they are, closing them; aliases; freezing by order.
Follows proto/proto/tonle/v1/transaction.proto and docs/decisions/0060-limits.md.

Must not know: who signed."""
from dataclasses import replace

import money
from codes import reason, refuse
from state import Account, keeper

USUAL_TIER = {"wallet": "basic", "merchant": "basic", "settlement": "interbank", "reserve": "interbank"}
ORDERS_MOST = 8
# Modes of a keeper in which it may change what its accounts are, and in which it may let money come to new ones.
KEEPS, OPENS = ("active", "receive_only", "pay_out_only"), ("active", "receive_only")
ANY = ("active", "receive_only", "pay_out_only", "suspended", "removed")


def kept(state, name, modes):
    """Reasons why the keeper of an account may not do this to it: it must be in one of these modes."""
    participant = state.participants.get(keeper(name))
    if participant is None:
        return {"UNKNOWN_PARTICIPANT"}
    return reason("PARTICIPANT_SUSPENDED", participant.mode not in modes)


def there(state, name, modes):
    """The same, for an account that must be there and not closed."""
    account = state.accounts.get(name)
    missing = reason("UNKNOWN_ACCOUNT", account is None)
    return kept(state, name, modes) | missing | reason("ACCOUNT_CLOSED", account and account.status == "closed")


def tier_fits(kind, tier):
    """Reasons why accounts of the kind cannot be of the tier."""
    return reason("TIER_NOT_ALLOWED", tier == "interbank" and kind in ("wallet", "merchant"))


def open_account(scene, operation):
    name, kind = operation["account"], operation["kind"]
    tier = USUAL_TIER[kind] if operation["tier"] == "unspecified" else operation["tier"]
    refuse(
        kept(scene.state, name, OPENS),
        reason("ACCOUNT_EXISTS", name in scene.state.accounts),
        tier_fits(kind, tier),
    )
    account = Account(kind, "active", tier, tuple(operation["keys"]), operation["threshold"], {}, {})
    scene.state.put("accounts", name, account)
    return []


def change(scene, name, **fields):
    scene.state.put("accounts", name, replace(scene.state.accounts[name], **fields))
    return []


def close_account(scene, operation):
    name = operation["account"]
    account = scene.state.accounts.get(name)
    money_left = any(sum(scene.state.balance(name, asset)) for asset in scene.state.supply)
    refuse(
        there(scene.state, name, KEEPS),
        reason("ACCOUNT_FROZEN", account and account.orders),
        reason("ACCOUNT_NOT_EMPTY", money_left),
    )
    return change(scene, name, status="closed", mandates={})


def set_account_keys(scene, operation):
    name = operation["account"]
    account = scene.state.accounts.get(name)
    frozen = account and account.status != "closed" and not money.allows(account, "debit")
    refuse(there(scene.state, name, KEEPS), reason("ACCOUNT_FROZEN", frozen))
    return change(scene, name, keys=tuple(operation["keys"]), threshold=operation["threshold"])


def set_account_status(scene, operation):
    refuse(there(scene.state, operation["account"], KEEPS))
    return change(scene, operation["account"], status=operation["status"])


def set_tier(scene, operation):
    name, tier = operation["account"], operation["tier"]
    account = scene.state.accounts.get(name)
    refuse(there(scene.state, name, KEEPS), tier_fits(account.kind, tier) if account else None)
    return change(scene, name, tier=tier)


def freeze_account(scene, operation):
    name, status, order = operation["account"], operation["status"], operation["order_ref"]
    account = scene.state.accounts.get(name)
    orders = account.orders if account else {}
    lifts = status == "active"
    refuse(
        there(scene.state, name, ANY),
        reason("ORDER_NOT_FOUND", lifts and order not in orders),
        reason("ORDERS_FULL", not lifts and order not in orders and len(orders) >= ORDERS_MOST),
    )
    others = {reference: frozen for reference, frozen in orders.items() if reference != order}
    return change(scene, name, orders=others if lifts else others | {order: status})


def set_alias(scene, operation):
    name, alias = operation["account"], operation["alias"]
    standing = scene.state.aliases.get(alias)
    refuse(there(scene.state, name, OPENS), reason("ALIAS_TAKEN", standing and standing[0] != name))
    scene.state.put("aliases", alias, (name, operation["name"]))
    return []


def stands_for(state, alias, name):
    standing = state.aliases.get(alias)
    return reason("ALIAS_NOT_FOUND", standing is None or standing[0] != name)


def move_alias(scene, operation):
    before, after, alias = operation["from"], operation["to"], operation["alias"]
    refuse(
        reason("SAME_ACCOUNT", before == after),
        reason("KEEPERS_DIFFER", keeper(before) != keeper(after)),
        there(scene.state, after, OPENS),
        stands_for(scene.state, alias, before),
    )
    scene.state.put("aliases", alias, (after, operation["name"]))
    return []


def remove_alias(scene, operation):
    name, alias = operation["account"], operation["alias"]
    refuse(kept(scene.state, name, KEEPS), stands_for(scene.state, alias, name))
    scene.state.put("aliases", alias, None)
    return []


OPERATIONS = {
    "open_account": open_account, "close_account": close_account, "set_account_keys": set_account_keys,
    "set_account_status": set_account_status, "set_tier": set_tier, "freeze_account": freeze_account,
    "set_alias": set_alias, "move_alias": move_alias, "remove_alias": remove_alias,
}
