"""What the client knows, outside every node: a file of JSON lines, each written before or right after a call.

    {"t": 1234, "event": "made", "id": …, "kind": "pay", "operations": […], "not_after_ms": …}  before the first call
    {"t": 1236, "event": "sent", "id": …, "node": "wing", "method": "SubmitAndWait"}            before each call
    {"t": 1290, "event": "answer", "id": …, "node": "wing", "outcome": …, …}                    after each call
    {"t": 2000, "event": "kill" or "restart", "nodes": ["wing"], "round": 7, …}                 what was done to nodes

`t` is in milliseconds since the file was opened. Outcomes of an answer: `final` and `duplicate` come with the receipt
as it was answered; `rejected` with code, height and index of the receipt; `accepted` is Submit's word that it is
queued; `refused` came with a reason and without a receipt; `lost` is a call that nobody answered."""
import json
import threading
import time


class Journal:
    """Writes the file. Threads may share it."""

    def __init__(self, path):
        self.path, self.file, self.began, self.lock = path, open(path, "x"), time.monotonic(), threading.Lock()

    def write(self, event, **fields):
        with self.lock:
            line = {"t": round((time.monotonic() - self.began) * 1000), "event": event} | fields
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


class Sent:
    """A transaction as the journal tells of it."""

    def __init__(self, made):
        self.id, self.kind, self.not_after_ms = made["id"], made["kind"], made["not_after_ms"]
        self.operations, self.answers, self.calls = made["operations"], [], 0

    def outcomes(self):
        return {answer["outcome"] for answer in self.answers}


def read(path):
    """Every transaction of a journal by its id, and the other events."""
    transactions, events = {}, []
    for line in open(path):
        entry = json.loads(line)
        if entry["event"] == "made":
            transactions[entry["id"]] = Sent(entry)
        elif entry["event"] == "sent":
            transactions[entry["id"]].calls += 1
        elif entry["event"] == "answer":
            transactions[entry["id"]].answers.append(entry)
        else:
            events.append(entry)
    return transactions, events
