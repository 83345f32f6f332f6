"""What is done to the validators of a run: rounds of kills, drawn from a seed, and carried out.

The draw is the same for the same seed and number of kills. What the nodes are doing at that moment is not: they are
real processes, and the load's answers, which most moments are counted in, come when they come."""
import statistics
import time
from dataclasses import dataclass
from random import Random

import grpc

# Kinds of rounds: how many die in one, and how often it is drawn.
WEIGHTS = {"one": 9, "two": 4, "starting": 5, "all": 2}
# How long a condition may take on a machine that has much else to do, in seconds.
PATIENCE_S = 180


class Stuck(Exception):
    """A condition that must come did not come in time."""


@dataclass
class Round:
    """One round. `after` transactions become final, then `victims` die at once (`starting`: the one victim dies again
    in each of its next starts, after that share of a usual start's time); `without` more become final, or `outage`
    seconds pass when there is no quorum; then they start in the order of `starts`, and where `settled` the round lasts
    until all have caught up."""
    kind: str
    victims: list
    starts: list
    after: int
    without: int
    outage: float
    again: list
    settled: bool

    def kills(self):
        return len(self.victims) + len(self.again)


def plan(seed, kills, names):
    """Rounds with `kills` kills in all; every kind, from nine kills on."""
    random, rounds, left = Random(f"{seed} strikes"), [], kills
    due = list(WEIGHTS)
    random.shuffle(due)
    while left:
        kind = due.pop() if due else random.choices(list(WEIGHTS), WEIGHTS.values())[0]
        count = {"one": 1, "starting": 1, "two": 2, "all": len(names)}[kind]
        again = [random.uniform(0, 1.3) for _ in range(random.choice([1, 1, 2]))] if kind == "starting" else []
        # What is drawn late may not fit any more, nor take the place of a kind that is still due.
        reserve = sum({"one": 1, "starting": 2, "two": 2, "all": len(names)}[other] for other in due)
        while again and count + len(again) + reserve > left:
            again.pop()
        if kind == "starting" and not again or count > left:
            kind, count, again = "one", 1, []
        victims = random.sample(names, count)
        starts = random.sample(victims, count)
        without = random.choice([0, random.randint(1, 40)])
        outage = random.uniform(0, 2)
        rounds.append(
            Round(kind, victims, starts, random.randint(0, 60), without, outage, again, random.random() < 0.75)
        )
        left -= rounds[-1].kills()
    return rounds


class Strikes:
    """Carries rounds out. `nodes` are the clients of the validators, by name."""

    def __init__(self, devnet, nodes, load, journal, reconnect):
        self.devnet, self.nodes, self.load, self.journal, self.reconnect = devnet, nodes, load, journal, reconnect
        self.kills, self.number, self.all_ran = 0, 0, True
        # Seconds that the last starts took until the node answered, and when the starts under way began.
        self.took, self.began = [1.0], {}

    def carry_out(self, round_):
        self.number += 1
        self.await_finals(round_.after)
        self.kill(round_.victims, "one" if round_.kind == "starting" else round_.kind)
        for share in round_.again:
            self.devnet.restart(round_.victims[0])
            # The moment itself is what is drawn here: it may fall into any part of the start.
            time.sleep(share * statistics.median(self.took))
            self.kill(round_.victims, "starting")
        quorum = len(self.nodes) - (len(self.nodes) - 1) // 3
        if len(self.nodes) - len(round_.victims) >= quorum and self.all_ran:
            self.await_finals(round_.without)
        else:
            # Nothing can be waited for: an outage of this length is what is drawn.
            time.sleep(round_.outage)
        for name in round_.starts:
            self.restart(name)
        self.all_ran = round_.settled
        if round_.settled:
            self.settle()

    def await_finals(self, count):
        """Waits for that many more final transactions, which need a quorum."""
        if count and not self.load.await_finals(count, PATIENCE_S):
            why = f"the load failed: {self.load.failure!r}" if self.load.failure else "no finality"
            raise Stuck(f"{count} more transactions did not become final in {PATIENCE_S} s: {why}")

    def kill(self, names, kind):
        self.journal.write("kill", nodes=names, kind=kind, round=self.number)
        self.devnet.kill(names)
        self.kills += len(names)

    def restart(self, name):
        self.journal.write("restart", nodes=[name], round=self.number)
        self.devnet.restart(name)
        self.reconnect(name)
        self.began[name] = time.monotonic()

    def settle(self):
        """Waits until every validator has the highest block that any had, and then one more."""
        highest = 0
        for name, node in self.nodes.items():
            highest = max(highest, self.answered(name, lambda: node.status(PATIENCE_S).latest_height))
            if name in self.began:
                self.took = (self.took + [time.monotonic() - self.began.pop(name)])[-15:]
        for name, node in self.nodes.items():
            self.answered(name, lambda: node.await_height(highest + 1, PATIENCE_S))

    def answered(self, name, ask):
        try:
            return ask()
        except grpc.RpcError as error:
            state = self.devnet.states()[name]
            raise Stuck(f"{name} ({state}) does not answer or catch up: {error.code().name}") from error
