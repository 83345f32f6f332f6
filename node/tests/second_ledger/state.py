"""What the ledger remembers, as dictionaries of values that never change in place: every change goes through `put`, so
that what fails can be taken back. Begins with the genesis file.

Must not know: the rules."""
from dataclasses import dataclass

# What a chain has whose genesis file says nothing of limits: docs/decisions/0060-limits.md, in major units.
DAILY = {"KHR": (2_000_000, 12_000_000, 40_000_000, 200_000_000), "USD": (500, 3_000, 10_000, 50_000)}
HOURLY = (120, 600, 0, 0)
TIERS = ("basic", "partial", "full", "interbank")
DAY_OFFSET_MS = 7 * 3_600_000
PERMISSIONS = ("pay", "open_accounts", "issue", "manage_keys", "freeze", "seize", "govern")


@dataclass(frozen=True)
class Participant:
    """`keys` is {key: permissions}, `thresholds` {permission: how many must sign}."""
    role: str
    mode: str
    keys: dict
    thresholds: dict
    encryption_key: bytes


@dataclass(frozen=True)
class Account:
    """`orders` is {reference: status}, `mandates` {reference: Mandate} in the order in which they were granted."""
    kind: str
    status: str
    tier: str
    keys: tuple
    threshold: int
    orders: dict
    mandates: dict


@dataclass(frozen=True)
class Mandate:
    """What `to` may collect; `collected` in the period `number`, counted from the block that granted it."""
    to: str
    asset: str
    cap: int
    period: str
    granted_ms: int
    expires_ms: int
    number: int
    collected: int


@dataclass(frozen=True)
class Timed:
    """Something that ends by itself at `ends_ms`; `owner` is the participant that it counts for, `kept` the (asset,
    amount) that is held on `account`, or None."""
    kind: str
    account: str
    reference: str
    ends_ms: int
    begun_ms: int
    owner: str
    kept: tuple
    content: dict


@dataclass(frozen=True)
class Reference:
    """A reference that was used: when, for what, and where the result stands: (transaction, height, index,
    operation)."""
    taken_ms: int
    content: tuple
    place: tuple


@dataclass(frozen=True)
class Proposal:
    """`approvals` are keys; `place` as in Reference."""
    participant: str
    operation: dict
    effect_height: int
    expires_ms: int
    approvals: frozenset
    place: tuple


class State:
    """The tables, by what their keys are."""
    TABLES = (
        "participants",  # id: Participant
        "accounts",  # name: Account
        "balances",  # (account, asset): (available, held)
        "spent",  # (account, asset, day): how much left by the account's own will
        "times",  # (account, asset, hour): how often
        "supply",  # asset: minor units
        "limits",  # (asset, tier): (a day, times an hour); 0 for none
        "references",  # (whose, reference): Reference
        "ids",  # transaction id: (height, index)
        "timed",  # id: Timed
        "aliases",  # alias: (account, name)
        "proposals",  # id: Proposal
        "codes",  # identity of a dynamic KHQR code that was paid: its expiry
        "paid",  # MD5 of a code, in hexadecimal: payments by codes of it, oldest first, as the API answers them
        # "members": ((participant, key, network key), …); "versions": ((since, members), …); "used": all keys ever
        "validators",
        "activations",  # "all": ((height, version), …)
        "offences",  # id: accused key
    )

    def __init__(self, genesis):
        for table in self.TABLES:
            setattr(self, table, {})
        self.undo = []
        self.issuers = {asset["code"]: asset["issuer"] for asset in genesis["assets"]}
        self.exponents = {asset["code"]: asset["exponent"] for asset in genesis["assets"]}
        self.epoch_length, self.first_version = genesis["epoch_length"], genesis["protocol_version"]
        self.load_participants(genesis)
        self.load_accounts(genesis)
        self.load_limits(genesis)
        members = tuple(
            (entry["participant"], bytes.fromhex(entry["key"]), bytes.fromhex(entry["network_key"]))
            for entry in genesis["validators"]
        )
        self.validators["members"], self.validators["versions"] = members, ((0, members),)
        self.validators["used"] = frozenset(key for member in members for key in member[1:])
        self.activations["all"] = ()

    def load_participants(self, genesis):
        for entry in genesis["participants"]:
            keys = {bytes.fromhex(key["key"]): frozenset(key["permissions"]) for key in entry["keys"]}
            thresholds = {name: entry["thresholds"][name] for name in PERMISSIONS}
            record = entry["role"], entry["mode"], keys, thresholds, bytes.fromhex(entry["encryption_key"])
            self.participants[entry["id"]] = Participant(*record)

    def load_accounts(self, genesis):
        self.supply.update({code: 0 for code in self.issuers})
        for entry in genesis["accounts"]:
            keys = tuple(bytes.fromhex(key) for key in entry.get("keys", []))
            status, threshold = entry.get("status", "active"), entry.get("threshold", 0)
            account = Account(entry["kind"], status, entry["tier"], keys, threshold, {}, {})
            self.accounts[entry["id"]] = account
            for balance in entry["balances"]:
                amounts = balance["available_minor"], balance.get("held_minor", 0)
                self.balances[entry["id"], balance["asset"]] = amounts
                self.supply[balance["asset"]] += sum(amounts)

    def load_limits(self, genesis):
        parameters = genesis.get("parameters")
        if parameters is None:
            self.day_offset_ms = DAY_OFFSET_MS
            units = {asset["code"]: 10 ** asset["exponent"] for asset in genesis["assets"]}
            for code in units.keys() & DAILY.keys():
                for tier, daily, hourly in zip(TIERS, DAILY[code], HOURLY):
                    self.limits[code, tier] = (daily * units[code], hourly)
            return
        self.day_offset_ms = parameters["day_offset_ms"]
        for entry in parameters["limits"]:
            limit = entry.get("daily_minor", 0), entry.get("hourly", 0)
            self.limits[entry["asset"], entry["tier"]] = limit

    def put(self, table, key, value):
        """Replaces a value; None removes it."""
        entries = getattr(self, table)
        self.undo.append((entries, key, entries.get(key)))
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value

    def keep(self):
        """What has happened up to here stays."""
        self.undo.clear()

    def take_back(self):
        """What has happened since the last `keep` did not."""
        while self.undo:
            entries, key, before = self.undo.pop()
            if before is None:
                entries.pop(key, None)
            else:
                entries[key] = before

    def balance(self, account, asset):
        """(available, held)."""
        return self.balances.get((account, asset), (0, 0))


def keeper(account):
    """The participant that keeps name@participant."""
    return account.split("@")[1]
