"""Random KHQR codes, good and spoilt, and who pays by them.

Must not know: which reason is given for a spoilt one."""
import khqr

NUMBERS = {name: (number, decimals) for number, (name, decimals) in khqr.CURRENCIES.items()}
DAY_MS = 24 * 3_600_000
# Codes that are shown at once, of which some are paid a second time.
SHOWN_MOST = 40
# How many accounts pay by one code at a time.
RACE_MOST = 8
# What stands where something else should.
ODD = (
    "", "0", "00", "01", "11", "12", "13", "116", "840", "978", "x", "@", "a@b", "a@b@c", "A@b", "1.5", "1.50", "1.005",
    ".5", "5.", "0.00", "+1", "1e3", "12345678901.5", "9999999999999", "១", "ខ្មែរ" * 6, "🍚" * 13, "x" * 33, "x" * 99,
    "0000", "000", "0001a0001b", "0005four", "0010x", "1" * 13, "0" * 13,
)


def written(elements, crc=None):
    """The code of these elements, with its checksum."""
    whole = "".join(element(tag, value) for tag, value in elements) + "6304"
    return whole + (crc or f"{khqr.crc16(whole.encode()):04X}")


def element(tag, value):
    return f"{tag}{khqr.units(value) % 100:02}{value}"


def template(parts):
    return "".join(element(tag, value) for tag, value in parts.items() if value)


def show(chance):
    """A code that an account shows: (account, asset, amount in minor units or None, payload)."""
    payee, asset = chance.account("credit"), chance.asset()
    if payee is None:
        return None
    number, decimals = NUMBERS[asset]
    dynamic = chance.often(0.6)
    minor = chance.random.randint(1, 300) if dynamic or chance.often(0.4) else None
    elements = [("00", "01")] + ([("01", "12" if dynamic else "11")] if dynamic or chance.often(0.8) else [])
    if asset == "KHR" and chance.often(0.1):
        elements.append(("15", "1" * 31))
    elements += [named(chance, payee), ("52", chance.random.choice(["5999", "0000", "5"])), ("53", number)]
    if minor or (asset == "USD" and chance.often(0.1)):
        elements.append(("54", amount(chance, minor or 0, decimals)))
    name = chance.random.choice(["Sok Dara", "សុខ ដារ៉ា", "Rice 🍚"])
    elements += [("58", "KH"), ("59", name), ("60", "Phnom Penh")]
    elements += notes(chance) + times(chance, dynamic, any(tag == "54" for tag, _ in elements))
    if chance.often(0.2):
        elements.append(("80", "0004TEST"))
    if chance.often(0.1):
        chance.random.shuffle(elements)
    crc = written(elements)[-4:]
    units_ = 10 ** (chance.state.exponents[asset] - decimals)
    return payee, asset, minor and minor * units_, written(elements, crc.lower() if chance.often(0.1) else crc)


def named(chance, payee):
    """Whose code it is: a person's or a merchant's."""
    bank = chance.random.choice(["", "Dev Bank"])
    if chance.often(0.5):
        return "29", template({"00": payee, "01": chance.text("acc"), "02": bank})
    return "30", template({"00": payee, "01": f"shop-{chance.number()}", "02": bank or "បុប្ផា"})


def amount(chance, minor, decimals):
    """As codes write it, mostly: 1.5 and 1.50 and 01.5 are one amount."""
    text = f"{minor // 10**decimals}" + (f".{minor % 10**decimals:0{decimals}}" if decimals else "")
    if decimals and chance.often(0.3):
        text = text.rstrip("0").rstrip(".") or "0"
    return "0" * chance.often(0.05) + text


def notes(chance):
    """62 and 64."""
    texts = {tag: chance.text("n") for tag in ("01", "02", "03", "07", "08")}
    found = [("62", template(texts))] if any(texts.values()) else []
    return found + ([("64", template({"00": "km", "01": "ហាង", "02": chance.text("city")}))] if chance.often(0.2) else [])


def times(chance, dynamic, priced):
    """99: an hour mostly, some end soon; what static codes have there binds nobody."""
    now = chance.time_ms
    if not dynamic:
        return [("99", template({"00": str(now)}))] if priced or chance.often(0.2) else []
    ends = [now + 3_600_000, chance.soon(), now + 89 * DAY_MS, now + 91 * DAY_MS, now - 1]
    ends = chance.random.choices(ends, (70, 20, 4, 4, 2))[0]
    return [("99", template({"00": str(now) if ends > now else "", "01": str(ends)}))]


def shown(chance):
    """A code that is new, or one that was shown before."""
    if chance.codes and chance.often(0.3):
        return chance.random.choice(chance.codes)
    code = show(chance)
    if code:
        chance.codes = [*chance.codes, code][-SHOWN_MOST:]
    return code


def paying(chance, code, payer=None):
    """Pays by a code."""
    payee, asset, minor, payload = code
    payer = payer or chance.account("debit", asset, payee)
    fields = {"does": "pay_khqr", "from": payer, "to": payee, "asset": asset, "payload": payload}
    fields |= {"amount_minor": minor or max(chance.amount(payer, asset) // 10, 1)}
    return payer and fields | {"instruction_ref": chance.reference(), "external_ref": chance.text("bill")}


def pay_khqr(chance):
    code = shown(chance)
    made = code and paying(chance, code)
    if not made or chance.often(0.7):
        return made
    return made | {"payload": spoilt(chance, made, "payload")}


def race(chance):
    """Several pay by one dynamic code: a list of operations, for a transaction each."""
    code = next((code for code in (show(chance) for _ in range(10)) if code and dynamic(code[3])), None)
    payers = {chance.account("debit", code[1], code[0]) for _ in range(RACE_MOST)} - {None} if code else ()
    return [paying(chance, code, payer) for payer in sorted(payers)]


def dynamic(payload):
    return "010212" in payload


# ----- spoilt codes: their elements are changed, and their checksum mostly holds

def spoilt(chance, good, field):
    """The same code with some of it changed."""
    found, _ = khqr.elements(good[field])
    elements = [(tag, value or "") for tag, value in found if tag != "63"]
    for _ in range(chance.random.choice([1, 1, 1, 2])):
        if elements:
            elements = chance.random.choice([*CHANGES, inside, inside, inside, other])(chance, elements)
    payload = written(elements)
    way = chance.random.random()
    if way < 0.05:
        payload = payload[:-4] + chance.random.choice(["0000", "+ABC", "ZZZZ", "១", payload[-4:] + "\n"])
    elif way < 0.15:
        # What breaks off, or has no end; the checksum holds.
        broken = chance.random.choice(["5", "59", "5905", "5990x", "8012", "80086304", "63040000", "x"])
        whole = payload[:-8] + broken + "6304"
        payload = whole + f"{khqr.crc16(whole.encode()):04X}"
    return payload or "0"


def drop(chance, elements):
    at = chance.random.randrange(len(elements))
    return elements[:at] + elements[at + 1 :]


def odd(chance, elements):
    at = chance.random.randrange(len(elements))
    return elements[:at] + [(elements[at][0], chance.random.choice(ODD))] + elements[at + 1 :]


def twice(chance, elements):
    return [*elements, (chance.random.choice(elements)[0], chance.random.choice(ODD))]


def swap(chance, elements):
    return chance.random.sample(elements, len(elements))


def other(chance, elements):
    """Another tag, among them those of templates."""
    tag = chance.random.choice(["01", "15", "29", "30", "54", "62", "64", "80", "99", "63"])
    return [*elements, (tag, chance.random.choice(ODD))]


def inside(chance, elements):
    """The same in a template."""
    at = chance.one(at for at, (tag, _) in enumerate(elements) if tag in khqr.TEMPLATES)
    parts = [(tag, value or "") for tag, value in khqr.elements(elements[at][1])[0]] if at is not None else []
    if not parts:
        return odd(chance, elements)
    parts = chance.random.choice(CHANGES)(chance, parts)
    if chance.often(0.3):
        parts = [*parts, (chance.random.choice(["00", "01", "02", "08"]), chance.random.choice(ODD))]
    value = "".join(element(tag, value) for tag, value in parts)
    return elements[:at] + [(elements[at][0], khqr.cut(value, min(khqr.units(value), 99)) or "")] + elements[at + 1 :]


CHANGES = (drop, odd, odd, odd, odd, twice, swap)
KINDS = {pay_khqr: 14}
