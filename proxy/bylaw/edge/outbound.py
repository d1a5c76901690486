"""A reply on its way to the client, written straight to the transport.

Law of this module: framing is ours; a head is written once; a message of known length that does not reach it
is aborted, never finished. aiohttp's response objects are passed by: they would change the case and the
order of fields, add fields of their own, and cost a tenth of the request (docs/adr/002).
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from bylaw.edge.tunnel import relay_both
from bylaw.limits import Limits
from bylaw.stages.ports import RawHeaders, TunnelEnd

HIGH_WATER = 64 * 1024
NO_LENGTH = frozenset({204, 304})
SWITCHING = 101


class Sent(web.StreamResponse):
    """What the handler returns to aiohttp when everything has been written already."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self._keep = keep

    async def prepare(self, _request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, _data: bytes = b"") -> None:
        return None

    @property
    def keep_alive(self) -> bool:
        return self._keep


class HttpOutbound:
    """Implements `stages.ports.Outbound` over the transport of one request."""

    __slots__ = ("_chunked", "_drain_s", "_head", "_left", "_request", "_silent", "close", "ended", "started")

    def __init__(self, request: web.BaseRequest, limits: Limits, *, close: bool) -> None:
        self._request = request
        self._drain_s = limits.drain_ms_max / 1000
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self._silent = False
        self.close = close or not request.keep_alive
        self.started = False
        self.ended = False

    def start(
        self, status: int, reason: str, headers: RawHeaders, length: int | None, head_only: bool = False
    ) -> None:
        """Queue the head; it leaves together with the first bytes of the body."""
        assert not self.started, "a head is written once"
        self.started = True
        # What is left of the body would be read as the next request: this connection ends with this reply.
        self.close = self.close or not self._request.content.is_eof()
        self._silent = head_only or status in NO_LENGTH
        lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason.encode("latin-1", "replace"))]
        lines += [b"%b: %b\r\n" % field for field in headers]
        if status == SWITCHING:
            self._head = b"".join([*lines, b"\r\n"])
            return
        lines.append(self._framing(status, length))
        if self.close:
            lines.append(b"Connection: close\r\n")
        elif self._request.version.minor == 0:
            lines.append(b"Connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def _framing(self, status: int, length: int | None) -> bytes:
        if length is not None:
            self._left = None if self._silent else length
            return b"" if status == 204 else b"Content-Length: %d\r\n" % length
        if self._silent:
            return b""
        if self._request.version.minor == 0:
            self.close = True
            return b""
        self._chunked = True
        return b"Transfer-Encoding: chunked\r\n"

    async def write(self, data: bytes) -> None:
        """Queue bytes of the body.

        Raises:
            ConnectionError: the client has gone, or took nothing for `drain_ms_max`.
        """
        if not data or self._silent:
            return
        if self._left is not None:
            self._left -= len(data)
            assert self._left >= 0, "more bytes than Content-Length promised"
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self._put(data)

    async def _put(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if self._head:
            data, self._head = self._head + data, b""
        transport.write(data)
        if transport.get_write_buffer_size() > HIGH_WATER:
            await self._drain()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._drain_s):
                await self._request.writer.drain()
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client does not read") from None

    async def end(self) -> None:
        """Finish the message: the last chunk, or nothing where the length says it."""
        if self._left:
            self.abort()
            return
        if self._chunked:
            await self._put(b"0\r\n\r\n")
        elif self._head:
            await self._put(b"")
        self.ended = True

    async def tunnel(self, upstream: TunnelEnd) -> None:
        """The connection becomes a tunnel, and is closed after it."""
        self.close = True
        await self._put(b"")
        self._silent = self._chunked = False
        await relay_both(self._request, self._put, upstream)
        self.ended = True

    def abort(self) -> None:
        """Close at once, so that the client cannot take what it has for the whole."""
        self.close = True
        transport = self._request.transport
        if transport is not None and not self.ended:
            if self.started and not self._head:
                self._flush_then_close(transport)
            else:
                transport.abort()

    @staticmethod
    def _flush_then_close(transport: asyncio.Transport) -> None:
        """What was released before may still arrive; the missing end of the message tells the rest."""
        transport.close()
