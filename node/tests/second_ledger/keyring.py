"""Every secret key that the random clients have, by its public key: the devnet's, and those that they make.

Must not know: what keys may do."""
import glob
import os
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wire import SIGNING_TAG


class Keyring:
    """Makes new keys from a seeded generator."""

    def __init__(self, folder, random):
        self.random, self.secrets, self.validators = random, {}, {}
        for path in sorted(glob.glob(os.path.join(folder, "keys", "*.key"))):
            self.add(secret(path))
        for path in sorted(glob.glob(os.path.join(folder, "nodes", "*", "validator.key"))):
            key = Ed25519PrivateKey.from_private_bytes(secret(path))
            self.validators[key.public_key().public_bytes_raw()] = key

    def add(self, bytes_):
        key = Ed25519PrivateKey.from_private_bytes(bytes_)
        public = key.public_key().public_bytes_raw()
        self.secrets[public] = key
        return public

    def new(self):
        """A new key: its public part."""
        return self.add(self.random.randbytes(32))

    def encryption(self):
        """A public key for encryption: of some secret that nobody has, reduced and not of small order."""
        return self.random.randbytes(31) + bytes([self.random.randrange(0x40)])

    def sign(self, new, chain, body, keys):
        """A SignedTransaction of a body's bytes, signed with so many keys."""
        sign = lambda key: self.secrets[key].sign(SIGNING_TAG + chain + body)
        signatures = [new("Signature", key=key, signature=sign(key)) for key in sorted(keys)]
        return new("SignedTransaction", body=body, signatures=signatures)


def secret(path):
    """The secret in an unencrypted key file."""
    return bytes.fromhex(re.search(r"^secret ([0-9a-f]{64})$", open(path).read(), re.MULTILINE)[1])
