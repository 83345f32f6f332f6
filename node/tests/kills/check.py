"""The checker: compares what clients were told (the journal), what every node says of its ledger (the records), and
what must follow from the genesis file (the replay). Pure: it reads no file and asks no node. Each finding is one
sentence."""
import agreements
import certificates
import node as api
import replay
import verify
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from verify import digest, u

# Findings of one kind that are told in full.
SHOWN = 5
# What a refusal without a receipt may say: everything else is the node's fault or the load's.
REFUSALS = api.RETRIED | {"EXPIRED"}


class Findings:
    """Sentences, a few of each kind in full and the others counted."""

    def __init__(self):
        self.kinds = {}

    def add(self, kind, text):
        self.kinds.setdefault(kind, []).append(text)

    def lines(self):
        for kind, texts in self.kinds.items():
            yield from (f"{kind}: {text}" for text in texts[:SHOWN])
            if len(texts) > SHOWN:
                yield f"{kind}: … and {len(texts) - SHOWN} more like these"


def check(genesis, chain, journal, records, parse):
    """The findings, and figures for the summary. `parse` reads a signed body: (window, independent, operations), where
    a window is (first, end) in milliseconds and operations are as node.operation makes them."""
    findings = Findings()
    same_everywhere(records, findings)
    certified(genesis, chain, records, findings)
    proven(genesis, records, findings)
    body_of = bodies(genesis, chain, records, parse, findings)
    for record in records:
        if record.halted:
            findings.add("halted", f"{record.name} no longer votes: {record.halted}")
        chained(record, findings)
        replayed(genesis, chain, record, body_of, findings)
        acknowledged(journal, record, findings)
    return findings, figures(journal, records)


def same_everywhere(records, findings):
    """Every block, receipt and transaction is the same on all nodes."""
    first = records[0]
    for other in records[1:]:
        if len(other.blocks) != len(first.blocks):
            tell = f"{first.name} has {len(first.blocks)} blocks, {other.name} {len(other.blocks)}"
            findings.add("nodes differ", tell)
        for ours, theirs in zip(first.blocks, other.blocks):
            for name, value in vars(ours).items():
                if value != vars(theirs)[name]:
                    tell = f"height {ours.height}: {name} is not the same on {first.name} and {other.name}"
                    findings.add("nodes differ", tell)


def chained(record, findings):
    """Heights follow each other, each block names the one before it, and time goes on."""
    parent, time_ms = None, 0
    for height, block in enumerate(record.blocks, 1):
        where = f"{record.name}, height {height}"
        if block.height != height:
            findings.add("chain", f"{where}: a block of height {block.height} stands there")
        if parent not in (None, block.parent):
            findings.add("chain", f"{where}: it does not name the block before it as its parent")
        if block.time_ms <= time_ms:
            findings.add("chain", f"{where}: its time is not after that of the block before it")
        if block.count != len(block.receipts) or block.receipts != [entry["receipt"] for entry in block.transactions]:
            findings.add("chain", f"{where}: the receipts that are streamed are not those that are listed")
        parent, time_ms = block.digest, block.time_ms


def certified(genesis, chain, records, findings):
    """A quorum signed every height, and what they signed is what the node says; the state and results that later
    headers name are those of the blocks."""
    members, heights = certificates.validators(genesis), set()
    for record in records:
        blocks = {block.height: block for block in record.blocks}
        for height, (headers, certificate) in record.certificates.items():
            where = f"{record.name}, height {height}"
            try:
                fields = certificates.certify(headers, certificate, members, chain)
            except (certificates.Unproven, ValueError) as why:
                findings.add("not certified", f"{where}: {why}")
                continue
            heights.add(height)
            for header in fields:
                block = blocks.get(header["height"])
                names = ("digest", "parent", "time_ms", "payload")
                if block and any(header[name] != vars(block)[name] for name in names) or fields[0]["height"] != height:
                    findings.add("not certified", f"{where}: the certified header is not that of the block")
                at, *roots = header["checkpoint"]
                if at in blocks and roots != [blocks[at].state_root, blocks[at].results_root]:
                    findings.add("not certified", f"{where}: it names other roots for height {at}")
    missing = {block.height for block in records[0].blocks} - heights
    if missing:
        findings.add("not certified", f"{len(missing)} heights, the first of them {min(missing)}")


def proven(genesis, records, findings):
    """Finality receipts prove what they say, to whoever has the genesis file."""
    founders = certificates.validators(genesis), genesis["epoch_length"]
    for record in records:
        for identity, file in record.proofs.items():
            try:
                verify.verify(file, founders)
            except Exception as why:  # whatever the reason, it proves nothing
                findings.add("not proven", f"{record.name}: the finality receipt of {identity[:16]}…: {why!r}")


def bodies(genesis, chain, records, parse, findings):
    """Every transaction on any node by its signed body: (id, window, independent, operations). Each must be signed by
    a key that the genesis file gives to who pays, captures, collects or issues."""
    keys = {}
    for participant in genesis["participants"]:
        for entry in participant["keys"]:
            for permission in entry["permissions"]:
                keys.setdefault((participant["id"], permission), set()).add(bytes.fromhex(entry["key"]))
    issuers, found = {asset["code"]: asset["issuer"] for asset in genesis["assets"]}, {}
    for record in records:
        for entry in (entry for block in record.blocks for entry in block.transactions):
            body = entry["body"]
            if not body or body in found:
                continue
            identity, (window, independent, operations) = api.transaction_id(chain, body), parse(body)
            found[body] = identity, window, independent, operations
            signers = {key for key, signature in entry["signers"] if holds(key, signature, chain, body)}
            for operation in operations:
                signer = agreements.SIGNERS.get(operation["does"])
                asked = (operation[signer].split("@")[1], "pay") if signer else (issuers[operation["asset"]], "issue")
                if not signers & keys.get(asked, set()):
                    findings.add("not signed", f"{record.name}: transaction {identity[:16]}…, by nobody who may")
    return found


def holds(key, signature, chain, body):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"tonle/v1/transaction\0" + chain + body)
    except InvalidSignature:
        return False
    return True


def own_id(chain, height):
    """The id of a block's own receipt."""
    return digest("block receipt", chain + u(8, height)).hex()


def replayed(genesis, chain, record, body_of, findings):
    """Receipts say what the replay says, of what ended by itself too; at every height the balances that the node told
    of, held ones too, add up to the supply; and
    at the end the node's accounts and supply are the replay's."""
    ledger = replay.Ledger(genesis)
    told, sums = dict(ledger.balances), dict(ledger.supply)
    for block in record.blocks:
        ended = ledger.end(block.time_ms)
        for index, entry in enumerate(block.transactions):
            receipt = entry["receipt"]
            place = [block.height, index]
            if entry["body"]:
                identity, *terms = body_of[entry["body"]]
                due = ledger.execute(identity, *terms, place, block.time_ms)
            else:
                # The block's own: what ended by itself.
                identity, due = own_id(chain, block.height), ("applied", None, ended)
                ended = []
            where = f"{record.name}, height {block.height}, receipt {index} ({identity[:16]}…)"
            heading = [receipt[name] for name in ("id", "height", "index", "time_ms")]
            if heading != [identity, *place, block.time_ms]:
                findings.add("receipt", f"{where}: it is headed by another id, place or time")
            said = receipt["outcome"], receipt.get("rejection"), receipt["results"]
            if due[0] == "twice":
                findings.add("executed twice", f"{where}: it was executed at height {due[1][0]}, receipt {due[1][1]}")
            elif said != due:
                findings.add("receipt", f"{where}: it says {said}, the replay {due}")
            for account, asset, available, held in balances_after(receipt):
                if available < 0 or held < 0:
                    findings.add("negative", f"{where}: {account} has {available + held} {asset}")
                sums[asset] = sums.get(asset, 0) + available + held - told.get((account, asset), 0)
                told[account, asset] = available + held
        if ended:
            where = f"{record.name}, height {block.height}"
            findings.add("not ended", f"{where}: {len(ended)} things were over, and there is no receipt of its own")
        for asset, supply in ledger.supply.items():
            if sums.get(asset, 0) != supply:
                where, here = f"{record.name}, height {block.height}", sums.get(asset, 0)
                findings.add("supply", f"{where}: all balances add up to {here} {asset}, supply is {supply}")
                # Told once, where it begins.
                sums[asset] = supply
    for account, balances in record.accounts.items():
        for asset in ledger.supply:
            key = account, asset
            here, there = balances.get(asset, [0, 0]), [ledger.balances.get(key, 0), ledger.held.get(key, 0)]
            if here != there:
                tell = f"{record.name}: {account} has {here} {asset} (available, held), by the replay {there}"
                findings.add("account", tell)
    if record.supply != ledger.supply:
        findings.add("supply", f"{record.name} answers {record.supply} at the end, the replay {ledger.supply}")


def balances_after(receipt):
    """The balances that a receipt tells of, in order: [account, asset, available, held]."""
    starts = {"applied": 1, "ended": 2}
    results = [result for result in receipt["results"] if result[0] in starts]
    return [after for result in results for after in result[starts[result[0]] :]]


def acknowledged(journal, record, findings):
    """What clients were told is what stands on this node, once."""
    stands, places = {}, {}
    for receipt in (receipt for block in record.blocks for receipt in block.receipts):
        places[receipt["height"], receipt["index"]] = receipt
        if not is_free(receipt):
            stands.setdefault(receipt["id"], []).append(receipt)
    for identity, sent in journal.items():
        what = f"{record.name}: {sent.kind} {identity[:16]}…"
        standing = stands.get(identity, [])
        if len(standing) > 1:
            findings.add("executed twice", f"{what}: {len(standing)} receipts")
        for answer in sent.answers:
            for kind, text in contradicted(identity, answer, places, standing):
                findings.add(kind, f"{what}: {text}")
        ended = record.blocks[-1].time_ms >= sent.not_after_ms if record.blocks else False
        if not standing and not ended:
            told = ", ".join(sorted(sent.outcomes())) or "nothing"
            findings.add("not final", f"{what}: neither final nor out of its window (answered: {told})")
        if not standing and sent.kind != "submit":
            findings.add("not final", f"{what}: it was sent {sent.calls} times, and is not there")


def contradicted(identity, answer, places, standing):
    """How a node's ledger contradicts one answer to a client: (kind, text). `places` holds its receipts by (height,
    index), `standing` those of this transaction."""
    outcome, node = answer["outcome"], answer["node"]
    if outcome in ("final", "duplicate"):
        # Of a repeated instruction the first receipt is answered, whichever transaction it is of.
        receipt = answer["receipt"]
        if places.get((receipt["height"], receipt["index"])) != receipt:
            yield "lost", f"the receipt that {node} answered (height {receipt['height']}) is not here"
        if not standing:
            yield "lost", f"{node} answered that it is final, and it is not here"
    elif outcome == "rejected":
        receipt = places.get((answer["height"], answer["index"]), {"id": None})
        if (receipt["id"], receipt.get("rejection", [None])[0]) != (identity, answer["reason"]):
            yield "lost", f"the rejection that {node} answered (height {answer['height']}) is not here"
    elif outcome == "accepted" and answer["answered_id"] != identity:
        yield "answer", f"{node} accepted it under another id"
    elif outcome == "refused" and answer["reason"] not in REFUSALS:
        yield "answer", f"{node} refused it: {answer['reason']}"


def is_free(receipt):
    """Does the id stay free, since it was judged before anything of it was? The same bytes may yet take effect."""
    return receipt["outcome"] == "rejected" and receipt["rejection"][0] in ("NOT_YET_VALID", "EXPIRED")


def figures(journal, records):
    """What the summary says of the run: counts by name."""
    record = records[0]
    there = {receipt["id"] for block in record.blocks for receipt in block.receipts if not is_free(receipt)}
    outcomes = [sent.outcomes() for sent in journal.values()]
    answers = [answer for sent in journal.values() for answer in sent.answers]
    told = [outcome & {"final", "duplicate", "rejected"} for outcome in outcomes]
    submitted = [sent for sent in journal.values() if "accepted" in sent.outcomes()]
    receipts = [receipt for block in record.blocks for receipt in block.receipts]
    count = lambda kind: sum(result[0] == kind for receipt in receipts for result in receipt["results"])
    refused = {receipt["rejection"][0] for receipt in receipts if receipt["outcome"] == "rejected"}
    return {
        "heights, each with a quorum's signatures": len(record.blocks),
        "finality receipts verified": sum(len(each.proofs) for each in records),
        "transactions": len(journal),
        "acknowledged as final": sum(map(bool, told)),
        "of these rejected": sum("rejected" in outcome for outcome in outcomes),
        "operations that took effect": count("applied"),
        "agreements that ended by themselves": count("ended"),
        "reasons to refuse that were met": len(refused),
        "calls that nobody answered": sum(answer["outcome"] == "lost" for answer in answers),
        "sent more than once": sum(sent.calls > 1 for sent in journal.values()),
        "only accepted": len(submitted),
        "of these final": sum(sent.id in there for sent in submitted),
        "of these out of their window": sum(sent.id not in there for sent in submitted),
    }
