"""That a block is final, by nothing but the genesis file: its header, the headers up to the certified one, and a quorum
of signatures. docs/api.md draws the bytes; docs/examples/verify.py reads them. The validators must not change."""
from cryptography.exceptions import InvalidSignature
from verify import Reader, certified, digest


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
    if not fields:
        raise Unproven("there is no header")
    for before, after in zip(fields, fields[1:]):
        if after["parent"] != before["digest"]:
            raise Unproven("a header does not name the one before it")
    try:
        certified(certificate, chain, members, bytes.fromhex(fields[-1]["digest"]))
    except (ValueError, IndexError, InvalidSignature) as why:
        raise Unproven(f"{why!r}") from None
    return fields
