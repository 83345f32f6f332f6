"""Answers each line of JSON on standard input with the code that PyPI's bakong-khqr, unmodified, makes of it.

Its clock is frozen at `now`, in milliseconds.
"""

import json
import sys
import time

from bakong_khqr import KHQR

for line in sys.stdin:
    order = json.loads(line)
    time.time = lambda: order["now"] / 1000
    khqr = KHQR()
    try:
        payload = khqr.create_qr(**order["input"])
        answer = {"payload": str(payload), "md5": khqr.generate_md5(str(payload))}
    except ValueError as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer), flush=True)
