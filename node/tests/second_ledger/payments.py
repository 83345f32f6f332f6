"""What moves money at once: transfers, payments by codes, issues, redemptions, returns, seizures.
Follows proto/proto/tonle/v1/transaction.proto and docs/decisions/0062-agreements.md.

Must not know: who signed; references, but for the payment that a return goes back to."""
import khqr
import money
import references
import timed
from codes import Rejected, reason, refuse


def same(payer, payee):
    return reason("SAME_ACCOUNT", payer == payee)


def transfer(scene, operation):
    payer, payee, asset, amount = parts(operation)
    refuse(
        money.amounts(scene.state, (asset, amount)),
        same(payer, payee),
        money.parties(scene.state, (payer, "debit"), (payee, "credit")),
    )
    return pay(scene, payer, payee, asset, amount)


def parts(operation):
    return operation["from"], operation["to"], operation["asset"], operation["amount_minor"]


def pay(scene, payer, payee, asset, amount):
    """Both balances, payer before payee."""
    return [money.debit(scene, payer, asset, amount), money.credit(scene, payee, asset, amount)]


# Latest end of a dynamic code, from the block on that pays it.
CODE_LIFE_MS = 90 * 24 * 3_600_000


def pay_khqr(scene, operation):
    payer, payee, asset, amount = parts(operation)
    code, reasons = asked(scene, operation)
    refuse(
        money.amounts(scene.state, (asset, amount)),
        same(payer, payee),
        money.parties(scene.state, (payer, "debit"), (payee, "credit")),
        reasons,
    )
    after = pay(scene, payer, payee, asset, amount)
    note(scene, operation, code)
    return after


def asked(scene, operation):
    """(what the code asks for or None, reasons why this is not it)."""
    payload = operation["payload"]
    try:
        code = khqr.read(payload)
    except Rejected as rejected:
        return None, {rejected.code}
    reasons = reason("KHQR_PAYEE_DIFFERS", code.account != operation["to"])
    reasons |= reason("KHQR_CURRENCY_DIFFERS", code.currency != operation["asset"])
    minor = code.amount and code.amount * 10 ** scene.state.exponents[code.currency]
    reasons |= reason("KHQR_AMOUNT_DIFFERS", minor is not None and minor != operation["amount_minor"])
    if code.expires_ms is not None:
        reasons |= reason("KHQR_EXPIRED", scene.time_ms > code.expires_ms)
        reasons |= reason("KHQR_EXPIRY_TOO_FAR", code.expires_ms > scene.time_ms + CODE_LIFE_MS)
        reasons |= reason("KHQR_PAID", khqr.identity(payload) in scene.state.codes)
    return code, reasons


def note(scene, operation, code):
    """The code was paid: so that a dynamic one is not again, and under its MD5, by which shops look."""
    payload, (transaction, height, index, number) = operation["payload"], scene.place
    if code.expires_ms is not None:
        scene.state.put("codes", khqr.identity(payload), code.expires_ms)
    md5 = khqr.md5(payload)
    details = {"md5": md5, "khqr_id": khqr.identity(payload), "payload": payload} | code.shown
    place = {"transaction_id": bytes.fromhex(transaction), "height": height, "index": index, "operation": number}
    money_ = ("from", "to", "asset", "amount_minor", "instruction_ref", "external_ref")
    payment = place | {"time_ms": scene.time_ms, "kind": operation["does"]} | {name: operation[name] for name in money_}
    scene.state.put("paid", md5, (*scene.state.paid.get(md5, ()), payment | {"khqr": details}))


def issue(scene, operation):
    payee, asset, amount = operation["to"], operation["asset"], operation["amount_minor"]
    refuse(money.amounts(scene.state, (asset, amount)), money.parties(scene.state, (payee, "credit")))
    after = [money.credit(scene, payee, asset, amount)]
    money.supply(scene, asset, amount)
    return after


def redeem(scene, operation):
    payer, asset, amount = operation["from"], operation["asset"], operation["amount_minor"]
    refuse(money.amounts(scene.state, (asset, amount)), money.parties(scene.state, (payer, "debit")))
    after = [money.take(scene, payer, asset, amount)]
    money.supply(scene, asset, -amount)
    return after


def seize(scene, operation):
    payer, payee, asset, amount = parts(operation)
    refuse(
        money.amounts(scene.state, (asset, amount)),
        same(payer, payee),
        money.parties(scene.state, (payer, "seize"), (payee, "credit")),
    )
    return [money.take(scene, payer, asset, amount), money.credit(scene, payee, asset, amount)]


# What a returned payment was: its operation, the field of its reference's owner, and of the reference of its agreement.
PAYMENTS = {
    "transfer": ("transfer", "from", None),
    "request": ("accept_request", "from", "request_ref"),
    "collection": ("collect", "to", "mandate_ref"),
    "khqr": ("pay_khqr", "from", "payload"),
}


def original(operation):
    """The payment that a return describes: (the account whose reference it was, the operation)."""
    does, owner, agreement = PAYMENTS[operation["original_kind"]]
    payment = {"does": does, "from": operation["to"], "to": operation["from"], "asset": operation["asset"]}
    payment |= {"amount_minor": operation["original_amount_minor"], "instruction_ref": operation["original_ref"]}
    if does == "pay_khqr":
        payment |= {agreement: operation["original_agreement_ref"].lower()}
        payment |= {"external_ref": operation["original_external_ref"]}
    elif agreement:
        payment[agreement] = operation["original_agreement_ref"]
    else:
        payment |= {"purpose": operation["original_purpose"], "external_ref": operation["original_external_ref"]}
    return payment[owner], payment


def described(content):
    """What a reference was used for, as a return describes it: a code by its digest."""
    fields = dict(content)
    if fields["does"] == "pay_khqr":
        fields["payload"] = khqr.identity(fields["payload"]).hex()
    return references.content(fields)


def give_back(scene, operation):
    state = scene.state
    payer, payee, asset, amount = parts(operation)
    owner, payment = original(operation)
    known = references.standing(state, ("account", owner, operation["original_ref"]), scene.time_ms)
    found = known is not None and described(known.content) == references.content(payment)
    identity = timed.identity("returned", owner, operation["original_ref"])
    sum_ = state.timed[identity].content["returned"] if identity in state.timed else 0
    refuse(
        money.amounts(state, (asset, amount)),
        same(payer, payee),
        money.parties(state, (payer, "debit"), (payee, "credit")),
        reason("ORIGINAL_NOT_FOUND", not found),
        reason("RETURN_EXCEEDS_ORIGINAL", found and sum_ + amount > operation["original_amount_minor"]),
        reason("TIMED_FULL", identity not in state.timed and timed.full(state, payer)),
    )
    ends_ms, content = references.until(known.taken_ms), {"from": payer, "returned": sum_ + amount}
    timed.put(scene, "returned", owner, operation["original_ref"], ends_ms, known.taken_ms, payer, None, content)
    return [money.take(scene, payer, asset, amount), money.credit(scene, payee, asset, amount)]


OPERATIONS = {
    "transfer": transfer, "pay_khqr": pay_khqr, "issue": issue, "redeem": redeem, "seize": seize, "return": give_back,
}
