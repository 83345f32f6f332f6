"""Ways in which a node could say something wrong, each done to what it said: the comparison must find every one. A
comparison that cannot fail shows nothing.

Must not know: the rules."""
import copy

import compare
import standing
from replay import Ledger as Replay

# Blocks, from the first on, that are kept to be spoilt.
KEPT = 200


def balance(random, block):
    """An account has one unit more than it should."""
    entry = random.choice(balances(block))
    entry[random.choice([2, 3])] += 1


def balances(block):
    results = [result for receipt in block["receipts"] for result in receipt["results"]]
    return [entry for result in results if result[0] in ("applied", "ended", "decided") for entry in result[-1]]


def payee(random, block):
    """The money went elsewhere."""
    random.choice(balances(block))[0] = "mallory@aba"


def code(random, block):
    """A transaction was refused for another reason."""
    random.choice(rejected(block))["rejection"][:2] = ["QUORUM_LOST", 68]


def rejected(block):
    return [receipt for receipt in block["receipts"] if receipt["rejection"]]


def accepted(random, block):
    """A transaction took effect that was to be refused."""
    receipt = random.choice(rejected(block))
    receipt |= {"outcome": "applied", "rejection": None, "results": [["applied", []]]}


def refused(random, block):
    """A transaction was refused that was to take effect."""
    receipt = random.choice(applied(block))
    receipt |= {"outcome": "rejected", "rejection": ["INSUFFICIENT_FUNDS", 190, 0], "results": []}


def applied(block):
    return [receipt for receipt in block["receipts"] if receipt["outcome"] == "applied"]


def paid_again(random, block):
    """A dynamic code was paid a second time."""
    receipt = random.choice(paid_before(block))
    receipt |= {"outcome": "applied", "rejection": None, "results": [["applied", []]]}


def paid_before(block):
    return [receipt for receipt in rejected(block) if receipt["rejection"][0] == "KHQR_PAID"]


def ending(random, block):
    """Something did not end that should have."""
    random.choice(own(block))["results"].pop()


def own(block):
    return [receipt for receipt in block["receipts"] if any(result[0] == "ended" for result in receipt["results"])]


def order(random, block):
    """Two transactions were executed the other way round."""
    places = [place for place, entry in enumerate(block["transactions"]) if entry]
    one, other = random.sample(places, 2)
    block["transactions"][one], block["transactions"][other] = block["transactions"][other], block["transactions"][one]


def lost(random, block):
    """A receipt is missing."""
    block["receipts"].pop(random.randrange(len(block["receipts"])))


# With what a block must have to be spoilt so.
WAYS = {
    balance: balances, payee: balances, code: rejected, accepted: rejected, refused: applied, paid_again: paid_before,
    ending: own, order: lambda block: sum(map(bool, block["transactions"])) > 1, lost: lambda block: block["receipts"],
}


def overlooked(random, genesis, chain, blocks):
    """The ways that were not found, as lines."""
    for spoil, fits in WAYS.items():
        candidates = [place for place, block in enumerate(blocks) if fits(block)]
        if not candidates:
            yield f"{spoil.__name__}: no block to do it to"
            continue
        place = random.choice(candidates)
        spoilt = copy.deepcopy(blocks[place])
        spoil(random, spoilt)
        if not any(differs(genesis, chain, [*blocks[:place], spoilt])):
            yield f"{spoil.__name__}: not found in block {spoilt['height']}"


def differs(genesis, chain, blocks):
    replay = Replay(genesis, chain)
    for block in blocks:
        signed = [entry for entry in block["transactions"] if entry]
        yield from compare.block(block, replay.block(block["height"], block["time_ms"], signed))


class Liar:
    """A node whose answers to one method are changed by `lie`."""

    def __init__(self, node, method, lie):
        self.node, self.method, self.lie = node, method, lie

    def __getattr__(self, name):
        return getattr(self.node, name)

    def start(self, method, **fields):
        call = self.node.start(method, **fields)
        return Changed(call, self.lie) if method == self.method else call

    def call(self, method, **fields):
        return self.start(method, **fields).result()


class Changed:
    """A call whose answer is changed."""

    def __init__(self, call, lie):
        self.call, self.lie = call, lie

    def result(self):
        answer = self.call.result()
        self.lie(answer)
        return answer


def add_money(answer):
    for entry in answer.account.balances:
        entry.available_minor ^= 1


def add_held(answer):
    for entry in answer.account.balances:
        entry.held_minor ^= 1


def add_supply(answer):
    for entry in answer.supply:
        entry.amount_minor = str(int(entry.amount_minor) + 1)


def raise_limits(answer):
    for entry in answer.limits:
        entry.hourly += 1


def add_agreed(answer):
    answer.agreement.amount_minor ^= 1


def other_key(answer):
    answer.participant.encryption_key = bytes(32)


def other_code(answer):
    answer.payment.khqr.payload += "0"


def one_less(answer):
    del answer.payments[-1:]


def other_name(answer):
    answer.display_name += "x"


def approved(answer):
    for entry in answer.proposals:
        entry.approvals.append(bytes(32))


LIES = {
    add_money: "GetAccount", add_held: "GetAccount", add_supply: "GetStatus", add_agreed: "GetAgreement",
    other_key: "GetParticipant", other_code: "GetKhqrPayment", one_less: "ListKhqrPayments",
    raise_limits: "GetLimits", other_name: "ResolveAlias", approved: "ListProposals",
}


def believed(nodes, replay, root):
    """The lies about what stands at the end that were not found, as lines."""
    for lie, method in LIES.items():
        liars = [Liar(node, method, lie) for node in nodes]
        if not any(standing.differences(liars, replay, [], root)):
            yield f"{lie.__name__}: not found"
