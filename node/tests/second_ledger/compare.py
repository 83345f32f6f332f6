"""Where two ledgers differ: block, transaction, field, and what each says.

Must not know: where either comes from."""
from itertools import zip_longest


def fields(here, there, name=""):
    """(field, this, that) wherever two values differ, as deep as both have the same shape."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted(here.keys() | there.keys(), key=str):
            yield from fields(here.get(key), there.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(here, list) and isinstance(there, list):
        for place, (one, other) in enumerate(zip_longest(here, there)):
            yield from fields(one, other, f"{name}[{place}]")
    elif here != there:
        yield name, here, there


def block(said, due):
    """Lines for all that differs between a block's receipts as the node says them and as they must be; after those of a
    transaction, what it asked for."""
    asked = {entry[0]: entry[1]["operations"] for entry in said["transactions"] if entry}
    for index, (here, there) in enumerate(zip_longest(said["receipts"], due)):
        identity = (here or there)["id"]
        where = f"block {said['height']}, receipt {index}, transaction {identity[:16]}"
        found = list(fields(here, there, "" if here and there else "receipt"))
        for field, one, other in found:
            yield f"{where}, {field}: the node says {one!r}, the second ledger {other!r}"
        if found and identity in asked:
            yield from (f"{where} asked: {operation}" for operation in asked[identity])


def standing(what, here, there):
    """The same for what stands at the end."""
    for field, one, other in fields(here, there):
        yield f"{what}, {field}: the node says {one!r}, the second ledger {other!r}"
