"""The sending half of a connection, with back-pressure.

Law of this module: never more of a body in memory than the write buffer and one piece; never a byte more or
less than the declared length; and the transport's buffer must shrink while it is full, or the peer is stuck.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from bylaw.errors import ClientError

BUFFER_BYTES_MAX = 64 * 1024
# Below this a copy is cheaper than a second system call.
_JOIN_BYTES_MAX = 64 * 1024


class Sender:
    """Writes requests to one transport.

    Args:
        transport: where to.
        on_sent: called when the last byte of a request has left to the operating system.
        on_error: called when the body could not be had; the request is cut off then.
    """

    __slots__ = ("_buffered", "_on_error", "_on_sent", "_task", "_transport", "_whole", "blocked", "waiter")

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        on_sent: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        # low=0: "resume" then means that everything has left, which starts the wait for the reply.
        transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX, low=0)
        self._transport = transport
        self._on_sent = on_sent
        self._on_error = on_error
        self._task: asyncio.Task[None] | None = None
        self._whole = True
        self._buffered = 0
        self.blocked = False
        self.waiter: asyncio.Future[None] | None = None

    @property
    def idle(self) -> bool:
        """Nothing is left to be sent."""
        return self._whole and not self.blocked and self._transport.get_write_buffer_size() == 0

    @property
    def uploading(self) -> bool:
        """The body has not been handed over entirely."""
        return not self._whole

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request whose body is known."""
        if len(body) <= _JOIN_BYTES_MAX:
            self._transport.write(head + body if body else head)
        else:
            self._transport.write(head)
            self._transport.write(body)
        self._finish()

    def upload(self, head: bytes, body: AsyncIterator[bytes], length: int | None) -> None:
        """Start to send a request whose body comes piece by piece; see `stop`."""
        self._whole = False
        self._transport.write(head)
        self._task = asyncio.get_running_loop().create_task(self._upload(body, length))

    def stop(self) -> None:
        """Stop reading the body, if it is still being read. The request stays unfinished."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def drain(self) -> None:
        """Wait until the write buffer is empty, if it was full."""
        while self.blocked and not self._transport.is_closing():
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        if self._transport.is_closing():
            await asyncio.sleep(0)  # a body that never waits would keep the news of the close from arriving

    def write(self, data: bytes) -> None:
        """Write bytes of another protocol; `drain` afterwards."""
        self._transport.write(data)

    def pause(self) -> None:
        """The write buffer is full."""
        self.blocked = True
        self._buffered = self._transport.get_write_buffer_size()

    def resume(self) -> None:
        """The write buffer is empty again."""
        self.blocked = False
        self.wake()
        if self._whole:
            self._on_sent()

    def stalled(self) -> bool:
        """Whether nothing has left since this was asked, or since the buffer got full."""
        before, self._buffered = self._buffered, self._transport.get_write_buffer_size()
        return self.blocked and self._buffered >= before

    def wake(self) -> None:
        """Let `drain` look again."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def _finish(self) -> None:
        self._whole = True
        if not self.blocked:
            self._on_sent()

    async def _upload(self, body: AsyncIterator[bytes], length: int | None) -> None:
        try:
            await (self._write_chunks(body) if length is None else self._write_exactly(body, length))
        except Exception as error:  # whatever the body raises goes to who reads the reply
            self._task = None
            self._on_error(error)
        else:
            self._task = None
            self._finish()

    async def _write_chunks(self, body: AsyncIterator[bytes]) -> None:
        async for piece in body:
            if piece:  # an empty chunk would end the body
                self._transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
                await self.drain()
        self._transport.write(b"0\r\n\r\n")

    async def _write_exactly(self, body: AsyncIterator[bytes], length: int) -> None:
        left = length
        async for piece in body:
            left -= len(piece)
            if left < 0:
                break
            self._transport.write(piece)
            await self.drain()
        if left:
            raise ClientError(400, "body_length", "the body is longer or shorter than its declared length")
