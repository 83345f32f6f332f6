"""What random operations are made of: names, amounts, references, times, drawn from a seeded generator and from the
ledger as it stands, so that most operations succeed.

Must not know: which operations there are."""
import money
from state import PERMISSIONS, keeper

ASSETS = ("KHR", "USD")
# Accounts of each bank that take part, of the thousands that genesis opens.
ACCOUNTS_OF_ONE = 5
HOUR_MS = 3_600_000
# What ends soon ends within so many milliseconds of block time.
SOON_MS = 4_000


class Chance:
    """`ledger` is the replay, which goes on while operations are drawn."""

    def __init__(self, random, ledger, keyring):
        self.random, self.ledger, self.keyring, self.counter = random, ledger, keyring, 0
        self.time_ms = self.soonest = 0
        # KHQR codes that are shown, as invent_khqr.show makes them.
        self.codes = []
        of = {}
        for name in sorted(ledger.state.accounts):
            of.setdefault(keeper(name), []).append(name)
        self.names = [name for names in of.values() for name in names[:ACCOUNTS_OF_ONE]]
        self.banks = [name for name in ledger.state.participants if name in of]
        self.guests = []

    @property
    def state(self):
        return self.ledger.state

    def one(self, items):
        """One of them, or None when there are none."""
        items = list(items)
        return self.random.choice(items) if items else None

    def often(self, share):
        return self.random.random() < share

    def number(self):
        self.counter += 1
        return self.counter

    def asset(self):
        return self.random.choices(ASSETS, (4, 1))[0]

    def account(self, doing, asset=None, other=None):
        """An account that may do it, and has money of the asset; not `other`. None when there is none at hand."""
        for name in self.random.sample(self.names, min(30, len(self.names))):
            rich = asset is None or self.state.balance(name, asset)[0] > 0
            if rich and name != other and not money.parties(self.state, (name, doing)):
                return name
        return None

    def open_account(self):
        """Any account in play that is not closed."""
        return self.one(name for name in self.names if self.status(name) not in (None, "closed"))

    def status(self, name):
        account = self.state.accounts.get(name)
        return account and account.status

    def two(self, asset):
        """(payer, payee), either None when there is none at hand."""
        payer = self.account("debit", asset)
        return payer, self.account("credit", other=payer)

    def amount(self, payer, asset):
        """Some of what an account has: mostly little."""
        available = self.state.balance(payer, asset)[0] if payer else 1
        return self.random.randint(1, max(available // self.random.choice((10, 100, 100, 1000)), 1))

    def reference(self, required=False):
        return f"r-{self.number()}" if required or self.often(0.6) else ""

    def text(self, prefix):
        return f"{prefix}-{self.number()}" if self.often(0.3) else ""

    def deadline(self):
        """A block time to come: most in an hour, some soon."""
        return self.time_ms + HOUR_MS if self.often(0.7) else self.soon()

    def soon(self):
        """A block time within seconds."""
        soon = self.time_ms + self.random.randint(500, SOON_MS)
        self.soonest = max(self.soonest, soon)
        return soon

    def timed(self, kind):
        return self.one(entry for entry in self.state.timed.values() if entry.kind == kind)

    def own_keys(self):
        """(keys, threshold) of an account: most have none of their own."""
        if self.often(0.6):
            return [], 0
        keys = sorted(self.keyring.new() for _ in range(self.random.randint(1, 3)))
        return keys, self.random.randint(1, len(keys))

    def participant_keys(self, count, permissions):
        """Keys of a participant as messages list them: each permission is some key's, and freezing is no issuer's."""
        keys = sorted(self.keyring.new() for _ in range(count))
        entries = [{"key": key} | {"may_" + name: self.often(0.6) for name in permissions} for key in keys]
        for name in permissions:
            if not any(entry["may_" + name] for entry in entries):
                self.random.choice(entries)["may_" + name] = True
        return entries

    def thresholds(self, entries, most=2):
        """How many of those keys must sign: at most `most`."""
        count = lambda name: sum(entry.get("may_" + name, False) for entry in entries)
        return {name: self.random.randint(1, min(count(name), most)) if count(name) else 0 for name in PERMISSIONS}
