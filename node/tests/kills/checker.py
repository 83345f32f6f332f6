"""The checker's own tests: a small ledger made here is found good, and each way to spoil it is found.
usage: python checker.py"""
import copy
import json
import unittest

import check
import doctored
import node as api
import replay
import strikes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from journal import Sent
from record import Block, Record
from verify import digest, items, text, u

CHAIN = b"c" * 32
NAMES = ("aba", "wing", "nbc")
SECRETS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0")) for name in NAMES}


def public(name):
    return SECRETS[name].public_key().public_bytes_raw().hex()


VALIDATORS = ("aba", "acleda", "wing", "canadia")
MEMBERS = [(name, Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\1"))) for name in VALIDATORS]
GENESIS = {
    "validators": [
        {"participant": name, "key": key.public_key().public_bytes_raw().hex(), "network_key": "11" * 32}
        for name, key in MEMBERS
    ],
    "epoch_length": 100,
    "participants": [{"id": name, "keys": [{"key": public(name), "permissions": ["pay", "issue"]}]} for name in NAMES],
    "assets": [{"code": "KHR", "issuer": "nbc"}, {"code": "USD", "issuer": "nbc"}],
    "accounts": [
        {"id": "alice@aba", "balances": [{"asset": "KHR", "available_minor": 1000}]},
        {"id": "bob@wing", "balances": [{"asset": "USD", "available_minor": 2}]},
    ],
}


def parse(body):
    plain = json.loads(body)
    return plain["window"], plain["independent"], plain["operations"]


def transfer(amount, reference="", payer="alice@aba", payee="bob@wing"):
    plain = {"does": "transfer", "from": payer, "to": payee, "asset": "KHR", "amount": amount}
    return plain | ({"reference": reference} if reference else {})


class World:
    """Builds the record of a ledger, block by block, and the journal beside it."""

    def __init__(self):
        self.ledger, self.blocks, self.journal, self.headers = replay.Ledger(GENESIS), [], {}, []

    def block(self, *transactions):
        """A block of these transactions; before them stands what is over."""
        height = len(self.blocks) + 1
        parent = self.blocks[-1].digest if self.blocks else "00" * 32
        payload, state, results = (digest(kind, u(8, height)).hex() for kind in ("payload", "state", "results"))
        named = [bytes.fromhex(name) for name in (parent, payload)]
        header = named[0] + u(8, height) + u(8, 1000 * height) + u(2, 1) + named[1] + self.checkpoint() + b"\0"
        self.headers.append(header)
        own = digest("header", header).hex()
        block = Block(height, own, parent, 1000 * height, payload, state, results, 0)
        ended = self.ledger.end(block.time_ms)
        if ended:
            receipt = {"id": check.own_id(CHAIN, height), "height": height, "index": 0, "time_ms": block.time_ms}
            receipt |= {"outcome": "applied", "results": ended}
            block.transactions.append({"receipt": receipt, "body": b"", "signers": []})
            block.receipts.append(receipt)
        block.count = len(block.receipts) + len(transactions)
        for index, (signer, operations, independent) in enumerate(transactions, len(block.receipts)):
            plain = {"window": [0, 60_000], "independent": independent, "operations": operations, "at": [height, index]}
            body = json.dumps(plain).encode()
            identity, place = api.transaction_id(CHAIN, body), [height, index]
            due = self.ledger.execute(identity, (0, 60_000), independent, operations, place, block.time_ms)
            outcome, rejection, results = due
            receipt = {"id": identity, "height": height, "index": index, "time_ms": block.time_ms}
            receipt |= {"outcome": outcome, "results": results}
            answer = {"t": 0, "node": "aba", "outcome": "final", "receipt": copy.deepcopy(receipt)}
            if rejection:
                receipt["rejection"] = rejection
                answer |= {"outcome": "rejected", "reason": rejection[0], "height": height, "index": index}
            signature = SECRETS[signer].sign(b"tonle/v1/transaction\0" + CHAIN + body)
            signers = [(bytes.fromhex(public(signer)), signature)]
            block.transactions.append({"receipt": receipt, "body": body, "signers": signers})
            block.receipts.append(receipt)
            made = {"id": identity, "kind": "pay", "operations": operations, "not_after_ms": 60_000}
            self.journal[identity] = Sent(made)
            self.journal[identity].answers.append(answer)
        self.blocks.append(block)

    def checkpoint(self):
        """That of the next header: the last block's."""
        if not self.blocks:
            return u(8, 0) + bytes(64)
        last = self.blocks[-1]
        return u(8, last.height) + bytes.fromhex(last.state_root) + bytes.fromhex(last.results_root)

    def certificate(self, height):
        """Headers and certificate of a height: every third is certified, and the last."""
        last = min(-(-height // 3) * 3, len(self.headers))
        block = digest("header", self.headers[last - 1])
        members = items([text(name) + key.public_key().public_bytes_raw() + b"\x11" * 32 for name, key in MEMBERS])
        of_set = digest("validator set", members)
        signed = b"tonle/v1/consensus\0" + CHAIN + u(8, 0) + of_set + b"\3" + u(8, last) + block
        signatures = b"".join(key.sign(signed) for _, key in MEMBERS[1:])
        certificate = b"\2" + u(8, 0) + u(8, last) + block + u(4, 1) + b"\x0e" + u(4, 3) + signatures
        return self.headers[height - 1 : last], certificate

    def evidence(self):
        """What the checker takes, as four nodes tell it that agree."""
        accounts = {}
        for (name, asset), amount in self.ledger.balances.items():
            accounts.setdefault(name, {})[asset] = [amount, self.ledger.held.get((name, asset), 0)]
        records = []
        for turn, (name, _) in enumerate(MEMBERS):
            certificates = {height: self.certificate(height) for height in range(turn + 1, len(self.blocks) + 1, 4)}
            record = Record(name, self.blocks, accounts, dict(self.ledger.supply), certificates, {}, "")
            records.append(copy.deepcopy(record))
        return GENESIS, CHAIN, self.journal, records, parse


def good():
    """Payments, a refusal, files of both kinds, a repeated instruction, money issued and redeemed, an empty block; then
    agreements of all kinds."""
    world = World()
    world.block(("aba", [transfer(100, "first")], False))
    world.block(("aba", [transfer(5000)], False), ("aba", [transfer(1), transfer(5000), transfer(2)], True))
    world.block(("aba", [transfer(1), transfer(5000)], False), ("aba", [transfer(100, "first")], False))
    world.block()
    issue = {"does": "issue", "to": "bob@wing", "asset": "KHR", "amount": 50}
    redeem = {"does": "redeem", "from": "bob@wing", "asset": "KHR", "amount": 20}
    back = transfer(10, "", "bob@wing", "alice@aba")
    world.block(("nbc", [issue], False), ("wing", [back], False), ("nbc", [redeem], False))
    agree(world)
    return world


def agree(world):
    """Holds that are captured and that end, a request that is accepted, returns, a mandate, a quote that is taken; of
    captures, returns and collections one each is too much."""
    parties = {"from": "alice@aba", "to": "bob@wing"}
    money = lambda amount: {"asset": "KHR", "amount": amount}
    hold = lambda name, end: {"does": "place_hold", "reference": name, "expires_ms": end} | parties | money(100)
    capture = {"does": "capture_hold", "hold_ref": "long"} | parties | money(30)
    ask = {"does": "request_to_pay", "reference": "ask", "expires_ms": 60_000} | parties | money(7)
    holds = [hold("long", 60_000), hold("short", 8_000), hold("other", 8_000)]
    world.block(("aba", holds, False), ("wing", [ask], False))
    accept = {"does": "accept_request", "request_ref": "ask"} | parties | money(7)
    world.block(("wing", [capture], False), ("aba", [accept], False))
    world.block(("wing", [capture | money(71)], False), ("wing", [capture | {"last": True}], False))
    give_back = {"does": "return", "from": "bob@wing", "to": "alice@aba", "original_kind": 1, "original_ref": "first"}
    give_back |= {"original_amount_minor": 100}
    world.block(("wing", [give_back | money(60)], False), ("wing", [give_back | money(41)], False))
    grant = {"does": "grant_mandate", "asset": "KHR", "cap_minor": 50, "period": 1, "reference": "mandate"}
    collect = {"does": "collect", "mandate_ref": "mandate"} | parties | money(30)
    world.block(("aba", [grant | parties | {"expires_ms": 60_000}], False))
    world.block(("wing", [collect], False), ("wing", [collect, collect], True))
    sides = {"maker": "alice@aba", "sold_asset": "KHR", "sold_minor": 5, "bought_asset": "USD", "bought_minor": 2}
    offer = {"does": "offer_quote", "reference": "quote", "expires_ms": 60_000} | sides
    take = {"does": "take_quote", "taker": "bob@wing", "quote_ref": "quote"} | sides
    world.block(("aba", [offer], False), ("wing", [take | {"bought_minor": 1}], False), ("wing", [take], False))


class Checker(unittest.TestCase):
    def test_a_good_record_is_found_good(self):
        findings, figures = check.check(*good().evidence())
        self.assertEqual(list(findings.lines()), [])
        self.assertEqual(figures["acknowledged as final"], 22)
        self.assertEqual(figures["of these rejected"], 5)
        self.assertEqual(figures["operations that took effect"], 18)
        self.assertEqual(figures["agreements that ended by themselves"], 2)

    def test_the_replay_pays_as_it_should(self):
        ledger = good().ledger
        agreed = 30 + 7 + 30 - 60 + 30 + 5
        alice, bob = 1000 - 103 + 10 - agreed, 103 + 50 - 10 - 20 + agreed
        expected = {("alice@aba", "KHR"): alice, ("bob@wing", "KHR"): bob}
        expected |= {("alice@aba", "USD"): 2, ("bob@wing", "USD"): 0}
        self.assertEqual(ledger.balances, expected)
        self.assertEqual({held for held in ledger.held.values()}, {0})
        self.assertEqual(ledger.supply, {"KHR": 1030, "USD": 2})

    def test_the_replay_knows_limits(self):
        limits = [{"asset": "KHR", "tier": "basic", "daily_minor": 100, "hourly": 3}]
        ledger = replay.Ledger(GENESIS | {"parameters": {"day_offset_ms": 0, "limits": limits}})
        hold = transfer(60, "h") | {"does": "place_hold", "expires_ms": 20}
        window = (0, 1 << 60)
        run = lambda number, operation, time_ms: ledger.execute(number, window, False, [operation], [1, 0], time_ms)
        self.assertEqual(run(1, hold, 10)[0], "applied")
        self.assertEqual(run(2, transfer(41), 10)[1], ["LIMIT_EXCEEDED", 0])
        self.assertEqual(len(ledger.end(20)), 1)
        self.assertEqual(run(3, transfer(99), 20)[0], "applied", "what went back was not spent")
        self.assertEqual(run(4, transfer(1), 20)[0], "applied")
        self.assertEqual(run(5, transfer(1), replay.HOUR_MS)[1], ["LIMIT_EXCEEDED", 0])
        self.assertEqual([run(number, transfer(1), replay.DAY_MS)[0] for number in (6, 7, 8)], ["applied"] * 3)
        self.assertEqual(run(9, transfer(1), replay.DAY_MS)[1], ["VELOCITY_EXCEEDED", 0])

    def test_every_way_to_spoil_it_is_found(self):
        for seed in range(10):
            self.assertEqual(list(doctored.overlooked(seed, good().evidence())), [])

    def test_an_expired_transaction_leaves_its_id_free(self):
        world = World()
        late = world.ledger.execute("id", (0, 10), False, [transfer(1)], [1, 0], 10)
        self.assertEqual(late, ("rejected", ["EXPIRED", None], []))
        self.assertEqual(world.ledger.execute("id", (0, 10), False, [transfer(1)], [1, 1], 9)[0], "applied")
        self.assertEqual(world.ledger.execute("id", (0, 10), False, [transfer(1)], [1, 2], 9)[0], "twice")

    def test_findings_of_a_kind_are_counted_beyond_the_first(self):
        findings = check.Findings()
        for number in range(7):
            findings.add("lost", str(number))
        self.assertEqual(list(findings.lines())[-1], "lost: … and 2 more like these")


class Plan(unittest.TestCase):
    NAMES = ["aba", "acleda", "wing", "canadia"]

    def test_a_plan_has_exactly_its_kills_and_every_kind(self):
        for seed in range(200):
            for kills in (1, 3, 9, 10, 57):
                rounds = strikes.plan(seed, kills, self.NAMES)
                self.assertEqual(sum(round_.kills() for round_ in rounds), kills)
                if kills >= 9:
                    self.assertEqual({round_.kind for round_ in rounds}, set(strikes.WEIGHTS))

    def test_the_same_seed_draws_the_same_plan(self):
        self.assertEqual(strikes.plan(7, 50, self.NAMES), strikes.plan(7, 50, self.NAMES))
        self.assertNotEqual(strikes.plan(7, 50, self.NAMES), strikes.plan(8, 50, self.NAMES))


if __name__ == "__main__":
    unittest.main(verbosity=2)
