"""More that ends at one time than one block ends: what is left counts as ended, although it is still there.
Before, what is asked of it is refused for another reason, and leaves it as it is.

Must not know: which block will be the one."""
import money
import sealed

# Of each kind so many, which all end at one block time: together more than the 4,096 of a block.
EACH, ASKED = 1_400, 1_200
# When they end, in milliseconds of block time ahead, and for how long before and after that they are asked for: blocks
# without transactions are a second apart.
AHEAD_MS, BEFORE_MS, AFTER_MS = 6_000, 1_200, 300
ASSET = "KHR"


class Flood:
    """Between two accounts, the payer's tier freed of limits."""

    def __init__(self, chance):
        self.chance, self.references = chance, {}
        able = (name for name in sorted(chance.state.accounts) if self.able(name))
        self.payer, self.payee = next(able), next(able)
        self.ends_ms = None

    def able(self, name):
        """May it pay and be paid, and has it enough?"""
        both = (name, "debit"), (name, "credit")
        return self.chance.state.balance(name, ASSET)[0] > 4 * EACH and not money.parties(self.chance.state, *both)

    def limits(self):
        """Neither sum nor count in the way of so many."""
        tier = self.chance.state.accounts[self.payer].tier
        return [{"does": "set_limits", "asset": ASSET, "tier": tier, "daily_minor": 0, "hourly": 0}]

    def begin(self):
        """Lists of operations, one for each transaction."""
        self.ends_ms = self.chance.soonest = self.chance.time_ms + AHEAD_MS
        for does in BEGIN:
            self.references[does] = [self.chance.reference(required=True) for _ in range(EACH)]
            yield [self.one(does) | {"instruction_ref": reference} for reference in self.references[does]]

    def one(self, does):
        fields = {"does": does, "expires_ms": self.ends_ms}
        if does == "offer_quote":
            sides = {"sold_asset": ASSET, "sold_minor": 1, "bought_asset": "USD", "bought_minor": 1}
            return fields | sides | {"maker": self.payer, "taker": self.payee}
        parties = {"from": self.payer, "to": self.payee, "asset": ASSET, "amount_minor": 1}
        return fields | parties | ({"sealed": sealed.invent(self.chance.random)} if does == "send_to_bank" else {})

    def asked(self):
        """Lists of operations that leave them as they are, of each kind some in each."""
        parties = {"from": self.payer, "to": self.payee}
        money = parties | {"asset": ASSET, "amount_minor": 2}
        quoted = {"does": "take_quote", "maker": self.payer, "taker": self.payee, "sold_asset": ASSET, "sold_minor": 2}
        quoted |= {"bought_asset": "USD", "bought_minor": 1}
        track = parties | {"does": "track_transfer", "progress": "received"}
        some = lambda does: self.chance.random.sample(self.references[does], ASKED)
        kinds = [
            [money | {"does": "capture_hold", "hold_ref": reference} for reference in some("place_hold")],
            [track | {"transfer_ref": reference} for reference in some("send_to_bank")],
            [money | {"does": "accept_request", "request_ref": reference} for reference in some("request_to_pay")],
            [quoted | {"quote_ref": reference} for reference in some("offer_quote")],
        ]
        turns = [list(turn) for turn in zip(*kinds)]
        return [sum(turns[start : start + 3], []) for start in range(0, ASKED, 3)]


BEGIN = ("place_hold", "send_to_bank", "request_to_pay", "offer_quote")
