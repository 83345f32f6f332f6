"""Checks a finality receipt offline, with nothing but the genesis file: pip install blake3 cryptography
usage: verify.py RECEIPT_FILE GENESIS_FILE        docs/api.md draws the formats"""
import json
import sys
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def digest(purpose, data): return blake3(data, derive_key_context="tonle v1 " + purpose).digest()
def u(size, value): return value.to_bytes(size, "big")
def text(value): return u(4, len(value.encode())) + value.encode()
def items(values): return u(4, len(values)) + b"".join(values)
def bit(path, depth): return path[depth // 8] >> (7 - depth % 8) & 1

class Reader:
    def __init__(self, data): self.data = data
    def raw(self, length):
        head, self.data = self.data[:length], self.data[length:]
        if len(head) < length: raise ValueError("ends early")
        return head
    def int(self, length): return int.from_bytes(self.raw(length), "big")
    def bytes(self): return self.raw(self.int(4))
    def digests(self): return [self.raw(32) for _ in range(self.int(4))]
    def end(self):
        if self.data: raise ValueError("bytes after the end")

def load_genesis(path):
    """The genesis file's validators, as (name, key, network key), and the heights of an epoch. They signed the chain's
    digest too, with these keys."""
    genesis = json.load(open(path))
    validators = [(v["participant"], bytes.fromhex(v["key"]), bytes.fromhex(v["network_key"])) for v in genesis["validators"]]
    return validators, genesis["epoch_length"]

def set_bytes(validators): return items([text(n) + k + net for n, k, net in validators])

def certified(certificate, chain, validators, named):
    """The certificate's epoch, how many signed and the quorum, when a quorum of the validators finalized `named`."""
    reader = Reader(certificate)
    kind, epoch, view, block, bitmap = reader.int(1), reader.raw(8), reader.raw(8), reader.raw(32), reader.bytes()
    signatures = [reader.raw(64) for _ in range(reader.int(4))]
    reader.end()
    signers = [i for i in range(8 * len(bitmap)) if bitmap[i // 8] >> i % 8 & 1]
    quorum = len(validators) - (len(validators) - 1) // 3
    if kind != 2 or block != named or len(bitmap) != (len(validators) + 7) // 8: raise ValueError("certificate of something else")
    if len(signers) != len(signatures) or len(signers) < quorum: raise ValueError("too few signatures")
    members = digest("validator set", set_bytes(validators))
    for signer, signature in zip(signers, signatures):
        signed = b"tonle/v1/consensus\0" + chain + epoch + members + b"\x03" + view + block
        Ed25519PublicKey.from_public_bytes(validators[signer][1]).verify(signature, signed)
    return int.from_bytes(epoch, "big"), len(signers), quorum

def next_validators(boundary, chain, validators, begins, length):
    """The validators that a boundary, which those before it made final, names; and the epoch that they begin."""
    if list(boundary) != ["header", "certificate", "validators"]: raise ValueError("not a boundary in its one form")
    header, certificate, listed = (bytes.fromhex(boundary[name]) for name in boundary)
    epoch, _, _ = certified(certificate, chain, validators, digest("header", header))
    if epoch < begins: raise ValueError("boundaries out of order")
    if int.from_bytes(header[32:40], "big") != (epoch + 1) * length: raise ValueError("not the last header of its epoch")
    if header[154:] != b"\x01" + digest("validator set", listed): raise ValueError("the header names other validators")
    if listed == set_bytes(validators): raise ValueError("the validators do not change")
    reader = Reader(listed)
    named = [(reader.bytes().decode(), reader.raw(32), reader.raw(32)) for _ in range(reader.int(4))]
    reader.end()
    return named, epoch + 1

def receipt_root(reader, subject, height):
    """The results root that a receipt proof leads to, and the height it is of."""
    receipt, total, siblings, before, links = reader.bytes(), reader.int(4), reader.digests(), reader.raw(32), reader.digests()
    r = Reader(receipt)
    if r.raw(32).hex() != subject or r.int(8) != height: raise ValueError("the proof is of another receipt")
    node, at, width = digest("receipt", receipt), r.int(4), total
    while width > 1:
        if at ^ 1 < width:  # a last odd node goes up unchanged
            sibling = siblings.pop(0)
            node = digest("receipt node", sibling + node if at & 1 else node + sibling)
        at, width = at // 2, (width + 1) // 2
    if at or siblings: raise ValueError("the proof has another shape")
    for link in [digest("receipts root", u(4, total) + node)] + links:
        before = digest("results", before + link)
    return before, height + len(links)

def account_root(reader, subject):
    """The state root that an account proof leads to."""
    name, terminal = reader.bytes(), reader.int(1)
    path, node, other = digest("state key", b"\x06" + name), bytes(32), None
    if terminal == 1: node = digest("state leaf", path + digest("state value", reader.bytes()))
    elif terminal == 3: other = reader.raw(32); node = digest("state leaf", other + reader.raw(32))
    siblings = reader.digests()
    absent = other is None or other != path and all(bit(other, d) == bit(path, d) for d in range(len(siblings)))
    if terminal not in (1, 2, 3) or not absent or name.decode() != subject: raise ValueError("the proof is of another account")
    for depth in reversed(range(len(siblings))):
        node = digest("state node", siblings[depth] + node if bit(path, depth) else node + siblings[depth])
    return node

def verify(file, genesis):
    """How many validators signed, and the quorum; ValueError and its like when the file proves nothing."""
    doc, (validators, length), begins = json.loads(file), genesis, 0
    boundaries = doc.get("boundaries", [])
    hexes = [doc["chain"], doc["certificate"], doc["proof"]] + doc["headers"] + [x for b in boundaries for x in b.values()]
    canonical = (json.dumps(doc, indent=2) + "\n").encode() == file and all(bytes.fromhex(x).hex() == x for x in hexes)
    fields = "format version chain subject height boundaries headers certificate proof".split()
    if not boundaries: fields.remove("boundaries")
    if not canonical or list(doc) != fields or [doc["format"], json.dumps(doc["version"])] != ["tonle finality receipt", "1"]:
        raise ValueError("not a finality receipt in its one form")
    chain, headers, named = bytes.fromhex(doc["chain"]), [bytes.fromhex(x) for x in doc["headers"]], None
    for header in headers:
        if named not in (None, header[:32]): raise ValueError("a header does not name the one before it")
        named = digest("header", header)
    for boundary in boundaries: validators, begins = next_validators(boundary, chain, validators, begins, length)
    epoch, signers, quorum = certified(bytes.fromhex(doc["certificate"]), chain, validators, named)
    if epoch < begins: raise ValueError("the certificate is older than the last boundary")
    checkpoint = Reader(headers[0][32 + 8 + 8 + 2 + 32:])
    height, state_root, results_root = checkpoint.int(8), checkpoint.raw(32), checkpoint.raw(32)
    proof = Reader(bytes.fromhex(doc["proof"]))
    if "@" in doc["subject"]: holds = account_root(proof, doc["subject"]) == state_root and doc["height"] == height
    else: holds = receipt_root(proof, doc["subject"], doc["height"]) == (results_root, height)
    proof.end()
    if not holds: raise ValueError("the proof does not lead to the root that the header names")
    return signers, quorum

if __name__ == "__main__":
    print("OK  %d signatures (quorum %d), header, Merkle path" % verify(open(sys.argv[1], "rb").read(), load_genesis(sys.argv[2])))
