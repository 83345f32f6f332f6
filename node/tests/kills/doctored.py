"""Ways in which a ledger could be wrong, each done to a good record of it: what the checker must find, and under which
name. A checker that cannot fail shows nothing."""
import copy
from random import Random

import certificates
import check


def a_transfer(random, journal, records):
    """A transaction on every node that was answered as final: its height, its place there, and its id."""
    told = {identity for identity, sent in journal.items() if sent.outcomes() & {"final"}}
    places = [
        (block.height, index)
        for block in records[0].blocks
        for index, receipt in enumerate(block.receipts)
        if receipt["id"] in told and receipt["outcome"] == "applied" and moves(receipt["results"][0])
    ]
    return random.choice(places)


def moves(result):
    """Does a result tell of a balance?"""
    return result[0] == "applied" and len(result) > 1


def lose(random, journal, records):
    height, index = a_transfer(random, journal, records)
    for record in records:
        drop(record.blocks[height - 1], index)


def lose_on_one(random, journal, records):
    height, index = a_transfer(random, journal, records)
    drop(random.choice(records).blocks[height - 1], index)


def drop(block, index):
    del block.receipts[index], block.transactions[index]
    block.count -= 1


def double(random, journal, records):
    """The same transaction once more, in the last block, on every node."""
    height, index = a_transfer(random, journal, records)
    for record in records:
        entry = copy.deepcopy(record.blocks[height - 1].transactions[index])
        last = record.blocks[-1]
        entry["receipt"] |= {"height": last.height, "index": last.count, "time_ms": last.time_ms}
        last.transactions.append(entry)
        last.receipts.append(entry["receipt"])
        last.count += 1


def change_balance(random, journal, records):
    """A receipt leaves one account with a unit too much, on every node."""
    height, index = a_transfer(random, journal, records)
    for record in records:
        raise_balance(record.blocks[height - 1], index, 0)


def change_balance_on_one(random, journal, records):
    height, index = a_transfer(random, journal, records)
    raise_balance(random.choice(records).blocks[height - 1], index, 0)


def make_money(random, journal, records):
    """The last payment of a block leaves its payee with a unit too much, on every node: the block does not add up."""
    last = lambda receipt: receipt["results"] and moves(receipt["results"][-1])
    applied = lambda block: [index for index, receipt in enumerate(block.receipts) if last(receipt)]
    height = random.choice([block.height for block in records[0].blocks if applied(block)])
    for record in records:
        raise_balance(record.blocks[height - 1], applied(record.blocks[height - 1])[-1], -1)


def raise_balance(block, index, result):
    """In the receipt as it is streamed and as it is listed, which may be one object."""
    listed, streamed = block.transactions[index]["receipt"], block.receipts[index]
    listed["results"][result][-1][2] += 1
    block.receipts[index] = streamed if streamed is listed else copy.deepcopy(listed)


def change_account(random, journal, records):
    accounts = random.choice(records).accounts
    name = random.choice(sorted(name for name in accounts if accounts[name]))
    asset = random.choice(sorted(accounts[name]))
    accounts[name][asset][random.randrange(2)] += 1


def keep_what_is_over(random, journal, records):
    """What was over does not end: its block has no receipt of its own, on every node."""
    height = random.choice([block.height for block in records[0].blocks if ends(block)])
    for record in records:
        drop(record.blocks[height - 1], 0)


def end_less(random, journal, records):
    """One thing less ends in a block than was over, on every node."""
    height = random.choice([block.height for block in records[0].blocks if ends(block)])
    for record in records:
        own = record.blocks[height - 1].transactions[0]["receipt"]
        own["results"] = own["results"][1:]
        record.blocks[height - 1].receipts[0] = copy.deepcopy(own)


def ends(block):
    """Has the block a receipt of its own?"""
    return block.receipts and block.receipts[0]["results"][:1] and block.receipts[0]["results"][0][0] == "ended"


def hold_more(random, journal, records):
    """A receipt leaves one account with a unit more that is held and one less that is not, on every node."""
    height, index = a_transfer(random, journal, records)
    for record in records:
        listed = record.blocks[height - 1].transactions[index]["receipt"]
        after = listed["results"][0][-1]
        after[2:] = [after[2] - 1, after[3] + 1]
        record.blocks[height - 1].receipts[index] = copy.deepcopy(listed)


def change_supply(random, journal, records):
    supply = random.choice(records).supply
    supply[random.choice(sorted(supply))] -= 1


def change_digest(random, journal, records):
    block = random.choice(random.choice(records).blocks)
    block.digest = "00" + block.digest[2:] if block.digest[:2] != "00" else "01" + block.digest[2:]


def change_root(random, journal, records):
    block = random.choice(random.choice(records).blocks)
    block.state_root = block.state_root[::-1] + "0"


def change_root_everywhere(random, journal, records):
    """All nodes agree on a state that is not the one that a header names."""
    headers = [header for record in records for headers, _ in record.certificates.values() for header in headers]
    named = {certificates.header(header)["checkpoint"][0] for header in headers} - {0}
    height = random.choice(sorted(named))
    for record in records:
        record.blocks[height - 1].state_root = "00" * 32


def leave_a_block_out(random, journal, records):
    del random.choice(records).blocks[random.randrange(len(records[0].blocks) - 1)]


def unsign(random, journal, records):
    """A payment that nobody signed, on every node."""
    height, index = a_transfer(random, journal, records)
    for record in records:
        entry = record.blocks[height - 1].transactions[index]
        entry["signers"] = [(key, bytes(64)) for key, _ in entry["signers"]]


def answer_otherwise(random, journal, records):
    """A client was told of another place than where the receipt stands."""
    told = [answer for sent in journal.values() for answer in sent.answers if answer["outcome"] == "final"]
    answer = random.choice(told)
    answer["receipt"] = answer["receipt"] | {"index": answer["receipt"]["index"] + 1}


def never_settle(random, journal, records):
    """Something was waited for, and is nowhere."""
    sent = copy.deepcopy(random.choice([sent for sent in journal.values() if sent.kind != "submit"]))
    sent.id, sent.answers, sent.not_after_ms = "ff" * 32, [], 1 << 62
    journal[sent.id] = sent


def forget_accepted(random, journal, records):
    """A node took something that is still in its window, and it is nowhere."""
    never_settle(random, journal, records)
    sent = journal["ff" * 32]
    sent.kind = "submit"
    sent.answers = [{"node": records[0].name, "outcome": "accepted", "answered_id": sent.id}]


def a_certificate(random, records):
    record = random.choice([record for record in records if record.certificates])
    return record.certificates, random.choice(sorted(record.certificates))


def certify_less(random, journal, records):
    """One signature of a certificate does not hold."""
    there, height = a_certificate(random, records)
    headers, certificate = there[height]
    there[height] = headers, certificate[:-1] + bytes([certificate[-1] ^ 1])


def certify_another(random, journal, records):
    """The certificate of another height."""
    there, height = a_certificate(random, records)
    other = random.choice([other for record in records for other in record.certificates.items() if other[0] != height])
    there[height] = other[1]


def certify_nothing(random, journal, records):
    there, height = a_certificate(random, records)
    del there[height]


def prove_nothing(random, journal, records):
    """A byte of a finality receipt is another."""
    proofs = next((record.proofs for record in records if record.proofs), records[0].proofs)
    identity, file = random.choice(sorted(proofs.items()) or [("00" * 32, b"{}")])
    place = random.randrange(len(file))
    proofs[identity] = file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]


def halt(random, journal, records):
    random.choice(records).halted = "its guard is lost"


# What is done, and the kinds of finding of which one at least must be there.
WAYS = [
    (lose, {"lost"}),
    (lose_on_one, {"lost"}),
    (double, {"executed twice"}),
    (change_balance, {"receipt"}),
    (make_money, {"supply"}),
    (change_balance_on_one, {"nodes differ"}),
    (change_account, {"account"}),
    (keep_what_is_over, {"not ended"}),
    (end_less, {"receipt"}),
    (hold_more, {"receipt"}),
    (change_supply, {"supply"}),
    (change_digest, {"nodes differ"}),
    (change_root, {"nodes differ"}),
    (leave_a_block_out, {"chain"}),
    (unsign, {"not signed"}),
    (answer_otherwise, {"lost"}),
    (never_settle, {"not final"}),
    (forget_accepted, {"not final"}),
    (certify_less, {"not certified"}),
    (certify_another, {"not certified"}),
    (certify_nothing, {"not certified"}),
    (prove_nothing, {"not proven"}),
    (change_root_everywhere, {"not certified"}),
    (halt, {"halted"}),
]


def overlooked(seed, evidence):
    """Spoils the evidence in every way, each on a copy of its own; the ways that the checker overlooked."""
    genesis, chain, transactions, records, parse = evidence
    for spoil, kinds in WAYS:
        spoilt = copy.deepcopy((transactions, records))
        spoil(Random(f"{seed} {spoil.__name__}"), *spoilt)
        findings, _ = check.check(genesis, chain, *spoilt, parse)
        if not kinds & findings.kinds.keys():
            yield f"{spoil.__name__}: nothing of {sorted(kinds)} in {sorted(findings.kinds)}"
