"""One worker's connection, as the writer sees it.

Law of this module: entries of a stream are taken in sequence and once. A number that was seen is dropped
silently (the worker did not know); a number too high ends the connection, except right after a refusal,
when what was on its way before is ignored.
"""

from __future__ import annotations

import asyncio
import os
from typing import cast

from bylaw.ledger.hub import Hub, Lane
from bylaw.ledger.protocol import (
    Inbox,
    Kind,
    ProtocolError,
    parse_entry,
    parse_hello,
    peer_uid,
    refused_message,
    seq_message,
)
from bylaw.ledger.state import Record


class Connection(asyncio.Protocol):
    """One worker's end of the socket."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._inbox = hub, Inbox()
        self._lane: Lane | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._hub.connections.add(self)
        if peer_uid(transport.get_extra_info("socket")) != os.geteuid():
            self.end(refused_message("this writer serves processes of its own user only"))

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for kind, rest in self._inbox.feed(data):
                self._receive(kind, rest)
        except ProtocolError as error:
            self.end(refused_message(str(error)))
        if self._hub.full:
            self.pause()

    def _receive(self, kind: int, rest: bytes) -> None:
        lane = self._lane
        if kind == Kind.ENTRY and lane is not None:
            seq, role, exchange, leaf = parse_entry(rest)
            if seq == lane.received + 1:
                self._refused = False
                self._hub.take(lane, Record(lane.stream, seq, role, exchange, leaf))
            elif seq > lane.received and not self._refused:
                raise ProtocolError(f"entry {seq} where {lane.received + 1} belongs")
        elif kind == Kind.HELLO and lane is None:
            self._lane = self._hub.greet(self, parse_hello(rest))
        else:
            raise ProtocolError(f"message {kind} has no place here")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._hub.lost(self, self._lane)

    def send(self, message: bytes) -> None:
        """Send one message, unless the worker has gone."""
        if self._transport is not None:
            self._transport.write(message)

    def refuse(self, reason: str) -> None:
        """Nothing behind the last ack is written; what is still on its way from before is ignored."""
        assert self._lane is not None
        self._refused = True
        self.send(seq_message(Kind.NACK, self._lane.durable, reason))

    def end(self, last: bytes = b"") -> None:
        """Close, after `last`."""
        if self._transport is not None:
            if last:
                self._transport.write(last)
            self._transport.close()

    def pause(self) -> None:
        """Read nothing for now."""
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
