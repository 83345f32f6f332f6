"""Why the ledger refuses: names and numbers, read from docs/rejections.md, which clients read too. Of several reasons
that hold the lowest number is given; so a check here names all that hold, and `refuse` picks.

Must not know: what is refused."""
import os
import re

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))


def read():
    """{name: number} of every row."""
    text = open(os.path.join(ROOT, "docs", "rejections.md"), encoding="utf-8").read()
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", text, re.MULTILINE)
    return {name: int(number) for name, number in rows}


NUMBERS = read()
# Judged for a whole transaction at execution: a receipt, and the id stays free.
FREE = range(20, 30)


class Rejected(Exception):
    """Takes no effect, for the reason `code`."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def refuse(*reasons):
    """Raises the lowest of the reasons that hold, if any does: each is a name, a set of names, or nothing."""
    holding = set()
    for reason in reasons:
        holding |= {reason} if isinstance(reason, str) else set(reason or ())
    if holding:
        raise Rejected(min(holding, key=NUMBERS.__getitem__))


def reason(code, holds):
    """{code} when it holds."""
    return {code} if holds else set()
