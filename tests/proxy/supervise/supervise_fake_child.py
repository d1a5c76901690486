"""A child that speaks the supervisor's protocol and does as the test says; the standard library alone.

    supervise_fake_child.py FOLDER ROLE INDEX FD

What it is told is appended to FOLDER/events. A file FOLDER/ORDER-ROLE-INDEX is an order, carried out once:
`hang` (at a ping), `deaf` (refuses to be healthy, until removed), `slow` (start takes 0.5 s), `mute` (start
fails), `fragile` (dies at commit), `refuse` (refuses to commit once), `never` (as long as the file is there),
`ponder` (takes 0.8 s to prepare). The text of the snapshot is an order to all: `bad`, `deadly`, `split`.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

folder, role, index, fd = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
pipe = socket.socket(fileno=fd).makefile("rwb")
plan = candidate = ""
pings = 0


def tell(text):
    with (folder / "events").open("a") as events:
        events.write(f"{role} {index} {text}\n")


def ordered(order, once=True):
    path = folder / f"{order}-{role}-{index}"
    if not path.exists():
        return False
    if once:
        path.unlink()
    return True


def start(fields):
    global plan
    if ordered("slow"):
        time.sleep(0.5)
    if ordered("mute"):
        os._exit(7)
    plan = fields["snapshot"]["text"]
    tell(f"start {plan} pid {os.getpid()}")
    if plan == "refused":
        return {"error": "policy.yaml:7: no such guard", "exit": 2}
    return {"ok": True, "digest": plan}


def prepare(fields):
    global candidate
    candidate = fields["snapshot"]["text"]
    tell(f"prepare {candidate}")
    if ordered("ponder"):
        time.sleep(0.8)
    if candidate == "bad" and index == 1:
        return {"error": "policy.yaml:3: steps[0].use: no such guard", "exit": 2}
    if candidate == "deadly" and index == 0:
        os._exit(9)
    return {"ok": True, "digest": candidate + (str(index) if candidate == "split" else "")}


def commit(fields):
    global plan
    if ordered("fragile"):
        os._exit(9)
    if ordered("refuse") or ordered("never", once=False):
        tell("refuse")
        return {"error": "no such candidate", "exit": 2}
    plan = candidate
    tell(f"commit {fields['digest']}")
    return {"ok": True}


def abort(fields):
    tell("abort")
    return {"ok": True}


def ping(fields):
    if ordered("hang"):
        time.sleep(60)
    return {"ok": not ordered("deaf", once=False)}


def stats(fields):
    return {"counters": [["bylaw_ledger_appended", [], 5]], "stages": {}, "in_flight": 1}


def drain(fields):
    tell(f"drain {fields['drain_s']:g}")
    while ordered("busy", once=False):
        time.sleep(0.01)
    return {"ok": True, "leave": True}


def stop(fields):
    tell("stop")
    return {"ok": True, "leave": True}


def serve():
    for line in pipe:
        message = json.loads(line)
        body = globals()[message["op"]](message["fields"])
        leave = body.pop("leave", False)
        pipe.write(json.dumps({"re": message["id"], "body": body}).encode() + b"\n")
        pipe.flush()
        if leave:
            tell("left")
            os._exit(0)


try:
    serve()
except OSError:  # killed while one of them had something to say
    pass
tell("orphaned")
os._exit(0)
