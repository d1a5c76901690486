"""Raw bytes both ways after 101 Switching Protocols (RFC 9110, section 7.8).

Law of this module: nothing here reads what passes through. Both directions have back-pressure, and silence in
both directions for `idle_ms_max` ends the tunnel.
"""

from __future__ import annotations

from bylaw.upstream.connection import Connection


class Tunnel:
    """The upstream's end of a tunnel. One reader and one writer may use it at the same time."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self) -> bytes:
        """The next bytes from the upstream; empty when it sends no more.

        Raises:
            UpstreamError: reset, or silent for too long.
        """
        return await self._connection.piece()

    async def write(self, data: bytes) -> None:
        """Send bytes to the upstream; waits while it is slower than the buffer.

        Raises:
            UpstreamError: the connection is gone.
        """
        await self._connection.write(data)

    def write_eof(self) -> None:
        """The client sends no more. The upstream may still answer."""
        self._connection.write_eof()

    def close(self) -> None:
        """End both directions at once; a `read` that still waits raises."""
        self._connection.abort()
