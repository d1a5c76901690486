"""A reply whose head is here and whose body is still on its way.

Law of this module: a body that did not come to its proper end never ends like one that did, and a reply that
was let go never touches its connection again, because somebody else may be using it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bylaw.upstream.connection import Connection
from bylaw.upstream.framing import ReplyHead
from bylaw.upstream.tunnel import Tunnel


class Reply:
    """Implements `bylaw.stages.ports.UpstreamReply`. Call `release` when done with it, in any case.

    Attributes:
        status: 101 (if an upgrade was asked for) or 200 to 999.
        reason: reason phrase, possibly empty.
        headers: raw, in order and case, framing headers included.
        length: declared length of the body in bytes, None if unknown. For a reply to HEAD and for 304 it is
            the length of the body that is not there.
    """

    __slots__ = ("_connection", "headers", "length", "reason", "status")

    def __init__(self, connection: Connection, head: ReplyHead) -> None:
        self._connection: Connection | None = connection
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.length = head.length

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it arrives, what came in one tick in one piece; closed early, it closes the connection.

        Raises:
            UpstreamError: reset, idle for too long, malformed framing.
        """
        try:
            while self._connection is not None and (data := await self._connection.piece()):
                yield data
        finally:
            self.release()

    def upgrade(self) -> Tunnel:
        """Take the connection of a 101 reply over; the caller then closes the tunnel.

        Raises:
            AssertionError: the reply is not 101, or was released.
        """
        assert self.status == 101 and self._connection is not None, "only a 101 reply becomes a tunnel, once"
        connection, self._connection = self._connection, None
        return Tunnel(connection)

    def release(self) -> None:
        """Done with this reply: its connection is kept if the reply is whole, closed at once otherwise."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()
