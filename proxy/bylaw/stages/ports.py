"""The walls of the corridor: what the stages need from sockets, upstream and ledger, as Protocols.

Law of this module: no aiohttp here. `edge` and `upstream` implement these; tests may put fakes in their place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Protocol

RawHeaders = Sequence[tuple[bytes, bytes]]


class Inbound(Protocol):
    """A request as it came in, framing already checked and undone."""

    method: str
    target: str
    """Origin-form request target, as received: path and query."""
    path: str
    headers: RawHeaders
    """As received, in order and case."""
    peer: str
    """Address of the client, without port; empty if unknown."""
    length: int | None
    """Declared body length; None when chunked; 0 when there is no body."""

    @property
    def upgrade(self) -> str:
        """Protocol that the client wants to switch to, lower case; empty if none."""
        ...

    def header(self, name: str) -> str | None:
        """The value of the first field of this name (given in lower case), or None."""
        ...

    async def whole(self, bytes_max: int) -> bytes:
        """The whole body; answers `Expect: 100-continue` first.

        Raises:
            ClientError: too large (413), too slow (408), malformed (400).
        """
        ...

    def arrived(self) -> bytes | None:
        """The whole body if all of it is here already, else None; a small body then costs no waiting and no pieces."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, as it arrives; answers `Expect: 100-continue` first.

        Raises:
            ClientError: malformed body (400), too slow (408).
        """
        ...


class Outbound(Protocol):
    """The reply on its way to the client."""

    started: bool
    """True as soon as a byte of the head may have left."""

    def start(
        self, status: int, reason: str, headers: RawHeaders, length: int | None, head_only: bool = False
    ) -> None:
        """Queue the head. `length` None: chunked (or until close for HTTP/1.0)."""
        ...

    async def write(self, data: bytes) -> None:
        """Queue bytes of the body; waits while the client is slower than its buffer.

        Raises:
            ConnectionError: the client has gone or took nothing for `drain_ms_max`.
        """
        ...

    async def end(self) -> None:
        """Finish the message properly."""
        ...

    async def tunnel(self, upstream: TunnelEnd) -> None:
        """After a head of status 101: relay raw bytes both ways until either side ends."""
        ...

    def abort(self) -> None:
        """Close without finishing, so that the client cannot mistake it for a whole message."""
        ...


class TunnelEnd(Protocol):
    """The provider's end of a tunnel after 101 Switching Protocols."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the provider is slower."""
        ...

    def close(self) -> None:
        """End both directions at once."""
        ...


class UpstreamReply(Protocol):
    """The head of a reply, and its body on demand."""

    status: int
    reason: str
    headers: RawHeaders
    length: int | None

    def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it arrives, transfer framing undone, content coding not. Whoever stops early closes it.

        Raises:
            UpstreamError: reset, idle for too long, malformed framing.
        """
        ...

    def upgrade(self) -> TunnelEnd:
        """Take over the connection of a 101 reply."""
        ...

    def release(self) -> None:
        """Done with this reply: the connection is kept if its body was read to the end, closed otherwise."""
        ...


class Upstream(Protocol):
    """A pooled client of one provider."""

    async def open(
        self,
        method: str,
        target: str,
        headers: RawHeaders,
        body: bytes | AsyncIterator[bytes],
        length: int | None,
    ) -> UpstreamReply:
        """Send a request and wait for the head of its reply.

        A request is repeated on another connection only if not one byte of a reply came, the connection
        was a kept one, and no byte of the request had left. Cancelling closes the connection.

        Args:
            method: HTTP method.
            target: path and query, relative to the provider's URL.
            headers: end-to-end headers; Host, Content-Length and Transfer-Encoding are made here.
            body: whole body or its pieces.
            length: length of the body if known; None sends it chunked.

        Raises:
            UpstreamError: refused, timed out, reset, malformed.
        """
        ...


class LedgerPort(Protocol):
    """Where entries go; see `bylaw.ledger`."""

    def append(self, kind: str, exchange: str, fields: dict[str, Any]) -> asyncio.Future[None]:
        """Append one entry; the future resolves when the ledger's mode holds the entry safe.

        Raises (through the future):
            Overloaded: the ledger cannot make it durable.
        """
        ...
