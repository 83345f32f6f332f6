"""Personal data as the ledger sees it: sealed, in one form and of few sizes.
Follows docs/execution.md and docs/decisions/0063-sealed-personal-data.md.

Must not know: how it is encrypted, what stands in it."""
import re
from base64 import b64encode

SIZES = (524, 652, 908, 1_420)
# 32 bytes in base64 without padding: the last character stands for four bits, and two that are 0.
LINE = rb"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]\n"
HEADER = re.compile(rb"age-encryption\.org/v1\n(?:-> X25519 %s%s){3}--- %s" % (LINE, LINE, LINE))


def fits(bytes_):
    """Is it of the form? What follows the header must not read as text."""
    header = HEADER.match(bytes_)
    return len(bytes_) in SIZES and header is not None and not is_text(bytes_[header.end() :])


def is_text(bytes_):
    try:
        bytes_.decode()
    except UnicodeDecodeError:
        return False
    return True


def invent(random):
    """Random bytes of the form, of a random size."""
    line = lambda: b64encode(random.randbytes(32)).rstrip(b"=") + b"\n"
    header = b"age-encryption.org/v1\n"
    header += b"".join(b"-> X25519 " + line() + line() for _ in range(3)) + b"--- " + line()
    return header + random.randbytes(random.choice(SIZES) - len(header))


def spoil(random):
    """Bytes that are not of the form, and nearly are."""
    good = invent(random)
    body = HEADER.match(good).end()
    at, recipient = random.randrange(body), good[22:120]
    return random.choice([
        good[:-1], good + b"\0", good[:at] + b"\x80" + good[at + 1 :],
        # Another last character of the same 32 bytes; plain text behind the header; two and four recipients.
        good[: body - 2] + b"B\n" + good[body:], good[:body] + b"rice " * 500, b"Pay Sok Dara for rice. ",
        good[:body] + b"rice. " * ((len(good) - body) // 6) + b" " * ((len(good) - body) % 6),
        good[:22] + good[120:] + bytes(98), good[:22] + recipient + good[22:-98],
    ])
