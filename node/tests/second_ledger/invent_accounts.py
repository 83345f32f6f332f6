"""Random operations about accounts: what they are, who may use them, what they are known by.

Must not know: who signs."""


def open_account(chance):
    keeper = chance.one(chance.banks + chance.guests)
    name = f"a{chance.number()}@{keeper}"
    kind = chance.random.choices(["wallet", "merchant", "settlement", "reserve"], (6, 3, 1, 1))[0]
    tiers = ["unspecified", "basic", "partial", "full"] + (["interbank"] if kind in ("settlement", "reserve") else [])
    keys, threshold = chance.own_keys()
    chance.names.append(name)
    fields = {"does": "open_account", "account": name, "kind": kind, "keys": keys, "threshold": threshold}
    return fields | {"tier": chance.random.choice(tiers)}


def close_account(chance):
    """One without money, as far as there is one."""
    state = chance.state
    empty = lambda name: not any(sum(state.balance(name, asset)) for asset in state.supply)
    name = chance.one(name for name in chance.names if chance.status(name) not in (None, "closed") and empty(name))
    return name and {"does": "close_account", "account": name}


def own(chance):
    """An account that the clients opened, so that those of genesis stay as they are; or, now and then, any."""
    opened = [name for name in chance.names if name[0] == "a" and name[1].isdigit()]
    name = chance.one(name for name in opened if chance.status(name) not in (None, "closed"))
    return chance.open_account() if name is None or chance.often(0.3) else name


def set_account_keys(chance):
    keys, threshold = chance.own_keys()
    return {"does": "set_account_keys", "account": own(chance), "keys": keys, "threshold": threshold}


def set_account_status(chance):
    """Frozen accounts mostly become active again."""
    frozen = chance.one(name for name in chance.names if chance.status(name) not in (None, "closed", "active"))
    if frozen and chance.often(0.7):
        return {"does": "set_account_status", "account": frozen, "status": "active"}
    status = chance.random.choice(["active", "debits_frozen", "credits_frozen", "frozen"])
    return {"does": "set_account_status", "account": own(chance), "status": status}


def set_tier(chance):
    name = own(chance)
    participants = chance.state.accounts[name].kind in ("settlement", "reserve")
    tiers = ["basic", "partial", "full"] + (["interbank"] if participants else [])
    return {"does": "set_tier", "account": name, "tier": chance.random.choice(tiers)}


def freeze_account(chance):
    """Orders on accounts are mostly lifted again."""
    ordered = chance.one(name for name, account in chance.state.accounts.items() if account.orders)
    if ordered and chance.often(0.6):
        order = chance.one(chance.state.accounts[ordered].orders)
        status = "active" if chance.often(0.9) else "frozen"
        return {"does": "freeze_account", "account": ordered, "status": status, "order_ref": order}
    status = chance.random.choice(["debits_frozen", "credits_frozen", "frozen"])
    order = f"order-{chance.number()}"
    return {"does": "freeze_account", "account": own(chance), "status": status, "order_ref": order}


def set_alias(chance):
    known = chance.one(chance.state.aliases) if chance.often(0.3) else None
    if known:
        name = chance.state.aliases[known][0] if chance.often(0.5) else chance.open_account()
    else:
        known, name = chance.random.randbytes(32), chance.open_account()
    return {"does": "set_alias", "account": name, "alias": known, "name": f"S*** {chance.number()}"}


def move_alias(chance):
    """To another account of the same keeper, mostly."""
    alias = chance.one(chance.state.aliases)
    if alias is None:
        return None
    before = chance.state.aliases[alias][0]
    same = [name for name in chance.names if name.split("@")[1] == before.split("@")[1] and name != before]
    after = chance.one(same) if chance.often(0.9) else chance.open_account()
    return after and {"does": "move_alias", "from": before, "to": after, "alias": alias, "name": "ខ្មែរ"}


def remove_alias(chance):
    alias = chance.one(chance.state.aliases)
    return alias and {"does": "remove_alias", "account": chance.state.aliases[alias][0], "alias": alias}


KINDS = {
    open_account: 6, close_account: 3, set_account_keys: 3, set_account_status: 4, set_tier: 3, freeze_account: 4,
    set_alias: 4, move_alias: 3, remove_alias: 2,
}
