"""Writes one reply at its pace, by timers instead of tasks, because it runs beside what is measured.

Invariant: at most one timer a player, and nothing is written while the transport asks to pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bylaw_loadtest.scripted.reply import Ending, Reply

_FLUSH_POLL_S = 0.001


class Player:
    """Plays one reply.

    Args:
        transport: where to write.
        reply: what to write.
        done: called with the ending once everything is written.
    """

    __slots__ = ("_done", "_due_s", "_ended", "_loop", "_paused", "_pieces", "_reply", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, reply: Reply, done: Callable[[Ending], None]) -> None:
        self._transport, self._reply, self._done = transport, reply, done
        self._loop = asyncio.get_running_loop()
        self._pieces = iter(reply.pieces)
        self._timer: asyncio.TimerHandle | None = None
        self._paused = self._ended = False
        self._due_s = self._loop.time() + reply.head_delay_s

    def start(self) -> None:
        """Write what may be written now; timers do the rest."""
        if self._reply.head_delay_s:
            self._timer = self._loop.call_at(self._due_s, self._begin)
        else:
            self._begin()

    def pause(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resume(self) -> None:
        """The transport takes bytes again."""
        self._paused = False
        if self._timer is None and not self._ended:
            self._write_next()

    def stop(self) -> None:
        """The client left."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self._timer = None
        first = next(self._pieces, b"")
        self._transport.write(self._reply.head + first)
        self._pace()

    def _write_next(self) -> None:
        self._timer = None
        while not self._paused:
            piece = next(self._pieces, None)
            if piece is None:
                return self._end()
            self._transport.write(piece)
            if self._reply.piece_delay_s:
                return self._pace()
        return None

    def _pace(self) -> None:
        self._due_s += self._reply.piece_delay_s
        if not self._reply.piece_delay_s:
            return self._write_next()
        self._timer = self._loop.call_at(self._due_s, self._write_next)
        return None

    def _end(self) -> None:
        # A reset drops what the transport has not yet given to the kernel, which the script wants delivered.
        if self._reply.ending == "rst" and self._transport.get_write_buffer_size():
            self._timer = self._loop.call_later(_FLUSH_POLL_S, self._end)
            return
        self._ended = True
        self._done(self._reply.ending)
