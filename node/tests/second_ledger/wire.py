"""Messages as plain dictionaries: every field is there, enumerations are their names in lower case without the prefix
that all names of one enumeration share, and an operation says in `does` what it is.

Must not know: what the fields mean."""
import re

from blake3 import blake3

# What stands before the chain's digest and the body in what is signed.
SIGNING_TAG = b"tonle/v1/transaction\0"


def plain(message):
    """A message as a dictionary. An unset message is None."""
    fields = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type:
            if field.is_repeated:
                value = [plain(entry) for entry in value]
            elif field.message_type.name == "Operation":
                value = operation(value) if message.HasField(field.name) else None
            else:
                value = plain(value) if message.HasField(field.name) else None
        elif field.is_repeated:
            value = list(value)
        elif field.enum_type:
            value = name_of(field.enum_type, value)
        fields[field.name] = value
    return fields


def name_of(enum, number):
    """`full` for KYC_TIER_FULL of KycTier. A number that the enumeration does not have stays one."""
    known = enum.values_by_number.get(number)
    return known.name.removeprefix(prefix(enum)).lower() if known else number


def prefix(enum):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"


def operation(message):
    """An operation: {"does": "transfer", "from": …, …}."""
    does = message.WhichOneof("operation")
    return {"does": does} | (plain(getattr(message, does)) if does else {})


def transaction(body):
    """A signed body: {"chain", "not_before_ms", "not_after_ms", "independent", "nonce", "operations"}."""
    fields = {name: getattr(body, name) for name in ("chain", "not_before_ms", "not_after_ms", "independent", "nonce")}
    return fields | {"operations": [operation(entry) for entry in body.operations]}


def digest(domain, *parts):
    """BLAKE3 in the domain `tonle v1 …`, as docs/api.md writes it."""
    return blake3(b"".join(parts), derive_key_context="tonle v1 " + domain).digest()


def number(bytes_, value):
    """A big-endian integer of so many bytes."""
    return value.to_bytes(bytes_, "big")


def text(value):
    """A text: its length in 4 bytes, then its bytes."""
    return number(4, len(value.encode())) + value.encode()


def receipt(message):
    """A receipt: {"id", "height", "index", "time_ms", "outcome", "rejection", "results"}; digests in hexadecimal.
    A result is a list that begins with what it is."""
    outcome = name_of(message.DESCRIPTOR.fields_by_name["outcome"].enum_type, message.outcome)
    why = rejection(message.rejection) if message.HasField("rejection") else None
    results = [RESULTS[entry.WhichOneof("result")](entry) for entry in message.results]
    place = {"id": message.transaction_id.hex(), "height": message.height, "index": message.index}
    return place | {"time_ms": message.time_ms, "outcome": outcome, "rejection": why, "results": results}


def rejection(message):
    """[name, number, operation or None]."""
    return [message.code, message.number, message.operation if message.HasField("operation") else None]


def balances(entries):
    return [[entry.account, entry.asset, entry.available_minor, entry.held_minor] for entry in entries]


def location(message):
    return [message.transaction_id.hex(), message.height, message.index, message.operation]


RESULTS = {
    "applied": lambda entry: ["applied", balances(entry.applied.balances_after)],
    "repeated": lambda entry: ["repeated", location(entry.repeated)],
    "rejected": lambda entry: ["rejected", rejection(entry.rejected)],
    "ended": lambda entry: ["ended", entry.ended.id.hex(), balances(entry.ended.balances_after)],
    "decided": lambda entry: ["decided", entry.decided.proposal.hex(), balances(entry.decided.balances_after)],
    "pending": lambda entry: [
        "pending", entry.pending.proposal.hex(), entry.pending.approvals, entry.pending.threshold,
    ],
    "lapsed": lambda entry: ["lapsed", entry.lapsed.proposal.hex(), rejection(entry.lapsed.rejection)],
}


def build(new, name, fields):
    """The message `name` of a dictionary as `plain` gives it; fields that are missing keep their defaults. `new` makes
    an empty message of a name."""
    message = new(name)
    for field in message.DESCRIPTOR.fields:
        value = fields.get(field.name)
        if value is None:
            continue
        if field.message_type and field.is_repeated:
            getattr(message, field.name).extend(build(new, field.message_type.name, entry) for entry in value)
        elif field.message_type:
            make = operation_message if field.message_type.name == "Operation" else part(field.message_type.name)
            getattr(message, field.name).CopyFrom(make(new, value))
        elif field.is_repeated:
            getattr(message, field.name).extend(value)
        elif field.enum_type:
            setattr(message, field.name, field.enum_type.values_by_name[prefix(field.enum_type) + value.upper()].number)
        else:
            setattr(message, field.name, value)
    return message


def part(name):
    return lambda new, fields: build(new, name, fields)


def operation_message(new, fields):
    """The message Operation of a dictionary as `operation` gives it."""
    message = new("Operation")
    inner = message.DESCRIPTOR.fields_by_name[fields["does"]].message_type.name
    getattr(message, fields["does"]).CopyFrom(build(new, inner, fields))
    return message
