"""Sealed bytes of three programs that share no code, each opened by the others: `tonle` (Rust), docs/examples/seal.py
(Python's cryptography), and pyrage (the age format's Rust implementation). usage: sealing.py TONLE"""
import json
import os
import subprocess
import sys
import tempfile

import pyrage
from seal import decrypt, encrypt, pad, unpad

tonle = sys.argv[1]
folder = tempfile.mkdtemp()
names = ["aba", "wing", "nbc", "acleda"]
files = {name: os.path.join(folder, name + ".key") for name in names}


def run(*arguments, **options):
    return subprocess.run([tonle, *arguments], capture_output=True, check=True, **options).stdout.decode()


shown = {name: json.loads(run("key", "new", file, "--unencrypted", "--json")) for name, file in files.items()}
ages = {name: shown[name]["encryption"] for name in names}
identities = {name: pyrage.x25519.Identity.from_str(run("key", "identity", files[name]).strip()) for name in names}
for name in names:
    assert str(identities[name].to_public()) == ages[name], "a key file's identity and recipient are one key"


def point(text):
    """The 32 bytes of an age1... recipient (Bech32)."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(format(letters.index(letter), "05b") for letter in text[4:-6])
    return bytes(int(bits[at:at + 8], 2) for at in range(0, 256, 8))


# The field note (1) of PrivateDetails.
message = b"\x0a\x0crent for May"
sealed = encrypt(pad(message), [point(ages[name]) for name in names[:3]])
assert len(sealed) == 524
path = os.path.join(folder, "sealed")
open(path, "wb").write(sealed)
for name in names[:3]:
    assert unpad(pyrage.decrypt(sealed, [identities[name]])) == message, "pyrage opens it for " + name
    assert unpad(decrypt(sealed, files[name])) == message, "so does Python"
    assert json.loads(run("open", path, "--key", files[name], "--json")) == {"sealed_bytes": 524, "note": "rent for May"}
closed = subprocess.run([tonle, "open", path, "--key", files["acleda"]], capture_output=True)
assert closed.returncode == 1 and b"(sealed, 524 bytes)" in closed.stderr, closed
for open_it in (lambda: decrypt(sealed, files["acleda"]), lambda: pyrage.decrypt(sealed, [identities["acleda"]])):
    try:
        open_it()
    except (ValueError, pyrage.DecryptError):
        continue
    raise AssertionError("opened without a key")
print("three programs open what two of them sealed")
