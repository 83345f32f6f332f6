"""A KHQR code, read strictly, and what it asks for.
Follows docs/execution.md and docs/decisions/0070-khqr-payments.md.

Must not know: who pays it, what the ledger remembers of codes."""
import binascii
import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction

import wire
from codes import Rejected

BYTES_MOST, UNITS_LEAST = 2_953, 12
# Currencies by ISO 4217: what they are called, and most decimals of an amount.
CURRENCIES = {"116": ("KHR", 0), "840": ("USD", 2)}
# 29 stands for 29 or 30.
REQUIRED = ("00", "29", "52", "53", "58", "59", "60", "63")
TEMPLATES = ("29", "30", "62", "64", "99")
AMOUNT_CHARACTERS, TIME_DIGITS = 13, 13
INVALID, INCOMPLETE, FIELD = "KHQR_INVALID", "KHQR_INCOMPLETE", "KHQR_FIELD_INVALID"


@dataclass(frozen=True)
class Code:
    """`amount` is a Fraction of whole units of the currency, None when the payer says; `expires_ms` is the last block
    time at which a dynamic code may be paid, None of a static one. `shown` is {what the API calls it: text}."""
    account: str
    currency: str
    amount: Fraction
    expires_ms: int
    shown: dict


def identity(payload):
    """What names a code."""
    return wire.digest("khqr", payload.encode())


def md5(payload):
    """By what shops look for payments; nothing rests on it."""
    return hashlib.md5(payload.encode(), usedforsecurity=False).hexdigest()


def units(text):
    """How long a text is: in units of UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def digits(text):
    return re.fullmatch("[0-9]*", text) is not None


def crc16(bytes_):
    """CRC-16/CCITT-FALSE."""
    return binascii.crc_hqx(bytes_, 0xFFFF)


def elements(text):
    """([(tag, value)], is it whole): value is None in an element that breaks off behind its tag."""
    found = []
    while text:
        tag, length = text[:2], text[2:4]
        if len(tag) < 2 or not digits(tag):
            return found, False
        value = cut(text[4:], int(length)) if len(length) == 2 and digits(length) else None
        found.append((tag, value))
        if value is None:
            return found, False
        text = text[4 + len(value) :]
    return found, True


def cut(text, length):
    """The first so many units; None when there are fewer, or they end inside a character."""
    for characters in range(min(length, len(text)) + 1):
        if units(text[:characters]) == length:
            return text[:characters]
    return None


def read(payload):
    """The Code; Rejected for the first thing that is wrong, which need not have the lowest number."""
    check_sum(payload)
    found, whole = elements(payload)
    # The last of what is there twice; the order is that in which tags came first.
    values, tags = {tag: value for tag, value in found if value is not None}, [tag for tag, _ in found]
    inner = {tag: elements(value) for tag, value in found if value is not None and tag in TEMPLATES}
    check_presence(tags, values)
    once = lambda names: len(set(names)) == len(names)
    alone = once(tags) and not {"29", "30"} <= set(tags) and tags[-1] == "63"
    if not (whole and alone and all(ends and once([tag for tag, _ in parts]) for parts, ends in inner.values())):
        raise Rejected(INVALID)
    templates = {tag: dict(parts) for tag, (parts, _) in inner.items()}
    for tag in tags:
        if tag in FIELDS:
            FIELDS[tag](values, templates)
    return code(values, templates)


def check_sum(payload):
    before, given = payload[:-4], payload[-4:]
    given = int(given, 16) if re.fullmatch("[0-9A-Fa-f]{4}", given) else None
    if not before.endswith("6304") or given != crc16(before.encode()):
        raise Rejected(INVALID)
    if units(payload) < UNITS_LEAST or len(payload.encode()) > BYTES_MOST:
        raise Rejected(INVALID)


def check_presence(tags, values):
    """An element that breaks off is there."""
    dynamic = values.get("01") == "12"
    lacks_terms = (dynamic and "54" not in tags) or ((dynamic or "54" in tags) and "99" not in tags)
    if lacks_terms or any(tag not in tags and not (tag == "29" and "30" in tags) for tag in REQUIRED):
        raise Rejected(INCOMPLETE)


def code(values, templates):
    """Of what was found in order."""
    payee = templates.get("29") or templates["30"]
    dynamic, notes = values.get("01") == "12", templates.get("62", {})
    amount = Fraction(values.get("54", "0")) or None
    names = {"bill_number": "01", "mobile_number": "02", "store_label": "03", "terminal_label": "07", "purpose": "08"}
    shown = {"name": values["59"], "dynamic": dynamic} | {name: notes.get(tag, "") for name, tag in names.items()}
    expires_ms = int(templates["99"]["01"]) if dynamic else None
    return Code(payee["00"], CURRENCIES[values["53"]][0], amount, expires_ms, shown)


# ----- what each field must be; the first that is not gives the reason

def text(value, most, empty=INCOMPLETE):
    """There, not empty, and no longer than so many units."""
    require(value, empty)
    require(units(value) <= most)
    return value


def require(holds, why=FIELD):
    if not holds:
        raise Rejected(why)


def plain(tag, most):
    return lambda values, templates: text(values[tag], most)


def format_(values, templates):
    require(text(values["00"], 2) == "01", INVALID)


def initiation(values, templates):
    require(values["01"] in ("11", "12"))


def union_pay(values, templates):
    require(not values["15"] or values.get("53") != "840")


def payee(values, templates):
    merchant = "30" in templates
    parts = templates["30" if merchant else "29"]
    require(any(tag in parts for tag in ("00", "01", "02")), INCOMPLETE)
    account = text(parts.get("00"), 32)
    require(account.count("@") == 1 and account[0] != "@" and account[-1] != "@")
    if merchant:
        text(parts.get("01"), 32)
    elif parts.get("01"):
        text(parts["01"], 32)
    if merchant or "02" in parts:
        text(parts.get("02"), 32)


def category(values, templates):
    require(digits(text(values["52"], 4)))


def currency(values, templates):
    require(text(values["53"], 3) in CURRENCIES)


def amount(values, templates):
    """A number of at most 13 characters, as written and as the currency writes it. Zero is none."""
    said = values["54"]
    require(re.fullmatch(r"[0-9]+(\.[0-9]+)?", said) and len(said) <= AMOUNT_CHARACTERS)
    if values.get("53") in CURRENCIES:
        minor = Fraction(said) * 10 ** CURRENCIES[values["53"]][1]
        require(minor.denominator == 1)
        require(len(written(Fraction(said))) <= AMOUNT_CHARACTERS)
    require(Fraction(said) or values.get("01") != "12", INCOMPLETE)


def written(amount_):
    """As a code has an amount: whole, or with two decimals."""
    return str(amount_) if amount_.denominator == 1 else f"{int(amount_)}.{int(amount_ * 100 % 100):02}"


def additional(values, templates):
    for tag in ("01", "02", "03", "07", "08"):
        if tag in templates["62"]:
            text(templates["62"][tag], 25, empty=FIELD)


def language(values, templates):
    preference, name, city = (templates["64"].get(tag) for tag in ("00", "01", "02"))
    if (preference, name, city) == (None, None, None):
        return
    require(name or not preference, INCOMPLETE)
    text(preference, 2, empty=FIELD)
    text(name, 25)
    if city is not None:
        text(city, 15, empty=FIELD)


def times(values, templates):
    """Of a static code they bind nobody."""
    if values.get("01") != "12":
        return
    made, ends = templates["99"].get("00"), templates["99"].get("01") or ""
    is_time = lambda said: len(said) == TIME_DIGITS and digits(said)
    require(ends and digits(ends), INCOMPLETE)
    require(is_time(ends))
    require(int(ends), INCOMPLETE)
    require(ends[0] != "0")
    require(made is None or not is_time(made) or int(made) <= int(ends))
    require(made is None or is_time(made), INVALID)


FIELDS = {
    "00": format_, "01": initiation, "15": union_pay, "29": payee, "30": payee, "52": category, "53": currency,
    "54": amount, "58": plain("58", 3), "59": plain("59", 25), "60": plain("60", 15), "62": additional,
    "64": language, "99": times,
}
