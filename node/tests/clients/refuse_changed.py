"""Changes every byte of a finality receipt, each in turn: none may be proven. usage: refuse_changed.py FILE GENESIS"""
import sys

from verify import load_genesis, verify

file, genesis = open(sys.argv[1], "rb").read(), load_genesis(sys.argv[2])
verify(file, genesis)
for place in range(len(file)):
    changed = file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]
    try:
        verify(changed, genesis)
    except Exception:  # whatever the reason, it is refused
        continue
    sys.exit(f"byte {place} can change")
assert len(file) > 1000
print(f"{len(file)} changed files are refused")
