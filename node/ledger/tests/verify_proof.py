"""Checks Tonle's proofs with nothing but a BLAKE3 library (pip install blake3): verify_proof.py vectors/ledger.txt
The formats are drawn in node/ledger/src/proof.rs (state), results.rs and receipt.rs (receipts)."""
import sys
from blake3 import blake3

def digest(purpose, data):
    return blake3(data, derive_key_context="tonle v1 " + purpose).digest()
class Reader:
    def __init__(self, data): self.data = data
    def raw(self, length):
        head, self.data = self.data[:length], self.data[length:]
        if len(head) < length: raise ValueError("ends early")
        return head
    def int(self, length): return int.from_bytes(self.raw(length), "big")
    def bytes(self): return self.raw(self.int(4))
    def digests(self): return [self.raw(32) for _ in range(self.int(4))]
def bit(path, depth): return path[depth // 8] >> (7 - depth % 8) & 1

def verify_account(proof, state_root):
    """An account's name, and its record under the state root: None when it is proved that there is none."""
    reader, value, other = Reader(proof), None, None
    name, terminal = reader.bytes(), reader.int(1)
    path, node = digest("state key", b"\x06" + name), bytes(32)
    if terminal == 1:
        value = reader.bytes()
        node = digest("state leaf", path + digest("state value", value))
    elif terminal == 3:
        other = reader.raw(32)
        node = digest("state leaf", other + reader.raw(32))
    siblings = reader.digests()
    on_the_way = other is None or other != path and all(bit(other, d) == bit(path, d) for d in range(len(siblings)))
    for depth in reversed(range(len(siblings))):
        node = digest("state node", siblings[depth] + node if bit(path, depth) else node + siblings[depth])
    if reader.data or terminal not in (1, 2, 3) or not on_the_way or node != state_root: raise ValueError("no proof")
    return name.decode(), value

def verify_receipt(proof, results_root):
    """The receipt under the results root."""
    reader = Reader(proof)
    receipt, total, siblings, before, links = reader.bytes(), reader.int(4), reader.digests(), reader.raw(32), reader.digests()
    node, at, width = digest("receipt", receipt), int.from_bytes(receipt[40:44], "big"), total
    while width > 1:
        if at ^ 1 < width:  # a last odd node goes up unchanged
            sibling = siblings.pop(0)
            node = digest("receipt node", sibling + node if at & 1 else node + sibling)
        at, width = at // 2, (width + 1) // 2
    for link in [digest("receipts root", total.to_bytes(4, "big") + node)] + links:
        before = digest("results", before + link)
    if reader.data or at or siblings or before != results_root: raise ValueError("no proof")
    return receipt

if __name__ == "__main__":
    v = {k: bytes.fromhex(x) for k, x in (line.split(" = ") for line in open(sys.argv[1])) if "rejection" not in k}
    assert digest("genesis", v["genesis.bytes"]) == v["genesis.digest"]
    assert digest("transaction", v["genesis.digest"] + v["full.body"]) == v["full.id"]
    held = [verify_account(v["account_proof.3." + kind], v["state_root.3"]) for kind in ("present", "absent_empty", "absent_other")]
    held += [verify_receipt(v[f"receipt_proof.{height}"], v[f"results_root.{height}"]) for height in (1, 3)]
    assert held[0][0] == "alice@aba" and held[0][1] and held[1][1] is held[2][1] is None and v["full.id"] in held[3]
    print(f"{len(held)} proofs hold")
