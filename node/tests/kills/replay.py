"""The ledger's rules once more, small and on their own: payments, agreements, issues and redemptions from the genesis
file on, with instruction references, windows and limits. Follows docs/api.md and the .proto files. Must not know: the
node's code."""
from agreements import DAY_MS, SIGNERS, Agreements, Rejected

HOUR_MS = 3_600_000
# Of accounts of which genesis says nothing else.
USUAL_TIERS = {"wallet": "basic", "merchant": "basic", "settlement": "interbank", "reserve": "interbank"}
# Operations whose methods are called otherwise.
METHODS = {"transfer": "transfer", "return": "give_money_back", "issue": "move_supply", "redeem": "move_supply"}


class Ledger(Agreements):
    """Balances by (account, asset), available and held, and supply by asset, in minor units; `timed` is what ends by
    itself, by its id."""

    def __init__(self, genesis):
        self.balances, self.held, self.supply = {}, {}, {}
        self.references, self.taken, self.timed, self.mandates, self.returned, self.spent = {}, {}, {}, {}, {}, {}
        for account in genesis["accounts"]:
            for balance in account["balances"]:
                self.balances[account["id"], balance["asset"]] = balance["available_minor"]
        for (_, asset), amount in self.balances.items():
            self.supply[asset] = self.supply.get(asset, 0) + amount
        self.kinds = {account["id"]: account.get("kind", "wallet") for account in genesis["accounts"]}
        tier = lambda account: account.get("tier") or USUAL_TIERS[account.get("kind", "wallet")]
        self.tiers = {account["id"]: tier(account) for account in genesis["accounts"]}
        parameters = genesis.get("parameters", {})
        self.day_offset_ms = parameters.get("day_offset_ms", 0)
        self.limits = {
            (limit["asset"], limit["tier"]): (limit.get("daily_minor"), limit.get("hourly"))
            for limit in parameters.get("limits", [])
        }
        self.issuers = {asset["code"]: asset["issuer"] for asset in genesis["assets"]}

    def execute(self, identity, window, independent, operations, place, time_ms):
        """What the receipt of a transaction must say: outcome, rejection, results. `place` is (height, index)."""
        if identity in self.taken:
            return "twice", self.taken[identity], []
        if not window[0] <= time_ms < window[1]:
            return "rejected", ["NOT_YET_VALID" if time_ms < window[0] else "EXPIRED", None], []
        results, undo = [], []
        self.taken[identity] = place
        for number, operation in enumerate(operations):
            mark = len(undo)
            try:
                results.append(self.apply(operation, [identity, *place, number], time_ms, undo))
            except Rejected as rejected:
                code = rejected.args[0]
                self.take_back(undo, mark if independent else 0)
                if not independent:
                    return "rejected", [code, number], []
                results.append(["rejected", code, number])
        kinds = {result[0] for result in results}
        outcome = "partial" if "rejected" in kinds else "repeated" if kinds == {"repeated"} else "applied"
        return outcome, None, results

    def take_back(self, undo, mark):
        while len(undo) > mark:
            table, key, before = undo.pop()
            self.put(table, key, before)

    def change(self, undo, table, key, value):
        """Sets a value; None takes it away."""
        undo.append((table, key, table.get(key)))
        self.put(table, key, value)

    def put(self, table, key, value):
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def apply(self, operation, place, time_ms, undo):
        """The result of one operation, which stands at `place`: [transaction id, height, index, operation]."""
        does, reference = operation["does"], operation.get("reference", "")
        scope = self.scope(operation), reference
        content = {name: value for name, value in operation.items() if name != "reference"}
        if reference and scope in self.references:
            first, known = self.references[scope]
            if known != content:
                raise Rejected("DUPLICATE_REFERENCE")
            return ["repeated", *first]
        accounts = {operation[name] for name in ("from", "to", "maker", "taker") if name in operation}
        if not accounts <= self.tiers.keys():
            raise Rejected("UNKNOWN_ACCOUNT")
        balances = getattr(self, METHODS.get(does, does))(operation, time_ms, undo)
        if reference:
            self.change(undo, self.references, scope, (place, content))
        return ["applied", *balances]

    def scope(self, operation):
        """Within what an operation's reference is unique: who signs for it, but for what is issued and redeemed."""
        does = operation["does"]
        if does == "issue":
            return self.issuers[operation["asset"]]
        return operation[SIGNERS.get(does, "from")]

    # ----- money

    def transfer(self, operation, time_ms, undo):
        self.spend(operation["from"], operation["asset"], operation["amount"], time_ms, undo)
        return self.move(operation, undo)

    def move(self, operation, undo):
        """Moves money whatever the limits."""
        asset, amount = operation["asset"], operation["amount"]
        payer = self.add(operation["from"], asset, -amount, 0, undo)
        return [payer, self.add(operation["to"], asset, amount, 0, undo)]

    def move_supply(self, operation, time_ms, undo):
        asset, amount = operation["asset"], operation["amount"]
        amount = amount if operation["does"] == "issue" else -amount
        balance = self.add(operation.get("to") or operation["from"], asset, amount, 0, undo)
        self.change(undo, self.supply, asset, self.supply.get(asset, 0) + amount)
        return [balance]

    def hold(self, account, asset, amount, time_ms, undo):
        self.spend(account, asset, amount, time_ms, undo)
        return self.add(account, asset, -amount, amount, undo)

    def capture(self, kept, to, amount, undo):
        payer = self.add(kept["account"], kept["asset"], 0, -amount, undo)
        return [payer, self.add(to, kept["asset"], amount, 0, undo)]

    def give_back(self, kept, amount, time_ms, undo):
        """Held money goes back; on the day on which it was held, it was not spent after all."""
        key = kept["account"], kept["asset"]
        if self.day(kept["begun_ms"]) == self.day(time_ms) and self.kinds[kept["account"]] != "reserve":
            self.change(undo, self.spent, key, self.spent[key] + ((time_ms, -amount),))
        return self.add(*key, amount, -amount, undo)

    def add(self, account, asset, available, held, undo):
        """The balance after: [account, asset, available, held]."""
        key = account, asset
        available, held = self.balances.get(key, 0) + available, self.held.get(key, 0) + held
        if available < 0:
            raise Rejected("INSUFFICIENT_FUNDS")
        self.change(undo, self.balances, key, available)
        self.change(undo, self.held, key, held)
        return [account, asset, available, held]

    def day(self, time_ms):
        return (time_ms + self.day_offset_ms) // DAY_MS

    def hour(self, time_ms):
        return (time_ms + self.day_offset_ms) // HOUR_MS

    def spend(self, account, asset, amount, time_ms, undo):
        """Money leaves by its owner's will: within the limits of the account's tier. What went back is below zero."""
        if self.kinds[account] == "reserve":
            return
        daily, hourly = self.limits.get((asset, self.tiers[account]), (None, None))
        before = self.spent.get((account, asset), ())
        today = tuple((at, minor) for at, minor in before if self.day(at) == self.day(time_ms)) + ((time_ms, amount),)
        if daily and sum(minor for _, minor in today) > daily:
            raise Rejected("LIMIT_EXCEEDED")
        if hourly and sum(minor > 0 and self.hour(at) == self.hour(time_ms) for at, minor in today) > hourly:
            raise Rejected("VELOCITY_EXCEEDED")
        self.change(undo, self.spent, (account, asset), today)
