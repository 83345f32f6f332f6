"""Random operations that move money, at once or by agreement. Each gives an operation as wire.operation does, or None
when the ledger has nothing for it.

Must not know: who signs."""
import khqr
import sealed


def pay(chance, does, required=False):
    """The fields that all payments have."""
    asset = chance.asset()
    payer, payee = chance.two(asset)
    if not payer or not payee:
        return None
    parties = {"does": does, "from": payer, "to": payee, "asset": asset}
    return parties | {"amount_minor": chance.amount(payer, asset), "instruction_ref": chance.reference(required)}


def noted(chance, operation):
    """With purpose, external reference and personal data, as far as chance gives any."""
    personal = sealed.invent(chance.random) if chance.often(0.2) or operation["does"] == "send_to_bank" else b""
    purpose = "SALA" if chance.often(0.2) else ""
    return operation | {"purpose": purpose, "external_ref": chance.text("invoice"), "sealed": personal}


def transfer(chance):
    operation = pay(chance, "transfer")
    return operation and noted(chance, operation)


def issue(chance):
    payee, asset = chance.account("credit"), chance.asset()
    amount = chance.random.randint(1, 2_000_000)
    fields = {"does": "issue", "to": payee, "asset": asset, "amount_minor": amount}
    return payee and fields | {"instruction_ref": chance.reference()}


def redeem(chance):
    asset = chance.asset()
    payer = chance.account("debit", asset)
    fields = {"does": "redeem", "from": payer, "asset": asset, "instruction_ref": chance.reference()}
    return payer and fields | {"amount_minor": chance.amount(payer, asset)}


def seize(chance):
    operation = pay(chance, "seize")
    return operation and operation | {"order_ref": f"court-{chance.number()}"}


# Of the content of a payment: what it was, and the field of its agreement.
RETURNED = {
    "transfer": ("transfer", None),
    "accept_request": ("request", "request_ref"),
    "collect": ("collection", "mandate_ref"),
    "pay_khqr": ("khqr", "payload"),
}


def give_back(chance):
    """Goes back to one of the payments whose references are known."""
    known = chance.one(key for key in chance.state.references if key[0] == "account")
    original = dict(chance.state.references[known].content) if known else {}
    if original.get("does") not in RETURNED:
        return None
    kind, agreement = RETURNED[original["does"]]
    amount = original["amount_minor"]
    fields = {"does": "return", "from": original["to"], "to": original["from"], "asset": original["asset"]}
    fields |= {"amount_minor": chance.random.choice([amount, max(amount // 3, 1)]), "original_kind": kind}
    fields |= {"original_ref": known[2], "original_amount_minor": amount, "instruction_ref": chance.reference()}
    fields |= {"reason": "AC04" if chance.often(0.5) else ""}
    if kind == "khqr":
        # Hexadecimal digits of either case.
        code = khqr.identity(original["payload"]).hex()
        fields["original_agreement_ref"] = code.upper() if chance.often(0.2) else code
        return fields | {"original_external_ref": original["external_ref"]}
    if agreement:
        return fields | {"original_agreement_ref": original[agreement]}
    return fields | {"original_purpose": original["purpose"], "original_external_ref": original["external_ref"]}


def place_hold(chance):
    operation = pay(chance, "place_hold", required=True)
    return operation and operation | {"expires_ms": chance.deadline()}


def between(entry, does, reference):
    """An operation about an agreement, with the fields that name it."""
    return {"does": does, "from": entry.content["from"], "to": entry.content["to"], reference: entry.reference}


def capture_hold(chance):
    hold = chance.timed("hold")
    if hold is None:
        return None
    asset, left = hold.kept
    amount = left if chance.often(0.3) else chance.random.randint(1, left)
    fields = between(hold, "capture_hold", "hold_ref") | {"asset": asset, "amount_minor": amount}
    return fields | {"last": chance.often(0.3), "instruction_ref": chance.reference()}


def release_hold(chance):
    hold = chance.timed("hold")
    return hold and between(hold, "release_hold", "hold_ref")


def send_to_bank(chance):
    operation = pay(chance, "send_to_bank", required=True)
    return operation and noted(chance, operation) | {"expires_ms": chance.deadline()}


def track_transfer(chance):
    sent = chance.timed("bank_transfer")
    if sent is None:
        return None
    progress = chance.random.choice(["received", "received", "acknowledged", "refused"])
    why = "AC04" if progress == "refused" and chance.often(0.5) else ""
    return between(sent, "track_transfer", "transfer_ref") | {"progress": progress, "reason": why}


def request_to_pay(chance):
    operation = pay(chance, "request_to_pay", required=True)
    return operation and noted(chance, operation) | {"expires_ms": chance.deadline()}


def accept_request(chance):
    asked = chance.timed("request")
    if asked is None:
        return None
    fields = between(asked, "accept_request", "request_ref") | {"asset": asked.content["asset"]}
    return fields | {"amount_minor": asked.content["amount"], "instruction_ref": chance.reference()}


def decline_request(chance):
    asked = chance.timed("request")
    return asked and between(asked, "decline_request", "request_ref")


def cancel_request(chance):
    asked = chance.timed("request")
    return asked and between(asked, "cancel_request", "request_ref")


def grant_mandate(chance):
    operation = pay(chance, "grant_mandate", required=True)
    period = chance.random.choice(["day", "week", "month"])
    return operation and operation | {"cap_minor": operation.pop("amount_minor"), "period": period} | {
        "expires_ms": chance.deadline()
    }


def mandate(chance):
    """(payer, reference, mandate) of one that stands; None when there is none."""
    granted = [(name, account) for name, account in chance.state.accounts.items() if account.mandates]
    if not granted:
        return None
    name, account = chance.random.choice(granted)
    reference = chance.one(account.mandates)
    return name, reference, account.mandates[reference]


def collect(chance):
    found = mandate(chance)
    if found is None:
        return None
    payer, reference, granted = found
    left = max(granted.cap - granted.collected, 1)
    amount = chance.random.randint(1, left) if chance.often(0.8) else granted.cap
    fields = {"does": "collect", "from": payer, "to": granted.to, "asset": granted.asset, "amount_minor": amount}
    return fields | {"mandate_ref": reference, "instruction_ref": chance.reference()}


def revoke_mandate(chance):
    found = mandate(chance)
    return found and {"does": "revoke_mandate", "from": found[0], "to": found[2].to, "mandate_ref": found[1]}


def offer_quote(chance):
    sold = chance.asset()
    bought = "USD" if sold == "KHR" else "KHR"
    maker, taker = chance.two(sold)
    if not maker:
        return None
    fields = {"does": "offer_quote", "maker": maker, "taker": taker if chance.often(0.4) and taker else ""}
    fields |= {"sold_asset": sold, "sold_minor": chance.amount(maker, sold), "bought_asset": bought}
    fields |= {"bought_minor": chance.random.randint(1, 500), "instruction_ref": chance.reference(True)}
    return fields | {"expires_ms": chance.deadline()}


def take_quote(chance):
    quote = chance.timed("quote")
    if quote is None:
        return None
    (sold, gets), (bought, pays) = quote.content["sold"], quote.content["bought"]
    taker = quote.content["to"] or chance.account("debit", bought, quote.account)
    fields = {"does": "take_quote", "maker": quote.account, "taker": taker, "sold_asset": sold, "sold_minor": gets}
    fields |= {"bought_asset": bought, "bought_minor": pays, "quote_ref": quote.reference}
    return taker and fields | {"instruction_ref": chance.reference()}


def again(chance):
    """An instruction whose reference is known, once more: mostly the same, sometimes another under its reference."""
    key = chance.one(chance.state.references)
    if key is None:
        return None
    operation = dict(chance.state.references[key].content) | {"instruction_ref": key[2]}
    if operation["does"] == "send_to_bank":
        # Other bytes, as whoever seals it once more has.
        operation["sealed"] = sealed.invent(chance.random)
    if chance.often(0.5):
        field = chance.one(sorted(operation.keys() & CHANGED.keys()))
        operation[field] = CHANGED[field](operation[field])
    return operation


# Fields that make another instruction of one under its reference.
CHANGED = {
    "amount_minor": lambda amount: amount ^ 1, "cap_minor": lambda amount: amount ^ 1,
    "sold_minor": lambda amount: amount ^ 1, "original_amount_minor": lambda amount: amount ^ 1,
    "expires_ms": lambda time: time ^ 1, "last": lambda last: not last, "asset": lambda code: "USD",
    "purpose": lambda text: "GDDS", "external_ref": lambda text: "other", "reason": lambda text: "AM05",
    "period": lambda period: "month",
}


# With their weights: how often each is drawn.
KINDS = {
    transfer: 14, issue: 5, redeem: 3, seize: 2, give_back: 10, place_hold: 8, capture_hold: 6, release_hold: 2,
    send_to_bank: 6, track_transfer: 6, request_to_pay: 6, accept_request: 5, decline_request: 1, cancel_request: 1,
    grant_mandate: 4, collect: 6, revoke_mandate: 1, offer_quote: 5, take_quote: 5, again: 4,
}
