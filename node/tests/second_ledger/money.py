"""Moving money: may it leave here and enter there, is there enough, and what the limits count.
Follows docs/decisions/0060-limits.md and docs/execution.md.

Must not know: which operation moves it."""
from codes import reason, refuse
from state import keeper

U64_MAX, U128_MAX = 2**64 - 1, 2**128 - 1
HOUR_MS = 3_600_000
# What may be done to accounts, by the mode of who keeps them and by each status that stands on them.
MODES = {"active": {"debit", "credit"}, "receive_only": {"credit"}, "pay_out_only": {"debit"}}
STATUSES = {"active": {"debit", "credit"}, "debits_frozen": {"credit"}, "credits_frozen": {"debit"}}


def amounts(state, *sides):
    """Reasons why these (asset, amount) are none that can move."""
    reasons = set()
    for asset, amount in sides:
        reasons |= reason("AMOUNT_ZERO", amount == 0) | reason("ASSET_UNKNOWN", asset not in state.supply)
    return reasons


def parties(state, *sides):
    """Reasons why money cannot move so: each side is (account, "debit", "credit" or "seize"). Who takes under a court's
    order asks neither mode nor status."""
    reasons = set()
    for name, doing in sides:
        participant, account = state.participants.get(keeper(name)), state.accounts.get(name)
        if participant is None:
            reasons.add("UNKNOWN_PARTICIPANT")
        elif doing != "seize" and doing not in MODES.get(participant.mode, ()):
            reasons.add("PARTICIPANT_SUSPENDED")
        if account is None:
            reasons.add("UNKNOWN_ACCOUNT")
        elif account.status == "closed":
            reasons.add("ACCOUNT_CLOSED")
        elif doing != "seize" and not allows(account, doing):
            reasons.add("ACCOUNT_FROZEN")
    return reasons


def allows(account, doing):
    """Do the keeper's status and all orders allow it?"""
    return all(doing in STATUSES.get(status, ()) for status in (account.status, *account.orders.values()))


def hour_of(state, time_ms):
    """The hour, counted in the ledger's own days: every 24th begins one."""
    return (time_ms + state.day_offset_ms) // HOUR_MS


def put(scene, name, asset, available, held):
    """Writes a balance down: [account, asset, available, held], as receipts say it."""
    scene.state.put("balances", (name, asset), (available, held))
    return [name, asset, available, held]


def spend(scene, name, asset, amount):
    """Counts what leaves an account by its own will; gives the reasons why its limits forbid it."""
    state, account = scene.state, scene.state.accounts[name]
    if account.kind == "reserve":
        return set()
    hour = hour_of(state, scene.time_ms)
    day_key, hour_key = (name, asset, hour // 24), (name, asset, hour)
    day, times = state.spent.get(day_key, 0) + amount, state.times.get(hour_key, 0) + 1
    daily, hourly = state.limits.get((asset, account.tier), (0, 0))
    state.put("spent", day_key, day)
    state.put("times", hour_key, times)
    # A sum that does not fit counts as one above every limit.
    over = (daily and day > daily) or day > U64_MAX
    return reason("LIMIT_EXCEEDED", over) | reason("VELOCITY_EXCEEDED", hourly and times > hourly)


def debit(scene, name, asset, amount):
    """Takes money that leaves by the account's own will."""
    available, held = scene.state.balance(name, asset)
    refuse(spend(scene, name, asset, amount), reason("INSUFFICIENT_FUNDS", available < amount))
    return put(scene, name, asset, available - amount, held)


def take(scene, name, asset, amount):
    """Takes money whatever the limits."""
    available, held = scene.state.balance(name, asset)
    refuse(reason("INSUFFICIENT_FUNDS", available < amount))
    return put(scene, name, asset, available - amount, held)


def credit(scene, name, asset, amount):
    """Gives money. What is available and what is held must fit in 64 bits together."""
    available, held = scene.state.balance(name, asset)
    refuse(reason("AMOUNT_OVERFLOW", available + amount + held > U64_MAX))
    return put(scene, name, asset, available + amount, held)


def hold(scene, name, asset, amount):
    """Keeps available money back: from here on it counts as spent."""
    available, held = scene.state.balance(name, asset)
    refuse(spend(scene, name, asset, amount), reason("INSUFFICIENT_FUNDS", available < amount))
    return put(scene, name, asset, available - amount, held + amount)


def unhold(scene, name, asset, amount, begun_ms):
    """Makes money available again that was held at `begun_ms`. On the same day it was not spent after all; how often
    something left stays."""
    state = scene.state
    available, held = state.balance(name, asset)
    day = hour_of(state, scene.time_ms) // 24
    if hour_of(state, begun_ms) // 24 == day and state.accounts[name].kind != "reserve":
        state.put("spent", (name, asset, day), max(state.spent.get((name, asset, day), 0) - amount, 0))
    return put(scene, name, asset, available + amount, held - amount)


def capture(scene, payer, payee, asset, amount):
    """Moves held money to another account: both balances."""
    available, held = scene.state.balance(payer, asset)
    return [put(scene, payer, asset, available, held - amount), credit(scene, payee, asset, amount)]


def supply(scene, asset, change):
    """Money comes into being, or goes out of it."""
    total = scene.state.supply[asset] + change
    refuse(reason("AMOUNT_OVERFLOW", total > U128_MAX))
    scene.state.put("supply", asset, total)
