"""Random transactions on a real devnet, and a second ledger that must agree with every receipt and balance.

usage: run.sh [--transactions N] [--seed N] [--codes N] [--doctor] [--tonle PROGRAM] [--dir FOLDER]

Ends with status 0 and counts, or with status 1 and what differs. The same seed draws the same operations from the same
ledger; which transactions come into which block is up to real processes."""
import argparse
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import time

import authority
import chain
import compare
import doctor
import grpc
import invent_governance
import standing
import vectors
import wire
from chance import Chance
from client import Maker
from codes import NUMBERS
from devnet import Devnet
from flood import AFTER_MS, BEFORE_MS, BEGIN, Flood
from keyring import Keyring
from node import reason
from pay import Ledger
from replay import Ledger as Replay

# Transactions that are on their way at once.
ROUND = 60
# Operations that the second ledger does not have yet, and that are not drawn. Whatever else is new fails the run.
ABSENT = set()
# Rounds that may follow, in which what never succeeded is drawn each time.
MORE_ROUNDS = 40
# Block time after which what nodes accepted must be final, in milliseconds.
FINAL_MS = 180_000
# No epoch ends during a run: changed validators are judged against each other, and never begin.
EPOCH_LENGTH = 1_000_000
# Lines of a difference that are printed.
LINES_MOST = 20


class Differs(Exception):
    """The node and the second ledger do not say the same: the lines of the difference."""


class Run:
    """One run on a devnet that is up."""

    def __init__(self, devnet, seed):
        self.random = random.Random(seed)
        self.genesis = genesis = json.load(open(os.path.join(devnet.folder, "genesis.json")))
        addresses = {name: entry["grpc"] for name, entry in devnet.validators().items()}
        ledger = Ledger(next(iter(addresses.values())))
        self.nodes = [chain.Node(name, address, ledger) for name, address in addresses.items()]
        self.replay = Replay(genesis, self.nodes[0].call("GetStatus").chain_digest)
        self.chance = Chance(self.random, self.replay, Keyring(devnet.folder, self.random))
        self.maker = Maker(ledger, self.chance)
        self.watch = self.nodes[0].watch(1)
        self.pending, self.counts, self.ended, self.blocks = set(), Counts(), [], []
        # What was sent in the round before; the receipts of all that is final, by id.
        self.sent, self.receipts = [], {}
        # Identities of the codes for which several paid at once.
        self.raced = set()

    def go(self, transactions):
        self.step()
        # From here on it takes two keys of the operator to issue, to seize and to govern.
        first = [invent_governance.operators_keys(self.chance, name) for name in self.operators()]
        self.send([self.maker.of(first)])
        for _ in range(0, transactions, ROUND):
            made = [self.maker.transaction() for _ in range(ROUND)]
            made += self.race()
            self.random.shuffle(made)
            # One that is final once more, the same bytes: it is answered with its receipt, and does nothing.
            again = self.random.choice(self.sent) if self.sent else made[0]
            self.sent = made
            self.send([*made, again])
        for _ in range(MORE_ROUNDS):
            never = set(self.counts.never())
            if not never:
                break
            self.send(self.maker.kinds(never) + [self.maker.transaction() for _ in range(ROUND)])
        self.flood()
        while self.ending():
            self.step()
        self.agree(standing.differences(self.nodes, self.replay, self.ended, self.root))

    def race(self):
        """Transactions of several that pay by one dynamic code."""
        code, made = self.maker.race()
        self.raced |= {code} - {None}
        return made

    def ending(self):
        """Does anything end soon, by block time or by height?"""
        state, soonest = self.replay.state, self.chance.soonest
        agreed = any(entry.ends_ms <= soonest for entry in state.timed.values())
        proposed = any(entry.expires_ms <= soonest or entry.effect_height for entry in state.proposals.values())
        return agreed or proposed

    def flood(self):
        """More ends at once than a block ends, while all of it is asked for."""
        flood = Flood(self.chance)
        self.send([self.maker.of(flood.limits())])
        self.send([self.maker.of(operations, operations[:1], True) for operations in flood.begin()])
        asked = [self.maker.of(operations, operations[: len(BEGIN)], True) for operations in flood.asked()]
        calls = []
        # Not waited for, so that each block has some: also the one in which not all that is due ends.
        while (now := self.nodes[0].call("GetStatus").latest_time_ms) < flood.ends_ms + AFTER_MS:
            if now > flood.ends_ms - BEFORE_MS and asked:
                calls += self.start(asked.pop())
        self.told(calls)
        self.send([])

    def doctor(self):
        """The ways to spoil what the nodes said that are not found."""
        yield from doctor.overlooked(self.random, self.genesis, self.replay.chain, self.blocks)
        yield from doctor.believed(self.nodes, self.replay, self.root)

    def operators(self):
        participants = self.replay.state.participants
        return [name for name, participant in participants.items() if participant.role == "operator"]

    def send(self, made):
        """Submits transactions, and goes on until all are final."""
        self.submit(made)
        began = self.chance.time_ms
        while self.pending:
            self.step()
            if self.chance.time_ms > began + FINAL_MS:
                raise Differs(f"accepted, and not final {FINAL_MS} ms later: {', '.join(sorted(self.pending))}")

    def submit(self, made):
        """To a random node each, some to two; a node that refuses one says why."""
        self.told([call for transaction in made for call in self.start(transaction)])

    def start(self, transaction):
        """Begins to submit it."""
        nodes = self.random.sample(self.nodes, 2 if self.random.random() < 0.03 else 1)
        return [(transaction, node, node.start("Submit", transaction=transaction.signed)) for node in nodes]

    def told(self, calls):
        """What the nodes say to it must be what was foreseen."""
        for transaction, node, call in calls:
            try:
                answer, told = call.result(), None
            except grpc.RpcError as error:
                told, _ = reason(error)
            if told is None and answer.HasField("receipt"):
                self.agree(compare.standing(*self.known(answer.receipt)))
            elif told is None and transaction.refused is None:
                # One that has its receipt by now has it here sooner than at the node that took it once more.
                self.pending |= {transaction.identity} - self.receipts.keys()
            elif told != transaction.refused and not (transaction.late and told == "EXPIRED"):
                said = f"node {node.name} answers {told}, the second ledger {transaction.refused}"
                asked = self.nodes[0].ledger.message("TransactionBody")
                asked.ParseFromString(transaction.signed.body)
                raise Differs(f"a submitted transaction: {said}\nit asked: {wire.transaction(asked)}"[:10_000])
            if told:
                self.counts.codes[told] += 1

    def known(self, message):
        """A receipt that answered what was final before, and what the second ledger said of it."""
        receipt = wire.receipt(message)
        self.counts.answered += 1
        while self.replay.height < receipt["height"]:
            self.step()
        return f"receipt of {receipt['id'][:16]}", receipt, self.receipts.get(receipt["id"])

    def step(self):
        """The next block, on both ledgers."""
        block = self.nodes[0].block(*next(self.watch))
        self.chance.time_ms, self.root = block["time_ms"], block["state_root"]
        signed = [entry for entry in block["transactions"] if entry]
        twice = [identity for identity, _, _ in signed if identity in self.replay.state.ids]
        if twice:
            raise Differs(f"block {block['height']}: transaction {twice[0]} was executed before")
        before = dict(self.replay.state.timed)
        due = self.replay.block(block["height"], block["time_ms"], signed)
        self.agree(compare.block(block, due))
        if len(self.blocks) < doctor.KEPT:
            self.blocks.append(block)
        self.ended += [entry for key, entry in before.items() if key not in self.replay.state.timed]
        self.counts.block(due, signed)
        self.receipts |= {receipt["id"]: receipt for receipt in due}
        self.pending -= {identity for identity, _, _ in signed}

    def agree(self, differences):
        lines = list(differences)
        if lines:
            more = [f"… and {len(lines) - LINES_MOST} more"] if len(lines) > LINES_MOST else []
            raise Differs("\n".join(lines[:LINES_MOST] + more))


class Counts:
    """What was seen: results by operation, and reasons."""

    def __init__(self):
        self.blocks = self.transactions = self.answered = 0
        self.succeeded, self.tried, self.codes = (collections.Counter() for _ in range(3))
        self.own, self.returned = collections.Counter(), collections.Counter()

    def block(self, receipts, signed):
        self.blocks += 1
        self.transactions += len(signed)
        bodies = {identity: body for identity, body, _ in signed}
        for receipt in receipts:
            self.receipt(receipt, bodies.get(receipt["id"]))

    def receipt(self, receipt, body):
        if receipt["rejection"]:
            self.codes[receipt["rejection"][0]] += 1
        for number, result in enumerate(receipt["results"]):
            if result[0] in ("rejected", "lapsed"):
                self.codes[result[-1][0]] += 1
            if body is None:
                self.own[result[0]] += 1
            elif result[0] in ("applied", "pending"):
                operation = body["operations"][number]
                self.succeeded[operation["does"]] += 1
                self.returned[operation.get("original_kind")] += 1
        for operation in body["operations"] if body else ():
            self.tried[operation["does"]] += 1

    def show(self):
        print(f"{self.blocks:,} blocks, {self.transactions:,} transactions, {sum(self.tried.values()):,} operations")
        for does in sorted(authority.RULES.keys() - ABSENT):
            print(f"  {self.succeeded[does]:>7,} of {self.tried[does]:>7,}  {does}")
        kinds = sorted(self.returned.keys() - {None})
        print("given back: " + ", ".join(f"{self.returned[kind]:,} {kind}" for kind in kinds))
        print(f"{self.answered:,} sent again and answered with the first receipt")
        print("not in the second ledger: " + (", ".join(sorted(ABSENT)) or "nothing"))
        print("by themselves: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.own.items())))
        print(f"{len(self.codes)} of {len(NUMBERS)} codes:")
        for code in sorted(self.codes, key=lambda code: NUMBERS.get(code, 0)):
            print(f"  {self.codes[code]:>7,}  {NUMBERS.get(code, 0):>3} {code}")
        print("never: " + ", ".join(sorted(NUMBERS.keys() - self.codes.keys(), key=NUMBERS.__getitem__)))

    def never(self):
        """Operations that never succeeded."""
        return sorted(authority.RULES.keys() - self.succeeded.keys() - ABSENT)

    def missing(self, codes):
        """What a run of this length must have shown, and did not."""
        yield from (f"{does} never succeeded" for does in self.never())
        for kind in sorted({"ended", "decided", "lapsed"} - self.own.keys()):
            yield f"nothing {kind} by itself"
        if not self.answered:
            yield "nothing was answered with its first receipt"
        if len(self.codes) < codes:
            yield f"{len(self.codes)} codes were seen, fewer than {codes}"


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--tonle", default="tonle")
    parser.add_argument("--dir", default=None)
    parser.add_argument("--codes", type=int, default=0, help="fewer codes than this are a failure")
    parser.add_argument("--doctor", action="store_true", help="then spoil what was said: each way must be found")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = options.dir or tempfile.mkdtemp(prefix="tonle-second-")
    devnet = Devnet(options.tonle, os.path.join(folder, "net"))
    print(f"second ledger: seed {seed}, {options.transactions} transactions", flush=True)
    read, found, began = list(vectors.differences()), [], time.monotonic()
    devnet.up("--seed", str(seed), "--epoch-length", str(EPOCH_LENGTH))
    try:
        run = Run(devnet, seed)
        try:
            run.go(options.transactions)
            found = list(run.counts.missing(options.codes))
            won = run.raced & run.replay.state.codes.keys()
            print(f"{len(run.raced)} dynamic codes were raced for, {len(won)} of them paid")
            found += [] if won else ["no code that was raced for was paid"]
            found += [f"the comparison: {line}" for line in run.doctor()] if options.doctor else []
        except (Differs, chain.Unacceptable) as differs:
            found = str(differs).splitlines()
        found = read + found
        run.counts.show()
        print(f"in {time.monotonic() - began:.0f} s")
    finally:
        devnet.down()
    for line in found:
        print(f"FOUND  {line}")
    if found:
        print(f"kept: {folder}     again: run.sh --transactions {options.transactions} --seed {seed}")
        sys.exit(1)
    if not options.dir:
        shutil.rmtree(folder)
    print("the second ledger agrees on every receipt, balance and rejection")


if __name__ == "__main__":
    main()
