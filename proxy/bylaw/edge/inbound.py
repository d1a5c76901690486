"""A request of aiohttp's server as the corridor sees it.

Law of this module: every wait for the client is bounded; malformed framing is a 400, never a silent end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from bylaw.edge.framing import bad, check_framing, check_host, index_fields, origin_form
from bylaw.errors import ClientError
from bylaw.limits import Limits
from bylaw.stages.ports import RawHeaders

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpInbound:
    """Implements `stages.ports.Inbound`.

    Raises (from the constructor):
        ClientError: the head is ambiguous or malformed.
    """

    __slots__ = ("_fields", "_limits", "_request", "headers", "length", "method", "path", "peer", "target")

    def __init__(self, request: web.BaseRequest, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self.method = request.method
        self.headers: RawHeaders = request.raw_headers
        minor = request.version.minor
        self._fields = fields = index_fields(request.raw_headers, limits.headers_max)
        check_framing(fields, minor)
        check_host(fields, minor)
        self.target = origin_form(self.method, request.raw_path)
        self.path = self.target.partition("?")[0]
        peer = request.protocol.peername
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.length = self._length(fields)

    def _length(self, fields: dict[bytes, bytes]) -> int | None:
        if b"transfer-encoding" in fields:
            return None
        return int(fields.get(b"content-length", b"0"))

    def header(self, name: str) -> str | None:
        """The first field of this name (lower case), decoded as Latin-1 (RFC 9110 5.5)."""
        value = self._fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def upgrade(self) -> str:
        """The protocol that the client wants to switch to, lower case; empty if none."""
        connection = (self.header("connection") or "").lower()
        if "upgrade" not in [token.strip() for token in connection.split(",")]:
            return ""
        return (self.header("upgrade") or "").lower()

    def _invite(self) -> None:
        """Answer `Expect: 100-continue` (RFC 9110 10.1.1), unless the body is on its way already."""
        expect = self.header("expect")
        if expect is None or self._request.version.minor == 0:
            return
        if expect.lower() != "100-continue":
            raise ClientError(417, "unknown_expectation", "the only expectation met is 100-continue")
        transport = self._request.transport
        if transport is not None and self._request.content.total_bytes == 0:
            transport.write(CONTINUE)

    async def whole(self, bytes_max: int) -> bytes:
        """The whole body, bounded in bytes and in time (`read_ms_max`).

        Raises:
            ClientError: 413 too large, 408 too slow, 400 malformed, 417 unknown expectation.
        """
        if self.length is not None and self.length > bytes_max:
            raise too_large(bytes_max)
        body = self.arrived()
        if body is not None:
            return self._bounded(body, bytes_max)
        self._invite()
        try:
            async with asyncio.timeout(self._limits.read_ms_max / 1000):
                return await self._collect(bytes_max)
        except TimeoutError:
            raise ClientError(408, "body_too_slow", "the body took too long to arrive") from None

    def arrived(self) -> bytes | None:
        """The whole body if all of it is here already.

        Raises:
            ClientError: 400 malformed.
        """
        content = self._request.content
        if not content.is_eof():
            return None
        try:
            return content.read_nowait()
        except web.RequestPayloadError:
            raise bad("bad_body", "the body's framing is malformed") from None

    async def _collect(self, bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        left = bytes_max
        while piece := await self._next():
            left -= len(piece)
            if left < 0:
                raise too_large(bytes_max)
            pieces.append(piece)
        return b"".join(pieces)

    @staticmethod
    def _bounded(body: bytes, bytes_max: int) -> bytes:
        if len(body) > bytes_max:
            raise too_large(bytes_max)
        return body

    async def _next(self) -> bytes:
        """The next piece; empty at the end. aiohttp's readany() is empty only there."""
        try:
            return await self._request.content.readany()
        except web.RequestPayloadError:
            raise bad("bad_body", "the body's framing is malformed") from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece; only silence is bounded (`idle_ms_max`), not size."""
        self._invite()
        idle_s = self._limits.idle_ms_max / 1000
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    piece = await self._next()
            except TimeoutError:
                raise ClientError(408, "body_too_slow", "the body stopped arriving") from None
            if not piece:
                return
            yield piece


def too_large(bytes_max: int) -> ClientError:
    """413: over the limit."""
    return ClientError(413, "body_too_large", f"the body is larger than {bytes_max} bytes")
