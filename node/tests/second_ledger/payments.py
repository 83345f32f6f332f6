"""What moves money at once: transfers, issues, redemptions, returns, seizures.
Follows proto/proto/tonle/v1/transaction.proto and docs/decisions/0062-agreements.md.

Must not know: who signed; references, but for the payment that a return goes back to."""
import money
import references
import timed
from codes import reason, refuse


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
}


def original(operation):
    """The payment that a return describes: (the account whose reference it was, the operation)."""
    does, owner, agreement = PAYMENTS[operation["original_kind"]]
    payment = {"does": does, "from": operation["to"], "to": operation["from"], "asset": operation["asset"]}
    payment |= {"amount_minor": operation["original_amount_minor"], "instruction_ref": operation["original_ref"]}
    if agreement:
        payment[agreement] = operation["original_agreement_ref"]
    else:
        payment |= {"purpose": operation["original_purpose"], "external_ref": operation["original_external_ref"]}
    return payment[owner], payment


def give_back(scene, operation):
    state = scene.state
    payer, payee, asset, amount = parts(operation)
    owner, payment = original(operation)
    known = references.standing(state, ("account", owner, operation["original_ref"]), scene.time_ms)
    found = known is not None and known.content == references.content(payment)
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


OPERATIONS = {"transfer": transfer, "issue": issue, "redeem": redeem, "seize": seize, "return": give_back}
