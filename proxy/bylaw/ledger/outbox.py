"""Entries of a worker that the writer has not acknowledged, in order.

Law of this module: an entry leaves only when the writer has it. `unsent` follows `sent` in sequence;
`asking` are those of both whose caller still waits, oldest first, so that one timer serves all deadlines.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bylaw.errors import Overloaded
from bylaw.ledger.counters import Counters


class Waiting:
    """One entry: its number, its message to the writer, who waits for it and until when."""

    __slots__ = ("due_ns", "future", "seq", "wire")

    def __init__(self, seq: int, wire: bytes, future: asyncio.Future[None], due_ns: int) -> None:
        self.seq, self.wire, self.future, self.due_ns = seq, wire, future, due_ns


class Outbox:
    """The queue between `append` and the acknowledgement.

    Args:
        counters: where to count.
    """

    __slots__ = ("_asking", "_sent", "_unsent", "counters")

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self._unsent: deque[Waiting] = deque()
        self._sent: deque[Waiting] = deque()
        self._asking: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._sent) + len(self._unsent)

    @property
    def unsent(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent)

    def put(self, waiting: Waiting) -> None:
        """Queue an entry; if its future is open, somebody waits for it."""
        self.counters.appended += 1
        self.counters.queue_bytes += len(waiting.wire)
        self._unsent.append(waiting)
        if not waiting.future.done():
            self._asking.append(waiting)

    def take(self, bytes_max: int) -> bytes:
        """What to send next: whole messages, at least one, until `bytes_max` is reached."""
        parts: list[bytes] = []
        size, unsent, sent = 0, self._unsent, self._sent
        while unsent and size < bytes_max:
            waiting = unsent.popleft()
            sent.append(waiting)
            parts.append(waiting.wire)
            size += len(waiting.wire)
        return b"".join(parts)

    def rewind(self) -> None:
        """What was sent and not acknowledged must be sent again."""
        self.counters.resent += len(self._sent)
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()

    def settle(self, seq: int) -> None:
        """The writer has everything up to `seq`."""
        for queue in (self._sent, self._unsent):
            while queue and queue[0].seq <= seq:
                waiting = queue.popleft()
                self.counters.acked += 1
                self.counters.queue_bytes -= len(waiting.wire)
                if not waiting.future.done():
                    waiting.future.set_result(None)
        asking = self._asking
        while asking and asking[0].future.done():
            asking.popleft()

    def first_seq(self) -> int:
        """Number of the first entry here; 0 if there is none."""
        for queue in (self._sent, self._unsent):
            if queue:
                return queue[0].seq
        return 0

    def fail_asking(self, reason: str) -> None:
        """Tell everybody who waits that it will not be soon; the entries stay."""
        while self._asking:
            self.fail(self._asking.popleft().future, reason)

    def fail_overdue(self, now_ns: int) -> int:
        """Tell those whose time is up; the next deadline, 0 if nobody waits."""
        asking = self._asking
        while asking and (asking[0].due_ns <= now_ns or asking[0].future.done()):
            self.fail(asking.popleft().future, "the ledger did not confirm the entry in time")
        return asking[0].due_ns if asking else 0

    def fail(self, future: asyncio.Future[None], reason: str) -> None:
        """Fail one future, unless its caller gave up before."""
        if not future.done():
            self.counters.refused += 1
            future.set_exception(Overloaded("ledger_unavailable", reason))
            # A client that left may leave nobody to await this; the counter tells of it.
            future.exception()
