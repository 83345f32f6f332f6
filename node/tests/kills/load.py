"""The load: banks that pay all the time, in the ways that clients do, and take every answer down.

Each worker draws instructions from its own seeded generator: single payments, files of several (all or nothing, or each
by itself), money issued and redeemed by the operator; holds that are captured, released or left to end; requests,
mandates, returns and exchanges. Some are sent to all nodes at once, some again after they were
final, some again under the same reference in a new transaction; some are only submitted, and nobody waits for them.
What was not answered is sent again, the same bytes, to another node, until it is final: what docs/api.md asks of a
client. Must not know: which nodes are dead."""
import threading
import time
from random import Random

import grpc

import node as api
from agreements import SIGNERS

# How long one call may wait for finality. Long enough for a network that lost its quorum for a moment.
PATIENCE_S = 4
# The window of what is waited for, and of what is only submitted, in milliseconds. The latter is short: the checker
# waits until it is over.
WINDOW_MS, WINDOW_SUBMITTED_MS = 900_000, 10_000
# Before the client's clock, since blocks have clocks of their own.
WINDOW_BEFORE_MS = 60_000
ACCOUNTS_PER_BANK = 25
ISSUER, RESERVE, ASSET, OTHER = "nbc", "reserve@nbc", "KHR", "USD"
# How long agreements live: some end while validators die and start.
LIFE_MS, SHORT_LIFE_MS = 600_000, (1_000, 15_000)
# The instructions that a worker draws from, with their weights.
KINDS = {"pay": 40, "pay_everywhere": 10, "pay_again": 10, "instruct_again": 8, "submit": 12, "file": 12, "mint": 8,
         "keep": 14, "ask": 8, "debit": 8, "give_back": 8, "exchange": 8}
# Reasons that settle a transaction for good without a receipt.
SETTLED = {"EXPIRED"}


class Load:
    """Runs the workers. `finals` counts the transactions that were answered as final, rejected ones included."""

    def __init__(self, ledger, nodes, genesis, secrets, journal, seed, workers):
        self.ledger, self.nodes, self.secrets, self.journal = ledger, nodes, secrets, journal
        self.chain = nodes[0].status().chain_digest
        banks = [validator["participant"] for validator in genesis["validators"]]
        names = sorted(account["id"] for account in genesis["accounts"] if account["id"].startswith("load-"))
        of = lambda bank: [name for name in names if name.endswith("@" + bank)][:ACCOUNTS_PER_BANK]
        self.accounts = {bank: of(bank) for bank in banks}
        self.everyone = [name for ours in self.accounts.values() for name in ours]
        self.finals, self.moved, self.failure = 0, threading.Condition(), None
        self.stopping, self.abandoned = threading.Event(), threading.Event()
        worker = lambda number: threading.Thread(target=self.work, args=[number, Random(f"{seed} load {number}")])
        self.workers = [worker(number) for number in range(workers)]

    def start(self):
        for worker in self.workers:
            worker.start()

    def stop(self, timeout):
        """Takes no new instructions; tells whether all that were begun are settled in time. Those that are not are
        abandoned."""
        self.stopping.set()
        deadline = time.monotonic() + timeout
        for worker in self.workers:
            worker.join(max(deadline - time.monotonic(), 0))
        settled = not any(worker.is_alive() for worker in self.workers)
        self.abandoned.set()
        for worker in self.workers:
            worker.join()
        return settled

    def await_finals(self, more, timeout):
        """Waits until `more` transactions have become final from now on; tells whether they did in time."""
        with self.moved:
            target = self.finals + more
            return self.moved.wait_for(lambda: self.failure or self.finals >= target, timeout) and not self.failure

    def work(self, number, random):
        counter = 0
        try:
            while not self.stopping.is_set():
                counter += 1
                kind = random.choices(list(KINDS), KINDS.values())[0]
                getattr(self, kind)(random, f"{number}-{counter}")
        except Exception as failure:  # whatever it is, the driver reports it
            with self.moved:
                self.failure = failure
                self.moved.notify_all()

    # ----- instructions

    def transfer(self, random, reference, bank=None):
        """A payment of up to a third of what an account began with: some are refused for lack of money."""
        payer = random.choice(self.accounts[bank] if bank else self.everyone)
        payee = random.choice([name for name in self.everyone if name != payer])
        amount = random.randint(1, 33_000_000)
        parties = {"does": "transfer", "from": payer, "to": payee}
        return parties | {"asset": ASSET, "amount": amount, "reference": reference}

    def pay(self, random, reference):
        self.settle(random, self.make("pay", [self.transfer(random, reference)]))

    def pay_everywhere(self, random, reference):
        """The same bytes to all nodes at once."""
        signed, identity = self.make("pay_everywhere", [self.transfer(random, reference)])
        calls = []
        for node in random.sample(self.nodes, len(self.nodes)):
            self.journal.write("sent", id=identity, node=node.name, method="SubmitAndWait")
            calls.append((node, node.start("SubmitAndWait", PATIENCE_S, transaction=signed)))
        outcomes = [self.answer(identity, node, call) for node, call in calls]
        if "settled" not in outcomes:
            self.settle(random, (signed, identity))

    def pay_again(self, random, reference):
        """The same bytes again after they were final, as a client does that lost the answer."""
        made = self.make("pay_again", [self.transfer(random, reference)])
        self.settle(random, made)
        self.settle(random, made)

    def instruct_again(self, random, reference):
        """The same instruction in a new transaction, once the first one is final."""
        transfer = self.transfer(random, reference)
        self.settle(random, self.make("instruct_again", [transfer]))
        self.settle(random, self.make("instruct_again", [transfer], nonce=b"again"))

    def submit(self, random, reference):
        """Submitted once, at one node, and left to itself."""
        signed, identity = self.make("submit", [self.transfer(random, reference)], WINDOW_SUBMITTED_MS)
        node = random.choice(self.nodes)
        self.journal.write("sent", id=identity, node=node.name, method="Submit")
        self.answer(identity, node, node.start("Submit", PATIENCE_S, transaction=signed))

    def file(self, random, reference):
        """Several payments of one bank in one transaction."""
        bank, independent = random.choice(list(self.accounts)), random.random() < 0.5
        transfers = [self.transfer(random, f"{reference}-{row}", bank) for row in range(random.randint(2, 6))]
        self.settle(random, self.make("file", transfers, independent=independent))

    def mint(self, random, reference):
        """The operator issues or redeems: the supply changes."""
        issue = random.random() < 0.5
        operation = {"does": "issue", "to": RESERVE} if issue else {"does": "redeem", "from": RESERVE}
        asset = ASSET
        if issue and random.random() < 0.5:
            # What exchanges are paid with.
            operation, asset = {"does": "issue", "to": random.choice(self.everyone)}, OTHER
        operation |= {"asset": asset, "amount": random.randint(1, 1_000_000), "reference": reference}
        self.settle(random, self.make("mint", [operation]))

    # ----- agreements: what begins one is settled before anybody takes it up

    def agree(self, random, operation):
        self.settle(random, self.make(operation["does"], [operation]))

    def end_ms(self, random):
        life = random.randint(*SHORT_LIFE_MS) if random.random() < 0.4 else LIFE_MS
        return int(time.time() * 1000) + life

    def keep(self, random, reference):
        """A hold: captured in parts, released, or left until it ends; now and then more is captured than is left."""
        hold = self.transfer(random, reference) | {"does": "place_hold", "expires_ms": self.end_ms(random)}
        self.agree(random, hold)
        parties = {name: hold[name] for name in ("from", "to")} | {"hold_ref": reference}
        for part in range(random.randint(0, 2)):
            money = {"asset": ASSET, "amount": random.randint(1, hold["amount"]), "last": random.random() < 0.4}
            own = {"reference": f"{reference}-{part}"}
            self.agree(random, {"does": "capture_hold"} | parties | money | own)
        if random.random() < 0.3:
            self.agree(random, {"does": "release_hold"} | parties)

    def ask(self, random, reference):
        """A request to be paid, and what the one who is asked says."""
        asked = self.transfer(random, reference) | {"does": "request_to_pay", "expires_ms": self.end_ms(random)}
        self.agree(random, asked)
        parties = {name: asked[name] for name in ("from", "to")} | {"request_ref": reference}
        says = random.choice(["accept_request", "accept_request", "decline_request", "cancel_request", None])
        if says == "accept_request":
            money = {"asset": ASSET, "amount": asked["amount"], "reference": reference + "-paid"}
            self.agree(random, {"does": says} | parties | money)
        elif says:
            self.agree(random, {"does": says} | parties)

    def debit(self, random, reference):
        """A mandate, collections under it until its cap is passed, and its end."""
        transfer = self.transfer(random, reference)
        parties = {name: transfer[name] for name in ("from", "to")}
        terms = {"asset": ASSET, "cap_minor": transfer["amount"], "period": random.randint(1, 3)}
        terms |= {"reference": reference, "expires_ms": self.end_ms(random)}
        self.agree(random, {"does": "grant_mandate"} | parties | terms)
        for part in range(random.randint(1, 3)):
            money = {"asset": ASSET, "amount": random.randint(1, transfer["amount"]), "mandate_ref": reference}
            self.agree(random, {"does": "collect"} | parties | money | {"reference": f"{reference}-{part}"})
        if random.random() < 0.5:
            self.agree(random, {"does": "revoke_mandate"} | parties | {"mandate_ref": reference})

    def give_back(self, random, reference):
        """A payment, and parts of it returned until more would go back than was paid."""
        paid = self.transfer(random, reference)
        self.agree(random, paid)
        back = {"does": "return", "from": paid["to"], "to": paid["from"], "asset": ASSET, "original_kind": 1}
        back |= {"original_ref": reference, "original_amount_minor": paid["amount"]}
        for part in range(random.randint(1, 3)):
            self.agree(random, back | {"amount": random.randint(1, paid["amount"]), "reference": f"{reference}-{part}"})

    def exchange(self, random, reference):
        """A quote, and its taking by somebody who may have the money."""
        maker, taker = random.sample(self.everyone, 2)
        sides = {"sold_asset": ASSET, "sold_minor": random.randint(1, 3_000_000)}
        sides |= {"bought_asset": OTHER, "bought_minor": random.randint(1, 1_000)}
        offer = {"does": "offer_quote", "maker": maker, "reference": reference, "expires_ms": self.end_ms(random)}
        self.agree(random, offer | sides)
        taken = {"does": "take_quote", "maker": maker, "taker": taker, "quote_ref": reference}
        self.agree(random, taken | sides | {"reference": reference + "-taken"})

    # ----- calls

    def make(self, kind, operations, window_ms=WINDOW_MS, **fields):
        """Signs a transaction and writes it down before it goes anywhere: (signed, id)."""
        now, messages = int(time.time() * 1000), []
        for plain in operations:
            inner = {FIELDS.get(name, name): value for name, value in plain.items() if name != "does"}
            name = "".join(map(str.capitalize, plain["does"].split("_")))
            wire = self.ledger.message(name, **inner)
            messages.append(self.ledger.message("Operation", **{plain["does"]: wire}))
        fields |= {"chain": self.chain, "not_before_ms": now - WINDOW_BEFORE_MS, "not_after_ms": now + window_ms}
        field = SIGNERS.get(operations[0]["does"])
        signer = operations[0][field].split("@")[1] if field else ISSUER
        body = self.ledger.message("TransactionBody", operations=messages, **fields)
        signed = self.ledger.sign(body, self.secrets[signer])
        identity = api.transaction_id(self.chain, signed.body)
        window = {"not_after_ms": fields["not_after_ms"]}
        self.journal.write("made", id=identity, kind=kind, operations=operations, **window)
        return signed, identity

    def settle(self, random, made):
        """Sends a transaction, to one node after the other, until one says what became of it."""
        signed, identity = made
        refusals = 0
        while not self.abandoned.is_set():
            for node in random.sample(self.nodes, len(self.nodes)):
                # When none could be reached, the library waits for the one asked next to come back.
                ready = refusals >= len(self.nodes)
                self.journal.write("sent", id=identity, node=node.name, method="SubmitAndWait")
                call = node.start("SubmitAndWait", PATIENCE_S, ready, transaction=signed)
                if self.answer(identity, node, call) == "settled":
                    return
                refusals += 1

    def answer(self, identity, node, call):
        """Takes down what a call brought. "settled" when the transaction needs no further call."""
        where = {"id": identity, "node": node.name}
        note = lambda outcome, **fields: self.journal.write("answer", **where, outcome=outcome, **fields)
        try:
            answer = call.result()
        except grpc.RpcError as error:
            why, metadata = api.reason(error)
            if "height" in metadata and metadata.get("transaction_id") == identity:
                place = {"height": int(metadata["height"]), "index": int(metadata["index"])}
                note("rejected", reason=why, **place)
                return self.settled()
            if why in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
                note("lost", reason=why)
                return "open"
            note("refused", reason=why)
            return "settled" if why in SETTLED else "open"
        if not answer.HasField("receipt"):
            note("accepted", answered_id=answer.transaction_id.hex())
            return "settled"
        duplicate = getattr(answer, "duplicate", True)
        note("duplicate" if duplicate else "final", receipt=api.receipt(answer.receipt))
        return self.settled()

    def settled(self):
        with self.moved:
            self.finals += 1
            self.moved.notify_all()
        return "settled"


FIELDS = {"amount": "amount_minor", "reference": "instruction_ref"}
