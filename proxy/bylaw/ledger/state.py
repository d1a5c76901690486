"""What the writer must remember of the entries behind it: sequence numbers and open intents.

Law of this module: the state is a function of the entries alone, so that recovery rebuilds exactly what the
writer knew. At each new segment the state is written down in `carry` entries, so that recovery reads one
segment and not all. Both tables are bounded: the least recently used stream is forgotten first (its worker,
should it come back, is told that a gap was recorded), and intents beyond the bound are not watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from bylaw.ledger.entry import Role, role_of

STREAMS_MAX: Final = 10_000
OPEN_INTENTS_MAX: Final = 32_768
WRITER: Final = "writer"
"""The name under which the writer itself appends; no worker may have it."""

_STREAMS_PER_ENTRY: Final = 300
_INTENTS_PER_ENTRY: Final = 130

Stream = tuple[str, str]
"""One life of one worker: (boot, worker)."""


class Record(NamedTuple):
    """A leaf on its way to the disk, with what the writer needs to know of it."""

    stream: Stream
    seq: int
    role: Role
    exchange: str
    leaf: bytes


class State:
    """Highest sequence number of each stream, intents without an outcome, durability mode in force."""

    __slots__ = ("intents", "mode", "streams")

    def __init__(self) -> None:
        self.streams: dict[Stream, int] = {}
        self.intents: dict[str, Stream] = {}
        self.mode = ""

    def apply(self, stream: Stream, seq: int, role: Role, exchange: str) -> None:
        """Take note of one durable entry."""
        self.streams.pop(stream, None)
        self.streams[stream] = seq
        if role is Role.OPENS:
            if len(self.intents) < OPEN_INTENTS_MAX:
                self.intents[exchange] = stream
        elif role is Role.CLOSES:
            self.intents.pop(exchange, None)
        if len(self.streams) > STREAMS_MAX:
            del self.streams[next(iter(self.streams))]

    def observe(self, entry: Mapping[str, Any]) -> None:
        """Take note of one entry as read back.

        Raises:
            KeyError, TypeError, ValueError: it is none of ours.
        """
        stream, kind = (entry["boot"], entry["worker"]), entry["type"]
        if stream[1] == WRITER:
            self._observe_own(kind, entry)
        self.apply(stream, int(entry["seq"]), role_of(kind), entry["exchange"])

    def _observe_own(self, kind: str, entry: Mapping[str, Any]) -> None:
        if kind in {"boot", "carry"}:
            self.mode = entry["mode"]
        if kind == "carry":
            self.streams.update({(boot, worker): seq for boot, worker, seq in entry["streams"]})
            self.intents.update({exchange: (boot, worker) for exchange, boot, worker in entry["intents"]})
        elif kind == "gap":
            self.streams[entry["of_boot"], entry["of_worker"]] = entry["to_seq"]

    def carry(self) -> Iterator[dict[str, Any]]:
        """The fields of the `carry` entries that hold all of this; at least one."""
        streams = [[boot, worker, seq] for (boot, worker), seq in self.streams.items()]
        intents = [[exchange, boot, worker] for exchange, (boot, worker) in self.intents.items()]
        while True:
            yield {
                "mode": self.mode,
                "streams": streams[:_STREAMS_PER_ENTRY],
                "intents": intents[:_INTENTS_PER_ENTRY],
            }
            streams, intents = streams[_STREAMS_PER_ENTRY:], intents[_INTENTS_PER_ENTRY:]
            if not streams and not intents:
                return

    def intents_of(self, stream: Stream) -> list[str]:
        """Exchanges that this stream began and has not finished."""
        return [exchange for exchange, owner in self.intents.items() if owner == stream]
