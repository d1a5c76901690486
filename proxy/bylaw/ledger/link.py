"""One connection of a ledger client to the writer.

Law of this module: it translates, the client decides; after `ended` is resolved it calls nobody.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from bylaw.ledger.protocol import Hello, Inbox, Kind, ProtocolError, hello_message, parse_seq


class Listener(Protocol):
    """Who wants to know what the writer says."""

    def welcomed(self, link: Link, seq: int) -> None:
        """The writer has everything up to `seq`."""
        ...

    def acknowledged(self, seq: int) -> None:
        """The writer has everything up to `seq`."""
        ...

    def refused(self, seq: int, reason: str) -> None:
        """The writer has everything up to `seq` and could write nothing behind it."""
        ...

    def turned_down(self, reason: str) -> None:
        """The writer does not accept the hello."""
        ...

    def resumed(self) -> None:
        """The socket takes bytes again."""
        ...


class Link(asyncio.Protocol):
    """Says hello, then passes on what the writer answers.

    Args:
        listener: whom to tell.
        hello: who we are.
    """

    def __init__(self, listener: Listener, hello: Hello) -> None:
        self._listener, self._hello, self._inbox = listener, hello, Inbox()
        self._transport: asyncio.Transport | None = None
        self.paused = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=1024 * 1024)
        transport.write(hello_message(self._hello))

    def data_received(self, data: bytes) -> None:
        if self.ended.done():
            return
        try:
            for kind, rest in self._inbox.feed(data):
                self._receive(kind, rest)
        except ProtocolError as error:
            self._listener.turned_down(str(error))
            self.close()

    def _receive(self, kind: int, rest: bytes) -> None:
        if kind == Kind.ACK:
            self._listener.acknowledged(parse_seq(rest)[0])
        elif kind == Kind.WELCOME:
            self._listener.welcomed(self, parse_seq(rest)[0])
        elif kind == Kind.NACK:
            self._listener.refused(*parse_seq(rest))
        elif kind == Kind.REFUSED:
            self._listener.turned_down(rest.decode("utf-8", "replace"))
        else:
            raise ProtocolError(f"message {kind} has no place here")

    def send(self, data: bytes) -> None:
        """Queue bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._listener.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        """End the connection; nothing more is reported."""
        if not self.ended.done():
            self.ended.set_result(None)
        if self._transport is not None:
            self._transport.abort()
