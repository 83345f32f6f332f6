"""That a block is final, by nothing but the genesis file: its header, the headers up to the certified one, and a quorum
of signatures. docs/api.md draws the bytes; the reader of bytes and the digests are those of docs/examples/verify.py."""
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from verify import Reader, digest, items, text

FINALIZED = 2


class Unproven(Exception):
    """Why the block is not shown to be final."""


def validators(genesis):
    """(name, key, network key) of each validator."""
    keys = [(entry["participant"], entry["key"], entry["network_key"]) for entry in genesis["validators"]]
    return [(name, bytes.fromhex(key), bytes.fromhex(network)) for name, key, network in keys]


def header(data):
    """A header's fields as GetBlock answers them, digests in hexadecimal, and its checkpoint (height, state root,
    results root)."""
    reader = Reader(data)
    fields = {"digest": digest("header", data).hex(), "parent": reader.raw(32).hex(), "height": reader.int(8)}
    fields |= {"time_ms": reader.int(8), "version": reader.int(2), "payload": reader.raw(32).hex()}
    return fields | {"checkpoint": (reader.int(8), reader.raw(32).hex(), reader.raw(32).hex())}


def certify(headers, certificate, members, chain):
    """The headers' fields, once the last is certified and each names the one before it; Unproven otherwise."""
    fields = [header(data) for data in headers]
    for before, after in zip(fields, fields[1:]):
        if after["parent"] != before["digest"]:
            raise Unproven("a header does not name the one before it")
    reader = Reader(certificate)
    kind, epoch, view, block, bitmap = reader.int(1), reader.raw(8), reader.raw(8), reader.raw(32), reader.bytes()
    signatures = [reader.raw(64) for _ in range(reader.int(4))]
    reader.end()
    if not fields or kind != FINALIZED or block.hex() != fields[-1]["digest"]:
        raise Unproven("the certificate is of something else")
    signers = [place for place in range(8 * len(bitmap)) if bitmap[place // 8] >> place % 8 & 1]
    quorum = len(members) - (len(members) - 1) // 3
    if len(signers) != len(signatures) or len(signers) < quorum or max(signers) >= len(members):
        raise Unproven(f"{len(signers)} signers, {len(signatures)} signatures, quorum {quorum}")
    of_set = digest("validator set", items([text(name) + key + network for name, key, network in members]))
    signed = b"tonle/v1/consensus\0" + chain + epoch + of_set + b"\x03" + view + block
    for signer, signature in zip(signers, signatures):
        try:
            Ed25519PublicKey.from_public_bytes(members[signer][1]).verify(signature, signed)
        except InvalidSignature:
            raise Unproven(f"the signature of {members[signer][0]} does not hold") from None
    return fields
