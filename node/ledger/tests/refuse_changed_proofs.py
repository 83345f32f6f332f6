"""Runs verify_proof.py against its golden vector with every byte of every proof changed: none may hold.
usage: refuse_changed_proofs.py vectors/ledger.txt"""
import sys
from verify_proof import verify_account, verify_receipt

def holds(verify, proof, root, said):
    try:
        return verify(proof, root)[0] == said[0]
    except (ValueError, IndexError):
        return False

lines = (line.split(" = ") for line in open(sys.argv[1]) if not line.startswith("rejection"))
vector = {name: bytes.fromhex(value) for name, value in lines}
proofs = [(verify_account, name, "state_root.3") for name in vector if name.startswith("account_proof.")]
proofs += [(verify_receipt, f"receipt_proof.{height}", f"results_root.{height}") for height in (1, 3)]
count = 0
for verify, name, root in proofs:
    proof = vector[name]
    said = verify(proof, vector[root])
    for at in range(len(proof)):
        changed = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1:]
        assert not holds(verify, changed, vector[root], said), f"{name}: byte {at} can change"
        count += 1
assert count > 1000, count
print(f"{len(proofs)} proofs hold, {count} changed ones are refused")
