"""Holds, transfers to banks, requests and quotes: begun by one operation, ended by another or by themselves.
Follows proto/proto/tonle/v1/transaction.proto and docs/execution.md.

Must not know: who signed; references of instructions."""
import money
import timed
from codes import reason, refuse
from payments import parts, pay, same


def begin(scene, kind, operation, owner, kept, content, *reasons):
    """What all that begins asks; then it stands."""
    reference, ends_ms = operation["instruction_ref"], operation["expires_ms"]
    taken = timed.identity(kind, owner, reference) in scene.state.timed
    refuse(
        *reasons,
        reason("DUPLICATE_REFERENCE", taken),
        timed.deadline(scene, ends_ms),
        reason("TIMED_FULL", timed.full(scene.state, owner)),
    )
    timed.put(scene, kind, owner, reference, ends_ms, scene.time_ms, owner, kept, content)
    return [money.hold(scene, owner, *kept)] if kept else []


def between(scene, operation):
    """What money asks that is to go from one account to another."""
    payer, payee, asset, amount = parts(operation)
    yield money.amounts(scene.state, (asset, amount))
    yield same(payer, payee)
    yield money.parties(scene.state, (payer, "debit"), (payee, "credit"))


# ----- holds

def place_hold(scene, operation):
    payer, payee, asset, amount = parts(operation)
    content = {"from": payer, "to": payee, "asset": asset, "amount": amount}
    return begin(scene, "hold", operation, payer, (asset, amount), content, *between(scene, operation))


def named(scene, kind, operation, reference, missing, over):
    """The agreement between two accounts that the payer's reference names."""
    payer, payee = operation["from"], operation["to"]
    return timed.standing(scene, kind, payer, operation[reference], missing, over, lambda it: it["to"] == payee)


def capture_hold(scene, operation):
    payer, payee, asset, amount = parts(operation)
    key, hold, reasons = named(scene, "hold", operation, "hold_ref", "HOLD_NOT_FOUND", "HOLD_EXPIRED")
    if hold and hold.kept[0] != asset:
        hold, reasons = None, {"HOLD_NOT_FOUND"}
    refuse(
        money.amounts(scene.state, (asset, amount)),
        money.parties(scene.state, (payer, "debit"), (payee, "credit")),
        reasons,
        reason("HOLD_EXCEEDED", hold and amount > hold.kept[1]),
    )
    left = hold.kept[1] - amount
    after = money.capture(scene, payer, payee, asset, amount)
    timed.end(scene, key)
    if left and operation["last"]:
        after[0] = money.unhold(scene, payer, asset, left, hold.begun_ms)
    elif left:
        content, times = hold.content | {"amount": left}, (hold.ends_ms, hold.begun_ms)
        timed.put(scene, "hold", payer, hold.reference, *times, payer, (asset, left), content)
    return after


def release_hold(scene, operation):
    key, hold, reasons = named(scene, "hold", operation, "hold_ref", "HOLD_NOT_FOUND", "HOLD_EXPIRED")
    refuse(reasons)
    timed.end(scene, key)
    return [money.unhold(scene, hold.account, *hold.kept, hold.begun_ms)]


# ----- transfers to banks

def send_to_bank(scene, operation):
    payer, payee, asset, amount = parts(operation)
    content = {"from": payer, "to": payee, "asset": asset, "amount": amount, "stage": "RECEIVE_AT_ACH"}
    return begin(scene, "bank_transfer", operation, payer, (asset, amount), content, *between(scene, operation))


def track_transfer(scene, operation):
    payer, payee, progress = operation["from"], operation["to"], operation["progress"]
    key, sent, reasons = named(
        scene, "bank_transfer", operation, "transfer_ref", "TRANSFER_NOT_FOUND", "TRANSFER_OVER"
    )
    acknowledged, received = progress == "acknowledged", progress == "received"
    said = received and sent and sent.content["stage"] == "RECEIVE_AT_RECEIVER_BANK"
    refuse(
        money.parties(scene.state, (payer, "debit"), (payee, "credit")) if acknowledged else None,
        reasons,
        reason("STAGE_REACHED", said),
    )
    timed.end(scene, key)
    if acknowledged:
        return money.capture(scene, payer, payee, *sent.kept)
    if not received:
        return [money.unhold(scene, payer, *sent.kept, sent.begun_ms)]
    content, times = sent.content | {"stage": "RECEIVE_AT_RECEIVER_BANK"}, (sent.ends_ms, sent.begun_ms)
    timed.put(scene, "bank_transfer", payer, sent.reference, *times, payer, sent.kept, content)
    return []


# ----- requests

def request_to_pay(scene, operation):
    payer, payee, asset, amount = parts(operation)
    content = {"from": payer, "to": payee, "asset": asset, "amount": amount}
    return begin(scene, "request", operation, payee, None, content, *between(scene, operation))


def asked(scene, operation):
    """The request between two accounts that the payee's reference names."""
    fits = lambda it: it["from"] == operation["from"]
    names = "request", operation["to"], operation["request_ref"]
    return timed.standing(scene, *names, "REQUEST_NOT_FOUND", "REQUEST_EXPIRED", fits)


def accept_request(scene, operation):
    payer, payee, asset, amount = parts(operation)
    key, request, reasons = asked(scene, operation)
    differs = request and (request.content["asset"], request.content["amount"]) != (asset, amount)
    refuse(
        money.amounts(scene.state, (asset, amount)),
        money.parties(scene.state, (payer, "debit"), (payee, "credit")),
        reasons,
        reason("REQUEST_MISMATCH", differs),
    )
    timed.end(scene, key)
    return pay(scene, payer, payee, asset, amount)


def drop_request(scene, operation):
    key, _, reasons = asked(scene, operation)
    refuse(reasons)
    timed.end(scene, key)
    return []


# ----- quotes

def sides(operation):
    sold, bought = (operation["sold_asset"], operation["sold_minor"]), (
        operation["bought_asset"], operation["bought_minor"],
    )
    return sold, bought


def exchange(scene, operation):
    """Reasons why this is no exchange."""
    sold, bought = sides(operation)
    return money.amounts(scene.state, sold, bought) | reason("SAME_ASSET", sold[0] == bought[0])


def offer_quote(scene, operation):
    maker, taker, (sold, bought) = operation["maker"], operation["taker"], sides(operation)
    paying = [(maker, "debit")] + ([(taker, "credit")] if taker else [])
    content = {"to": taker, "sold": sold, "bought": bought}
    reasons = exchange(scene, operation), same(maker, taker), money.parties(scene.state, *paying)
    return begin(scene, "quote", operation, maker, sold, content, *reasons)


def take_quote(scene, operation):
    maker, taker, (sold, bought) = operation["maker"], operation["taker"], sides(operation)
    fits = lambda it: it["to"] in ("", taker)
    names = "quote", maker, operation["quote_ref"]
    key, quote, reasons = timed.standing(scene, *names, "QUOTE_NOT_FOUND", "QUOTE_EXPIRED", fits)
    both = [(name, doing) for name in (maker, taker) for doing in ("debit", "credit")]
    refuse(
        exchange(scene, operation),
        same(maker, taker),
        money.parties(scene.state, *both),
        reasons,
        reason("QUOTE_MISMATCH", quote and (quote.content["sold"], quote.content["bought"]) != (sold, bought)),
    )
    timed.end(scene, key)
    pays = money.debit(scene, taker, *bought)
    gives, gets = money.capture(scene, maker, taker, *sold)
    return [gives, gets, pays, money.credit(scene, maker, *bought)]


OPERATIONS = {
    "place_hold": place_hold, "capture_hold": capture_hold, "release_hold": release_hold,
    "send_to_bank": send_to_bank, "track_transfer": track_transfer,
    "request_to_pay": request_to_pay, "accept_request": accept_request,
    "decline_request": drop_request, "cancel_request": drop_request,
    "offer_quote": offer_quote, "take_quote": take_quote,
}
