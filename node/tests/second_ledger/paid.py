"""Payments by KHQR codes, as the API answers them and as the second ledger has them.

Must not know: how a code is read."""
import chain
import compare
import wire

# Nobody showed these.
UNKNOWN = [{"md5": "0" * 32}, {"payload": "00020101021129"}]
PAGE = 3


def differences(nodes, state):
    """Lines for all that differs: the first payment of each MD5 and of each code, and those of each MD5."""
    asked = [({"md5": md5}, paid[0]) for md5, paid in sorted(state.paid.items())]
    asked += [({"payload": paid[0]["khqr"]["payload"]}, paid[0]) for _, paid in sorted(state.paid.items())]
    asked += [(fields, None) for fields in UNKNOWN]
    calls = [(nodes[turn % len(nodes)], "GetKhqrPayment", fields) for turn, (fields, _) in enumerate(asked)]
    for (fields, due), answer in zip(asked, chain.together(calls)):
        here = answer and wire.plain(answer.payment)
        yield from compare.standing(f"the first payment of {fields}", here, due)
    for turn, (md5, paid) in enumerate(sorted(state.paid.items())):
        found = every(nodes[turn % len(nodes)], md5)
        yield from compare.standing(f"payments of MD5 {md5}", found, list(reversed(paid)))


def every(node, md5):
    """All payments by codes of an MD5, newest first."""
    found, cursor = [], ""
    while True:
        page = node.call("ListKhqrPayments", md5=md5, page_size=PAGE, cursor=cursor)
        found += [wire.plain(entry) for entry in page.payments]
        cursor = page.next_cursor
        if not cursor:
            return found
