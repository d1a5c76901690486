"""What must hold between entries: sequence numbers, intents and outcomes.

Law of this module: written from the format alone and not shared with the writer's own memory (`state`), so
that one does not repeat the other's mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import orjson

from bylaw.ledger.entry import SCHEMA

_KEYS: Final = {
    "v": int,
    "type": str,
    "exchange": str,
    "nonce": str,
    "at_us": int,
    "mono_us": int,
    "boot": str,
    "worker": str,
    "seq": int,
}


class Pairing:
    """Looks at entries in order.

    Args:
        note: called with what is worth knowing and no failure.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._next_seq: dict[tuple[str, str], int] = {}
        self._open: set[str] = set()
        self._closed: set[bytes] = set()
        self._abandoned: set[bytes] = set()
        self._strict = False

    @property
    def open_intents(self) -> int:
        """Exchanges begun and not finished."""
        return len(self._open)

    def objection(self, leaf: bytes) -> str:
        """Why this entry does not hold; empty if it does."""
        try:
            entry: Any = orjson.loads(leaf)
        except orjson.JSONDecodeError as error:
            return f"not JSON: {error}"
        return self._malformed(entry) or self._out_of_sequence(entry) or self._unpaired(entry)

    def _malformed(self, entry: Any) -> str:
        if not isinstance(entry, dict):
            return "not a JSON object"
        for key, kind in _KEYS.items():
            if type(entry.get(key)) is not kind:
                return f"its {key!r} is missing or of the wrong type"
        return "" if entry["v"] == SCHEMA else f"schema {entry['v']}; this version reads {SCHEMA}"

    def _out_of_sequence(self, entry: dict[str, Any]) -> str:
        stream = (entry["boot"], entry["worker"])
        expected = self._next_seq.get(stream, 1)
        if entry["seq"] != expected:
            return f"worker {stream[1]} (boot {stream[0]}): sequence {entry['seq']} where {expected} belongs"
        self._next_seq[stream] = expected + 1
        return self._by_writer(entry) if stream[1] == "writer" else ""

    def _by_writer(self, entry: dict[str, Any]) -> str:
        if entry["type"] == "boot":
            self._strict = entry.get("mode") == "strict"
        elif entry["type"] == "gap":
            return self._gap(entry)
        elif entry["type"] == "recovered":
            self._note(
                f"a write of {entry.get('bytes')} bytes was interrupted; quarantine/{entry.get('name')}"
            )
        return ""

    def _gap(self, entry: dict[str, Any]) -> str:
        boot, worker = entry.get("of_boot"), entry.get("of_worker")
        first, last = entry.get("from_seq"), entry.get("to_seq")
        if not (isinstance(boot, str) and isinstance(worker, str) and type(first) is type(last) is int):
            return "a malformed gap"
        expected = self._next_seq.get((boot, worker), 1)
        if not first <= expected <= last:
            return f"a gap of entries {first} to {last} where {expected} belongs"
        self._next_seq[boot, worker] = last + 1
        self._note(f"worker {worker} (boot {boot}): entries {first} to {last} were lost; a gap entry says so")
        return ""

    def _unpaired(self, entry: dict[str, Any]) -> str:
        kind, exchange = entry["type"], entry["exchange"]
        if kind == "intent":
            self._open.add(exchange)
        elif kind == "abandoned" and exchange in self._open:
            self._open.remove(exchange)
            self._abandoned.add(_digest(exchange))
        return self._outcome(entry, exchange) if kind == "outcome" else ""

    def _outcome(self, entry: dict[str, Any], exchange: str) -> str:
        digest = _digest(exchange)
        if digest in self._closed:
            return f"a second outcome of exchange {exchange}"
        self._closed.add(digest)
        if exchange in self._open:
            self._open.remove(exchange)
        elif digest in self._abandoned:
            self._note(f"exchange {exchange} was given up for abandoned, and its outcome came later")
        elif self._strict and entry.get("forwarded") is not False:
            return f"outcome of exchange {exchange}, but no intent"
        return ""


def _digest(exchange: str) -> bytes:
    return blake2b(exchange.encode(), digest_size=12).digest()
