"""A shop that waits for a payment, over the calls that Bakong's Open API has. Nothing but Python's own library.

usage: shop.py BASE_URL PAYLOAD        (the token stands in the variable TONLE_TOKEN)

Prints each answer as a line of JSON: the payment by MD5, then the same by hash, short hash, references and lists.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal

DEADLINE_S = 60


class Refused(Exception):
    """An answer that is no; its first argument is the error code of Bakong's table, or None."""


class Shop:
    def __init__(self, base: str, token: str):
        self.base, self.token = base.rstrip("/"), token

    def ask(self, call: str, body):
        """The data of an answer; an amount is a Decimal, never a float."""
        request = urllib.request.Request(
            f"{self.base}/v1/{call}",
            data=json.dumps(body, default=str).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.load(response, parse_float=Decimal, parse_int=Decimal)
        except urllib.error.HTTPError as error:
            if error.code == 429:
                time.sleep(int(error.headers["Retry-After"]))
                return self.ask(call, body)
            answer = json.load(error)
        if answer["responseCode"] != 0:
            raise Refused(answer["errorCode"], answer["responseMessage"])
        return answer["data"]

    def wait_for_payment(self, payload: str):
        """Asks until the code is paid; it may be asked for again at any time, the answer stays the same."""
        md5 = hashlib.md5(payload.encode()).hexdigest()
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.ask("check_transaction_by_md5", {"md5": md5})
            except Refused as refused:
                if refused.args[0] != 1 or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)


def main(base: str, payload: str) -> None:
    shop = Shop(base, os.environ["TONLE_TOKEN"])
    paid = shop.wait_for_payment(payload)
    by_hash = shop.ask("check_transaction_by_hash", {"hash": paid["hash"]})
    short = {"hash": paid["hash"][:8], "amount": paid["amount"], "currency": paid["currency"]}
    md5 = hashlib.md5(payload.encode()).hexdigest()
    answers = {
        "md5": paid,
        "hash": by_hash,
        "short_hash": shop.ask("check_transaction_by_short_hash", short),
        "instruction_ref": shop.ask("check_transaction_by_instruction_ref", {"instructionRef": by_hash["instructionRef"]}),
        "external_ref": shop.ask("check_transaction_by_external_ref", {"externalRef": by_hash["externalRef"]}),
        "md5_list": shop.ask("check_transaction_by_md5_list", [md5, "0" * 32]),
        "hash_list": shop.ask("check_transaction_by_hash_list", [paid["hash"], "0" * 64]),
    }
    for name, answer in answers.items():
        print(json.dumps({name: answer}, default=lambda value: int(value) if value == int(value) else str(value)))


if __name__ == "__main__":
    main(*sys.argv[1:])
