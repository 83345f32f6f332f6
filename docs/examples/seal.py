"""Pays with a note that only the two banks and the operator can read, and reads it back: what pay.py needs, and no more.
usage: seal.py ADDRESS KEY_FILE FROM TO AMOUNT_MINOR ASSET NOTE ENCRYPTION_KEY_FILE
  seal.py 127.0.0.1:50051 .devnet/keys/aba.key alice@aba bob@wing 400000 KHR "rent" .devnet/keys/wing-encryption.key
"""
import hashlib
import hmac
import os
import sys
import time
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LAST_CHUNK = bytes(11) + b"\1"


def derive(secret, salt, info):
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def wrapping(shared, share, recipient):
    return ChaCha20Poly1305(derive(shared, share + recipient, b"age-encryption.org/v1/X25519"))


def base64(data):
    return b64encode(data).rstrip(b"=")


def pad(message):
    """ISO/IEC 7816-4, up to the next of four sizes."""
    size = next(size for size in (128, 256, 512, 1024) if len(message) < size)
    return (message + b"\x80").ljust(size, b"\0")


def unpad(plain):
    message, mark, zeros = plain.rpartition(b"\x80")
    assert mark and not zeros.strip(b"\0"), "not padded"
    return message


def encrypt(plain, recipients):
    """age v1 (https://age-encryption.org/v1) for X25519 public keys of 32 bytes each."""
    file_key, nonce = os.urandom(16), os.urandom(16)
    header = b"age-encryption.org/v1\n"
    for recipient in recipients:
        secret = X25519PrivateKey.generate()
        share = secret.public_key().public_bytes_raw()
        shared = secret.exchange(X25519PublicKey.from_public_bytes(recipient))
        wrapped = wrapping(shared, share, recipient).encrypt(bytes(12), file_key, None)
        header += b"-> X25519 %s\n%s\n" % (base64(share), base64(wrapped))
    header += b"---"
    code = hmac.digest(derive(file_key, b"", b"header"), header, "sha256")
    payload = ChaCha20Poly1305(derive(file_key, nonce, b"payload")).encrypt(LAST_CHUNK, plain, None)
    return b"%s %s\n%s%s" % (header, base64(code), nonce, payload)


def decrypt(sealed, key_file):
    """With a participant's key file that is not encrypted; an X25519 secret follows from its ed25519 seed."""
    seed = bytes.fromhex(open(key_file).read().split("secret ")[1])
    secret = X25519PrivateKey.from_private_bytes(hashlib.sha512(seed).digest()[:32])
    own = secret.public_key().public_bytes_raw()
    lines = sealed.split(b"\n", 8)
    header, code, body = b"\n".join(lines[:7]) + b"\n---", lines[7][4:], lines[8]
    for share, wrapped in zip(lines[1:7:2], lines[2:7:2]):
        share, wrapped = (b64decode(text.removeprefix(b"-> X25519 ") + b"=") for text in (share, wrapped))
        try:
            shared = secret.exchange(X25519PublicKey.from_public_bytes(share))
            file_key = wrapping(shared, share, own).decrypt(bytes(12), wrapped, None)
        except (InvalidTag, ValueError):
            continue
        expected = hmac.digest(derive(file_key, b"", b"header"), header, "sha256")
        assert hmac.compare_digest(b64decode(code + b"="), expected), "changed"
        return ChaCha20Poly1305(derive(file_key, body[:16], b"payload")).decrypt(LAST_CHUNK, body[16:], None)
    raise ValueError("sealed for others")


def recipients(ledger, payer, payee):
    """The encryption keys of both banks and of the operator, as the chain names them."""
    banks = [ledger.call("GetParticipant", ledger.message("GetParticipantRequest", participant=name.split("@")[1]))
             for name in (payer, payee)]
    operators = ledger.call("ListParticipants", ledger.message("ListParticipantsRequest", role=1)).participants
    return [answer.participant.encryption_key for answer in banks] + [operators[0].encryption_key]


def main(address, key_file, payer, payee, amount, asset, note, encryption_key_file):
    from pay import Ledger

    ledger = Ledger(address)
    status = ledger.call("GetStatus", ledger.message("GetStatusRequest"))
    details = ledger.message("PrivateDetails", note=note).SerializeToString(deterministic=True)
    sealed = encrypt(pad(details), recipients(ledger, payer, payee))
    transfer = {"from": payer, "to": payee, "asset": asset, "amount_minor": int(amount), "sealed": sealed}
    now = int(time.time() * 1000)
    operation = ledger.message("Operation", transfer=ledger.message("Transfer", **transfer))
    body = ledger.message("TransactionBody", chain=status.chain_digest, operations=[operation],
                          not_before_ms=now - 60_000, not_after_ms=now + 600_000, nonce=os.urandom(16))
    secret = bytes.fromhex(open(key_file).read().split("secret ")[1])
    request = ledger.message("SubmitAndWaitRequest", transaction=ledger.sign(body, secret))
    block = ledger.call("SubmitAndWait", request).receipt.height
    request = ledger.message("ListTransactionsRequest", account=payee, page_size=1, include_transactions=True)
    last = ledger.call("ListTransactions", request).transactions[0].transaction
    stored = ledger.message("TransactionBody").FromString(last.body).operations[0].transfer.sealed
    opened = ledger.message("PrivateDetails").FromString(unpad(decrypt(stored, encryption_key_file)))
    print("FINAL block", block, "sealed", len(stored), "bytes:", opened.note)


if __name__ == "__main__":
    main(*sys.argv[1:])
