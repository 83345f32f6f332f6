"""What payers and payees agree on, by the rules of docs/api.md: holds, requests, mandates, quotes, returns, and what
ends by itself. Part of the replay. Must not know: the node's code."""
from verify import digest, text, u

DAY_MS = 24 * 3_600_000
# Longest life of a hold, a request or a quote.
LIFE_MS = 90 * DAY_MS
# Lengths of a mandate's periods, by their numbers.
PERIODS_MS = {1: DAY_MS, 2: 7 * DAY_MS, 3: 30 * DAY_MS}
# The operations that a payment can have been, by their numbers in a return.
ORIGINALS = {1: "transfer", 2: "accept_request"}
# The account whose bank signs for an operation. Who issues and redeems is the asset's issuer.
SIGNERS = {
    "transfer": "from", "place_hold": "from", "capture_hold": "to", "release_hold": "to", "request_to_pay": "to",
    "accept_request": "from", "decline_request": "from", "cancel_request": "to", "grant_mandate": "from",
    "collect": "to", "revoke_mandate": "from", "return": "from", "offer_quote": "maker", "take_quote": "taker",
}
# Numbers of the kinds of what ends by itself.
HOLD, REQUEST, QUOTE = 1, 4, 5


class Rejected(Exception):
    """An operation takes no effect; the code of docs/api.md is its argument."""


def timed_id(kind, account, reference):
    """The id of what ends by itself, by the account whose reference names it."""
    return digest("timed", u(1, kind) + text(account) + text(reference)).hex()


class Agreements:
    """Operations on agreements, each with the balances that it leaves: payer before payee. `self` is the replay's
    ledger: it has the tables, and moves the money."""

    def place_hold(self, operation, time_ms, undo):
        payer, asset, amount = operation["from"], operation["asset"], operation["amount"]
        self.check_begin(operation, time_ms)
        held = {"account": payer, "to": operation["to"], "asset": asset, "left": amount}
        self.begin(HOLD, payer, operation, held, time_ms, undo)
        return [self.hold(payer, asset, amount, time_ms, undo)]

    def capture_hold(self, operation, time_ms, undo):
        identity, hold = self.standing(HOLD, operation["from"], operation["hold_ref"], "HOLD_NOT_FOUND")
        amount = operation["amount"]
        if (hold["to"], hold["asset"]) != (operation["to"], operation["asset"]):
            raise Rejected("HOLD_NOT_FOUND")
        if amount > hold["left"]:
            raise Rejected("HOLD_EXCEEDED")
        left = hold["left"] - amount
        balances = self.capture(hold, operation["to"], amount, undo)
        if operation.get("last") and left:
            balances[0] = self.give_back(hold, left, time_ms, undo)
        rest = None if operation.get("last") or not left else hold | {"left": left}
        self.change(undo, self.timed, identity, rest)
        return balances

    def release_hold(self, operation, time_ms, undo):
        identity, hold = self.standing(HOLD, operation["from"], operation["hold_ref"], "HOLD_NOT_FOUND")
        if hold["to"] != operation["to"]:
            raise Rejected("HOLD_NOT_FOUND")
        self.change(undo, self.timed, identity, None)
        return [self.give_back(hold, hold["left"], time_ms, undo)]

    def request_to_pay(self, operation, time_ms, undo):
        self.check_begin(operation, time_ms)
        asked = {name: operation[name] for name in ("from", "to", "asset", "amount")}
        self.begin(REQUEST, operation["to"], operation, asked | {"left": 0}, time_ms, undo)
        return []

    def request(self, operation):
        identity, asked = self.standing(REQUEST, operation["to"], operation["request_ref"], "REQUEST_NOT_FOUND")
        if asked["from"] != operation["from"]:
            raise Rejected("REQUEST_NOT_FOUND")
        return identity, asked

    def accept_request(self, operation, time_ms, undo):
        identity, asked = self.request(operation)
        if (asked["asset"], asked["amount"]) != (operation["asset"], operation["amount"]):
            raise Rejected("REQUEST_MISMATCH")
        balances = self.transfer(operation, time_ms, undo)
        self.change(undo, self.timed, identity, None)
        return balances

    def decline_request(self, operation, time_ms, undo):
        self.change(undo, self.timed, self.request(operation)[0], None)
        return []

    cancel_request = decline_request

    def grant_mandate(self, operation, time_ms, undo):
        if operation["expires_ms"] <= time_ms:
            raise Rejected("DEADLINE_INVALID")
        mandate = operation | {"granted_ms": time_ms, "number": 0, "collected": 0}
        self.change(undo, self.mandates, (operation["from"], operation["reference"]), mandate)
        return []

    def mandate(self, operation):
        key = operation["from"], operation["mandate_ref"]
        mandate = self.mandates.get(key)
        if not mandate or mandate["to"] != operation["to"]:
            raise Rejected("MANDATE_NOT_FOUND")
        return key, mandate

    def collect(self, operation, time_ms, undo):
        key, mandate = self.mandate(operation)
        if mandate["expires_ms"] <= time_ms:
            raise Rejected("MANDATE_EXPIRED")
        number = (time_ms - mandate["granted_ms"]) // PERIODS_MS[mandate["period"]]
        before = mandate["collected"] if mandate["number"] == number else 0
        collected = before + operation["amount"]
        if collected > mandate["cap_minor"]:
            raise Rejected("MANDATE_EXCEEDED")
        self.change(undo, self.mandates, key, mandate | {"number": number, "collected": collected})
        return self.transfer(operation, time_ms, undo)

    def revoke_mandate(self, operation, time_ms, undo):
        self.change(undo, self.mandates, self.mandate(operation)[0], None)
        return []

    def give_money_back(self, operation, time_ms, undo):
        """A return: of a payment that was as it says, never more than was paid."""
        key, amount = (operation["to"], operation["original_ref"]), operation["original_amount_minor"]
        paid = {"does": ORIGINALS[operation["original_kind"]], "from": operation["to"], "to": operation["from"]}
        paid |= {"asset": operation["asset"], "amount": amount}
        if "original_agreement_ref" in operation:
            paid["request_ref"] = operation["original_agreement_ref"]
        if self.references.get(key, (None, None))[1] != paid:
            raise Rejected("ORIGINAL_NOT_FOUND")
        returned = self.returned.get(key, 0) + operation["amount"]
        if returned > amount:
            raise Rejected("RETURN_EXCEEDS_ORIGINAL")
        self.change(undo, self.returned, key, returned)
        return self.move(operation, undo)

    def offer_quote(self, operation, time_ms, undo):
        maker, asset, amount = operation["maker"], operation["sold_asset"], operation["sold_minor"]
        self.check_begin(operation, time_ms)
        offered = operation | {"account": maker, "asset": asset, "left": amount}
        self.begin(QUOTE, maker, operation, offered, time_ms, undo)
        return [self.hold(maker, asset, amount, time_ms, undo)]

    def take_quote(self, operation, time_ms, undo):
        identity, quote = self.standing(QUOTE, operation["maker"], operation["quote_ref"], "QUOTE_NOT_FOUND")
        if quote.get("taker", operation["taker"]) != operation["taker"]:
            raise Rejected("QUOTE_NOT_FOUND")
        sides = ("sold_asset", "sold_minor", "bought_asset", "bought_minor")
        if [quote[name] for name in sides] != [operation[name] for name in sides]:
            raise Rejected("QUOTE_MISMATCH")
        paid = {"from": operation["taker"], "to": operation["maker"]}
        paid |= {"asset": operation["bought_asset"], "amount": operation["bought_minor"]}
        pays, is_paid = self.transfer(paid, time_ms, undo)
        gives, gets = self.capture(quote, operation["taker"], quote["left"], undo)
        self.change(undo, self.timed, identity, None)
        return [gives, gets, pays, is_paid]

    # ----- what ends by itself

    def check_begin(self, operation, time_ms):
        if not time_ms < operation["expires_ms"] <= time_ms + LIFE_MS:
            raise Rejected("DEADLINE_INVALID")

    def begin(self, kind, account, operation, what, time_ms, undo):
        what |= {"ends_ms": operation["expires_ms"], "begun_ms": time_ms}
        self.change(undo, self.timed, timed_id(kind, account, operation["reference"]), what)

    def standing(self, kind, account, reference, missing):
        identity = timed_id(kind, account, reference)
        if identity not in self.timed:
            raise Rejected(missing)
        return identity, self.timed[identity]

    def end(self, time_ms):
        """What ends before the transactions of a block of this time: the results of the block's own receipt."""
        due = sorted((what["ends_ms"], identity) for identity, what in self.timed.items() if what["ends_ms"] <= time_ms)
        results = []
        for _, identity in due:
            what = self.timed.pop(identity)
            balances = [self.give_back(what, what["left"], time_ms, [])] if what["left"] else []
            results.append(["ended", identity, *balances])
        return results
