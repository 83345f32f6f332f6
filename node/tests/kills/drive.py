"""Kills validators of a real devnet by SIGKILL while clients pay, then has the checker look at every node.

usage: run.sh [--kills N] [--seed S] [--tonle PROGRAM] [--dir FOLDER] [--doctor]

Ends with status 0 and a summary, or with status 1, what was found, and where everything lies. The same seed draws the
same kills and payments; when they happen is up to real processes."""
import argparse
import glob
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

import check
import doctored
import grpc
import journal
import node as api
import record
import strikes
from devnet import Devnet, Failed
from load import Load
from pay import Ledger

# Clients that pay at the same time, each one transaction after the other.
WORKERS = 16
# Heights of an epoch: the seed draws one, so that some runs go through many epochs.
EPOCHS = [20, 100, 3600]
# How long the checker may wait for a node, in seconds.
PATIENCE_S = 180
# Accounts that nobody touched, of which the balances are compared too.
UNTOUCHED = 40


class Progress:
    """A bar on a terminal, plain lines elsewhere."""

    def __init__(self, total):
        self.total, self.told, self.terminal = total, 0, sys.stdout.isatty()

    def show(self, kills, finals, last=False):
        text = f"{kills}/{self.total} kills, {finals:,} transactions final"
        if self.terminal:
            filled = 30 * kills // max(self.total, 1)
            print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {text}", end="\n" if last else "", flush=True)
        elif last or kills - self.told >= max(self.total // 10, 1):
            self.told = kills
            print(text, flush=True)


class Run:
    """One run: the devnet in `folder`/net, the journal beside it."""

    def __init__(self, tonle, folder, kills, seed):
        self.folder, self.kills, self.seed = folder, kills, seed
        self.devnet = Devnet(tonle, os.path.join(folder, "net"))
        self.journal = journal.Journal(os.path.join(folder, "journal.jsonl"))

    def go(self):
        """Runs load and kills, and reads every node: the records, the chain's digest, the genesis."""
        epoch = random.Random(f"{self.seed} epoch").choice(EPOCHS)
        self.devnet.up("--seed", str(self.seed), "--epoch-length", str(epoch))
        print(f"epochs of {epoch} heights", flush=True)
        validators = self.devnet.validators()
        genesis = json.load(open(os.path.join(self.devnet.folder, "genesis.json")))
        self.ledger = Ledger(validators[next(iter(validators))]["grpc"])
        describe_all(self.ledger)
        nodes = {name: api.Node(name, validator["grpc"], self.ledger) for name, validator in validators.items()}
        secrets = {participant["id"]: self.secret(participant["id"]) for participant in genesis["participants"]}
        chosen = list(nodes.values())
        load = Load(self.ledger, chosen, genesis, secrets, self.journal, self.seed, WORKERS)

        def reconnect(name):
            address = self.devnet.validators()[name]["grpc"]
            if address != nodes[name].address:
                nodes[name].move(address)

        striker = strikes.Strikes(self.devnet, nodes, load, self.journal, reconnect)
        progress = Progress(self.kills)
        load.start()
        try:
            for round_ in strikes.plan(self.seed, self.kills, list(nodes)):
                striker.carry_out(round_)
                progress.show(striker.kills, load.finals)
            striker.settle()
            settled = load.stop(PATIENCE_S)
            if load.failure:
                raise load.failure
            if not settled:
                raise strikes.Stuck(f"what clients had begun was not final {PATIENCE_S} s after the last kill")
        except BaseException:
            self.describe(nodes)
            load.stop(0)
            raise
        progress.show(striker.kills, load.finals, last=True)
        return self.read(nodes, load, genesis), load.chain, genesis

    def describe(self, nodes):
        """Writes down how the nodes stand, for whoever looks at a run that did not go on."""
        with open(os.path.join(self.folder, "standing.txt"), "w") as file:
            try:
                states = self.devnet.states()
            except (Failed, OSError) as failure:
                states = {name: f"unknown ({failure})" for name in nodes}
            for name, state in states.items():
                try:
                    status = nodes[name].status(2, ready=False)
                except grpc.RpcError as error:
                    status = error.code().name
                file.write(f"{name}: process {state}\n{status}\n")

    def secret(self, participant):
        text = open(os.path.join(self.devnet.folder, "keys", participant + ".key")).read()
        return bytes.fromhex(text.split("secret ")[1])

    def read(self, nodes, load, genesis):
        """Waits until nothing that was submitted can become final any more and all nodes have the same height, then
        reads them all; again when something ended by itself after that height, before an account was answered."""
        submitted = [sent.not_after_ms for sent in journal.read(self.journal.path)[0].values() if sent.kind == "submit"]
        names, height = list(nodes), 0
        for piece in nodes[names[0]].watch(0, PATIENCE_S, receipts=False):
            height = piece.block.height
            if piece.block.time_ms > max(submitted, default=0):
                break
        untouched = [account["id"] for account in genesis["accounts"] if account["id"] not in load.everyone]
        accounts = load.everyone + random.Random(self.seed).sample(untouched, UNTOUCHED) + ["reserve@nbc"]
        while True:
            for node in nodes.values():
                node.await_height(height, PATIENCE_S)
            # The nodes take turns to prove that a height is final; that they have the same blocks is compared anyway.
            turns = {name: range(1 + turn, height + 1, len(names)) for turn, name in enumerate(names)}
            records = [record.fetch(node, height, accounts, turns[node.name], PATIENCE_S) for node in nodes.values()]
            answered = max(one.answered for one in records)
            if not something_happened(nodes[names[0]], height, answered):
                return records
            height = answered

    def parse(self, body):
        """A signed body, for the checker."""
        message = type(self.ledger.message("TransactionBody")).FromString(body)
        operations = [api.operation(operation) for operation in message.operations]
        return (message.not_before_ms, message.not_after_ms), message.independent, operations

    def died(self):
        """Validators that ended otherwise than by a kill, as the supervisor and their own logs tell."""
        log = glob.glob(os.path.join(self.devnet.folder, "supervisor.log"))
        lines = [line for path in log for line in open(path).read().splitlines()]
        found = [line for line in lines if "ended by itself" in line and "SIGKILL" not in line]
        for path in sorted(glob.glob(os.path.join(self.devnet.folder, "nodes", "*", "node.log"))):
            lines = open(path, errors="replace")
            found += [f"{path}: {line.strip()}" for line in lines if "panicked at" in line]
        return found


def something_happened(node, above, last):
    """Has a block above one height, up to another, a receipt?"""
    if last <= above:
        return False
    stream = node.watch(above + 1, PATIENCE_S, receipts=False)
    for piece in stream:
        if piece.block.transactions or piece.block.height >= last:
            break
    stream.cancel()
    return piece.block.transactions > 0


def describe_all(ledger):
    """Fetches every description while all nodes are there to answer."""
    for name in ("TransactionBody", "GetStatusRequest", "SubmitAndWaitRequest"):
        ledger.message(name)


def gaps(transactions, events):
    """The longest time between two final transactions, in seconds, by the kind of the last kill before its end."""
    settled = ("final", "duplicate", "rejected")
    answers = [answer for sent in transactions.values() for answer in sent.answers]
    told = [(answer["t"], None) for answer in answers if answer["outcome"] in settled]
    kills = [(event["t"], event["kind"]) for event in events if event["event"] == "kill"]
    longest, kind, last = {}, "none", None
    for at, killed in sorted(told + kills, key=lambda entry: entry[0]):
        if killed:
            kind = killed
            continue
        longest[kind] = max(longest.get(kind, 0), at - (at if last is None else last))
        last = at
    return {kind: milliseconds / 1000 for kind, milliseconds in longest.items() if milliseconds}


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--tonle", default="tonle")
    parser.add_argument("--dir", default=None)
    parser.add_argument("--doctor", action="store_true", help="then spoil the record in every way: each must be found")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = options.dir or tempfile.mkdtemp(prefix="tonle-kills-")
    os.makedirs(folder, exist_ok=True)
    print(f"kills: seed {seed}, {options.kills} kills", flush=True)
    began, run, findings = time.monotonic(), Run(options.tonle, folder, options.kills, seed), []
    try:
        records, chain, genesis = run.go()
        transactions, events = journal.read(run.journal.path)
        evidence = genesis, chain, transactions, records, run.parse
        found, figures = check.check(*evidence)
        findings = [f"process: {line}" for line in run.died()] + list(found.lines())
        if options.doctor and not findings:
            findings = [f"checker: {line}" for line in doctored.overlooked(seed, evidence)]
        summary(seed, events, figures, gaps(transactions, events), time.monotonic() - began)
    except (Failed, strikes.Stuck) as failure:
        findings = [f"run: {failure}"] + [f"process: {line}" for line in run.died()]
    except Exception as failure:
        # Whatever it is, what the nodes left must be kept and found.
        traceback.print_exc()
        findings = [f"run: {failure!r}"] + [f"process: {line}" for line in run.died()]
    finally:
        run.devnet.down()
    for line in findings:
        print(f"FOUND  {line}")
    if findings:
        print(f"kept: {folder}/journal.jsonl (what clients were told), {folder}/net/nodes/*/node.log and data/,")
        print(f"      {folder}/standing.txt (how the nodes stood, when they were stuck)")
        print(f"look: tonle devnet up --dir {folder}/net     again: run.sh --kills {options.kills} --seed {seed}")
        sys.exit(1)
    if not options.dir:
        shutil.rmtree(folder)
    print("no acknowledged transfer lost, supply conserved at every height on every node")


def summary(seed, events, figures, longest, took):
    """Prints what was done, and what came of it."""
    kills = {}
    for event in (event for event in events if event["event"] == "kill"):
        kills[event["kind"]] = kills.get(event["kind"], 0) + len(event["nodes"])
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kills.items()))
    print(f"seed {seed}: {sum(kills.values())} kills ({told}) in {took:.0f} s")
    for name, value in figures.items():
        print(f"  {value:>9,}  {name}")
    each = ", ".join(f"{seconds:.1f} after {kind}" for kind, seconds in sorted(longest.items()))
    print(f"  {max(longest.values(), default=0):>9.1f}  s, the longest time without a final transaction ({each})")


if __name__ == "__main__":
    main()
