"""Random transactions on a real devnet, and a second ledger that must agree with every receipt and balance.

usage: run.sh [--seconds S] [--seed N] [--codes N] [--doctor] [--tonle PROGRAM] [--dir FOLDER]

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
from chance import Chance
from client import Maker
from codes import NUMBERS
from devnet import Devnet
from keyring import Keyring
from node import reason
from pay import Ledger
from replay import Ledger as Replay

# Transactions that are on their way at once.
ROUND = 60
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

    def go(self, seconds):
        self.step()
        # From here on it takes two keys of the operator to issue, to seize and to govern.
        first = [invent_governance.operators_keys(self.chance, name) for name in self.operators()]
        self.send([self.maker.of(first)])
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.send([self.maker.transaction() for _ in range(ROUND)])
        # What ends soon has ended when the block time says so.
        soonest, heights = self.chance.soonest, [it.effect_height for it in self.replay.state.proposals.values()]
        while self.chance.time_ms < soonest or self.replay.height < max(heights, default=0):
            self.step()
        self.agree(standing.differences(self.nodes, self.replay, self.ended, self.root))

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
        while self.pending:
            self.step()

    def submit(self, made):
        """To a random node each, some to two; a node that refuses one says why."""
        calls = []
        for transaction in made:
            nodes = self.random.sample(self.nodes, 2 if self.random.random() < 0.03 else 1)
            calls += [(transaction, node, node.start("Submit", transaction=transaction.signed)) for node in nodes]
        for transaction, node, call in calls:
            try:
                call.result()
                told = None
            except grpc.RpcError as error:
                told, _ = reason(error)
            if told is None and transaction.refused is None:
                self.pending.add(transaction.identity)
            elif told != transaction.refused and not (transaction.late and told == "EXPIRED"):
                said = f"node {node.name} answers {told}, the second ledger {transaction.refused}"
                raise Differs(f"a submitted transaction {transaction.identity[:16]}: {said}")
            if told:
                self.counts.codes[told] += 1

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
        self.pending -= {identity for identity, _, _ in signed}

    def agree(self, differences):
        lines = list(differences)
        if lines:
            more = [f"… and {len(lines) - LINES_MOST} more"] if len(lines) > LINES_MOST else []
            raise Differs("\n".join(lines[:LINES_MOST] + more))


class Counts:
    """What was seen: results by operation, and reasons."""

    def __init__(self):
        self.blocks = self.transactions = 0
        self.succeeded, self.tried, self.codes = (collections.Counter() for _ in range(3))
        self.own = collections.Counter()

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
                self.succeeded[body["operations"][number]["does"]] += 1
        for operation in body["operations"] if body else ():
            self.tried[operation["does"]] += 1

    def show(self):
        print(f"{self.blocks:,} blocks, {self.transactions:,} transactions, {sum(self.tried.values()):,} operations")
        for does in sorted(authority.RULES):
            print(f"  {self.succeeded[does]:>7,} of {self.tried[does]:>7,}  {does}")
        print("by themselves: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.own.items())))
        print(f"{len(self.codes)} of {len(NUMBERS)} codes:")
        for code in sorted(self.codes, key=lambda code: NUMBERS.get(code, 0)):
            print(f"  {self.codes[code]:>7,}  {NUMBERS.get(code, 0):>3} {code}")
        print("never: " + ", ".join(sorted(NUMBERS.keys() - self.codes.keys(), key=NUMBERS.__getitem__)))

    def missing(self, codes):
        """What a run of this length must have shown, and did not."""
        for does in sorted(authority.RULES.keys() - self.succeeded.keys()):
            yield f"{does} never succeeded"
        for kind in sorted({"ended", "decided", "lapsed"} - self.own.keys()):
            yield f"nothing {kind} by itself"
        if len(self.codes) < codes:
            yield f"{len(self.codes)} codes were seen, fewer than {codes}"


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--tonle", default="tonle")
    parser.add_argument("--dir", default=None)
    parser.add_argument("--codes", type=int, default=0, help="fewer codes than this are a failure")
    parser.add_argument("--doctor", action="store_true", help="then spoil what was said in every way: each must be found")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = options.dir or tempfile.mkdtemp(prefix="tonle-second-")
    devnet = Devnet(options.tonle, os.path.join(folder, "net"))
    print(f"second ledger: seed {seed}", flush=True)
    found = []
    devnet.up("--seed", str(seed), "--epoch-length", str(EPOCH_LENGTH))
    try:
        run = Run(devnet, seed)
        try:
            run.go(options.seconds)
            found = list(run.counts.missing(options.codes))
            found += [f"the comparison: {line}" for line in run.doctor()] if options.doctor else []
        except Differs as differs:
            found = str(differs).splitlines()
        run.counts.show()
    finally:
        devnet.down()
    for line in found:
        print(f"FOUND  {line}")
    if found:
        print(f"kept: {folder}     again: run.sh --seconds {options.seconds:g} --seed {seed}")
        sys.exit(1)
    if not options.dir:
        shutil.rmtree(folder)
    print("the second ledger agrees on every receipt, balance and rejection")


if __name__ == "__main__":
    main()
