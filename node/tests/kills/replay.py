"""The ledger's rules once more, small and on their own: transfers, issues and redemptions from the genesis file on,
with instruction references and windows. Follows docs/api.md and the .proto files. Must not know: the node's code."""


class Rejected(Exception):
    """An operation takes no effect; the code of docs/api.md is its argument."""


class Ledger:
    """Balances by (account, asset) and supply by asset, in minor units."""

    def __init__(self, genesis):
        self.balances, self.supply, self.references, self.taken = {}, {}, {}, {}
        for account in genesis["accounts"]:
            for balance in account["balances"]:
                self.set((account["id"], balance["asset"]), balance["available_minor"])
        for (_, asset), amount in self.balances.items():
            self.supply[asset] = self.supply.get(asset, 0) + amount
        self.names = {account["id"] for account in genesis["accounts"]}
        self.issuers = {asset["code"]: asset["issuer"] for asset in genesis["assets"]}

    def set(self, key, amount):
        self.balances[key] = amount

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
                results.append(self.apply(operation, [identity, *place, number], undo))
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
            if before is None:
                del table[key]
            else:
                table[key] = before

    def change(self, undo, table, key, value):
        undo.append((table, key, table.get(key)))
        table[key] = value

    def apply(self, operation, place, undo):
        """The result of one operation, which stands at `place`: [transaction id, height, index, operation]."""
        does, asset, amount = operation["does"], operation["asset"], operation["amount"]
        payer, payee = operation.get("from"), operation.get("to")
        reference = operation.get("reference", "")
        scope = payer or self.issuers[asset], reference
        content = [does, payer, payee, asset, amount]
        if reference and scope in self.references:
            first, known = self.references[scope]
            if known != content:
                raise Rejected("DUPLICATE_REFERENCE")
            return ["repeated", *first]
        if not {name for name in (payer, payee) if name} <= self.names:
            raise Rejected("UNKNOWN_ACCOUNT")
        after = []
        for name, sign in ((payer, -1), (payee, 1)):
            if name:
                changed = self.balances.get((name, asset), 0) + sign * amount
                if changed < 0:
                    raise Rejected("INSUFFICIENT_FUNDS")
                self.change(undo, self.balances, (name, asset), changed)
                after.append([name, asset, changed, 0])
        if not (payer and payee):
            self.change(undo, self.supply, asset, self.supply[asset] + (amount if payee else -amount))
        if reference:
            self.change(undo, self.references, scope, (place, content))
        return ["applied", *after]
