"""One connection to an upstream: requests out, replies in, one exchange at a time.

Law of this module: a connection is either at rest (any byte or end of file closes it), in an exchange, or
dead. It goes back to rest only when request and reply were both whole and nothing else came; in every other
case it is aborted. Received bytes are bounded: above the high-water mark the socket is not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import AsyncIterator, Callable
from typing import cast

from bylaw.upstream.alarm import Alarm
from bylaw.upstream.framing import MalformedReply, ReplyHead
from bylaw.upstream.parser import ReplyParser
from bylaw.upstream.sender import Sender
from bylaw.upstream.terms import Terms

HIGH_WATER_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """A protocol of the event loop that carries exchanges.

    Args:
        terms: waits, name and tally of the upstream.
        sock: the connected socket; the event loop owns it.
        on_rest: takes the connection back and tells whether it may stay open.
        on_lost: told once when the connection is gone.
    """

    __slots__ = (
        "_alarm", "_buffered", "_closing", "_error", "_on_lost", "_on_rest", "_parser", "_paused", "_poll",
        "_reader", "_resting", "_sender", "_socket", "_terms", "_transport",
    )  # fmt: skip

    def __init__(
        self,
        terms: Terms,
        sock: socket.socket,
        on_rest: Callable[[Connection], bool],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._terms = terms
        self._socket = sock
        self._on_rest = on_rest
        self._on_lost = on_lost
        self._parser = ReplyParser()
        self._reader: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._buffered = 0
        self._paused = self._closing = False
        self._resting = True

    # Exchange

    @property
    def gone(self) -> bool:
        """Closed, or about to be."""
        return self._closing or self._transport.is_closing()

    def usable(self) -> bool:
        """Whether a kept connection can carry another request, as far as this side can know."""
        # A close that the event loop has not come to yet shows as readable.
        return not self.gone and not self._poll.poll(0)

    async def exchange(
        self, method: str, upgrade: bool, head: bytes, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> ReplyHead:
        """Send a request and wait for the head of its reply.

        Raises:
            UpstreamError: no reply, or none that can be understood.
            Exception: what the body's iterator raised.
        """
        parser = self._parser
        parser.start(method, upgrade)
        self._resting = False
        if isinstance(body, bytes):
            self._sender.send(head, body)
        else:
            self._sender.upload(head, body, length)
        while parser.head is None:
            await self._wait()
        if parser.head.status >= 400 and self._sender.uploading:
            self._sender.stop()  # the server has decided without the rest
        return parser.head

    async def piece(self) -> bytes:
        """The next bytes of the body, empty at its end.

        Raises:
            UpstreamError: reset, silent for too long, malformed.
            Exception: what the iterator of the request's body raised.
        """
        parser = self._parser
        while not parser.pieces:
            if parser.done:
                return b""
            self._alarm.set(self._terms.idle_s)
            await self._wait()
        return self._take()

    def finish(self) -> None:
        """The exchange is over: back to rest if nothing speaks against it, else abort."""
        parser, head = self._parser, self._parser.head
        whole = parser.done and not parser.surplus and not parser.tunnel
        # A reader that still waits would wake up in somebody else's exchange.
        alone = self._reader is None and not self.gone and self._sender.idle
        if not (whole and alone) or head is None or head.keep_s <= 0:
            return self.abort()
        self._take()
        self._resting = True
        self._alarm.set(min(self._terms.keepalive_s, head.keep_s))
        if not self._on_rest(self):
            self.abort()
        return None

    def abort(self) -> None:
        """Close at once, without sending what is still buffered; whoever still waits gets an error."""
        self._closing = True
        if self._error is None:
            self._error = self._terms.given_up()
        self._sender.stop()
        self._transport.abort()

    # Another protocol, after 101

    async def write(self, data: bytes) -> None:
        """Send bytes of a tunnel; waits while the peer is slower than the buffer.

        Raises:
            UpstreamError: the connection is gone.
        """
        if self._error is not None or self._transport.is_closing():
            raise self._error or self._terms.error("upstream_reset")
        self._alarm.set(self._terms.idle_s)
        self._sender.write(data)
        await self._sender.drain()

    def write_eof(self) -> None:
        """No more bytes go into the tunnel; TLS cannot say so and stays open until `abort`."""
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    # Event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sender = Sender(self._transport, self._sent, self._fail)
        self._alarm = Alarm(asyncio.get_running_loop(), self._rang)
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._resting:
            return self.abort()
        try:
            progress = self._parser.feed(data)
        except MalformedReply as error:
            return self._fail(self._terms.error("upstream_malformed", str(error)))
        self._buffered += len(data)
        if self._buffered > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        if progress:
            self._wake()
        return None

    def eof_received(self) -> bool:
        whole = self._parser.end()
        if not whole and not self._resting:
            self._fail(self._terms.error("upstream_reset"))
        self._wake()
        # A tunnel may still be written to, but TLS cannot be closed by halves.
        half_open = whole and self._parser.tunnel and self._transport.can_write_eof()
        self._closing = not half_open
        return half_open

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and not self._resting and self._parser.head is None:
            self._rescue()
        if not self._parser.done and not self._resting and self._error is None:
            self._error = self._terms.error("upstream_reset")
        self._closing = True
        self._sender.stop()
        self._sender.wake()
        self._alarm.close()
        self._parser.close()
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._sender.pause()
        self._alarm.set(self._terms.idle_s)

    def resume_writing(self) -> None:
        self._sender.resume()

    # Inside

    def _sent(self) -> None:
        # The peer's turn begins now, also if its head came early.
        terms = self._terms
        self._alarm.set(terms.first_byte_s if self._parser.head is None else terms.idle_s)

    def _rang(self) -> None:
        if self._resting:
            self._transport.abort()
        elif self._sender.blocked:
            if self._sender.stalled():
                self._fail(self._terms.error("upstream_idle_timeout"))
            else:
                self._alarm.set(self._terms.idle_s)
        elif self._reader is not None:
            self._time_out()

    def _time_out(self) -> None:
        if self._sender.uploading:  # the wait is for the client, whose silence is bounded elsewhere
            self._alarm.set(self._terms.idle_s)
        else:
            waited_for_head = self._parser.head is None
            self._fail(self._terms.error("upstream_timeout" if waited_for_head else "upstream_idle_timeout"))

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.abort()
        self._wake()
        self._sender.wake()

    def _rescue(self) -> None:
        # A server that refuses an upload answers and closes. Then writing may fail before the answer was
        # read, and the event loop gives up although the answer is here. (Inside TLS it cannot be got at.)
        if self._transport.get_extra_info("ssl_object") is None:
            with contextlib.suppress(OSError, MalformedReply):
                self._parser.feed(self._socket.recv(HIGH_WATER_BYTES, socket.MSG_DONTWAIT))

    def _take(self) -> bytes:
        pieces = self._parser.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def _wait(self) -> None:
        """Until something came, or nothing more will come."""
        if self._error is not None:
            raise self._error
        assert self._reader is None, "one reader at a time"
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
