"""The worker's side of the ledger.

Law of this module: an entry that got a sequence number is sent until the writer says that it has it, across
lost connections and restarts of the writer, and is written exactly once. What the caller is told differs:

- `strict`, `final`: the future of `append` resolves when the entry is durable. If that takes longer than
  `deadline_s`, or the writer says that it cannot write, the future fails with `Overloaded`; the entry stays
  queued and may still be written, so a record of a refused exchange is possible and right.
- `async`: the future is resolved at once, whatever happens. That is the trade of this mode: an entry that
  does not fit into the buffer is counted in `lost`, and the alarm is raised.

An entry for which there is no room gets no number; how many there were is told by a `gap` entry
(`unwritten`) as soon as there is room again. The last eighth of the buffer is closed to intents, so that
exchanges under way can finish.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bylaw.clock import Clock
from bylaw.ledger.counters import Counters
from bylaw.ledger.entry import Entry, Role, role_of
from bylaw.ledger.link import Link
from bylaw.ledger.outbox import Outbox, Waiting
from bylaw.ledger.protocol import Hello, entry_message

CHUNK_BYTES: Final = 256 * 1024
BACKOFF_MIN_S: Final = 0.02
BACKOFF_MAX_S: Final = 0.5


class LedgerClient:
    """Appends to the ledger of this host through its writer; implements `stages.ports.LedgerPort`.

    Args:
        socket_path: see `writer_process.socket_path_for`.
        worker: name of this worker: letters, digits, `._-`, at most 32.
        mode: `strict`, `final` or `async`; the writer's.
        clock: where time comes from.
        buffer_bytes_max: entries that wait for an acknowledgement.
        deadline_s: how long a caller waits in `strict` and `final`.
        alarm: called with one sentence when the ledger stops taking entries.

    Must be made and used inside one running event loop.
    """

    def __init__(
        self,
        socket_path: Path,
        worker: str,
        mode: str,
        clock: Clock,
        *,
        buffer_bytes_max: int = 64 * 1024 * 1024,
        deadline_s: float = 2.0,
        alarm: Callable[[str], None] | None = None,
    ) -> None:
        self.boot, self.worker, self.mode = secrets.token_hex(8), worker, mode
        self.counters = Counters()
        self._outbox = Outbox(self.counters)
        self._path, self._clock, self._alarm = socket_path, clock, alarm
        self._bytes_max, self._deadline_ns = buffer_bytes_max, int(deadline_s * 1e9)
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._done.set_result(None)
        self._seq = self._unwritten = 0
        self._link: Link | None = None
        self._pump_planned = self._held = self._closing = False
        self._refusing = ""
        self._backoff_s = BACKOFF_MIN_S
        self._down_since_ns = clock.monotonic_ns()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._connector = self._loop.create_task(self._keep_connected(), name="ledger-client")

    @property
    def connected(self) -> bool:
        """Whether the writer takes entries now."""
        return self._link is not None and not self._refusing

    def append(self, kind: str, exchange: str, fields: Mapping[str, Any]) -> asyncio.Future[None]:
        """Append one entry.

        Args:
            kind: `intent`, `outcome`, ...; see `entry`.
            exchange: id of the exchange.
            fields: what to record; no floats, no reserved keys.

        Returns:
            A future that resolves as the mode says, or fails with `Overloaded("ledger_unavailable")`.

        Raises:
            ValueError: see `Entry.encode`.
        """
        now_ns, role, seq = self._clock.monotonic_ns(), role_of(kind), self._seq + 1
        leaf = Entry(kind, exchange, fields).encode(
            self._clock.wall_us(), now_ns // 1000, self.boot, self.worker, seq
        )
        wire = entry_message(seq, role, exchange, leaf)
        if self._closing or self.counters.queue_bytes + len(wire) > self._room(role):
            return self._turned_away()
        self._seq = seq
        future = self._answer(now_ns)
        self._outbox.put(Waiting(seq, wire, future, now_ns + self._deadline_ns))
        if self._sweep_timer is None and not future.done():
            self._sweep_timer = self._loop.call_later(self._deadline_ns / 1e9, self._sweep)
        self._plan_pump()
        return future

    def _room(self, role: Role) -> int:
        return self._bytes_max * 7 // 8 if role is Role.OPENS else self._bytes_max

    def _answer(self, now_ns: int) -> asyncio.Future[None]:
        if self._link is None and not self._refusing and now_ns - self._down_since_ns > self._deadline_ns:
            self._refuse("the ledger's writer does not answer")
        if self.mode == "async":
            return self._done
        return self._failed(self._refusing) if self._refusing else self._loop.create_future()

    def _turned_away(self) -> asyncio.Future[None]:
        self._unwritten += 1
        reason = "the ledger is closing" if self._closing else "the ledger's buffer is full"
        if self._unwritten == 1:
            self._raise_alarm(reason)
        if self.mode == "async":
            self.counters.lost += 1
            return self._done
        return self._failed(reason)

    def _failed(self, reason: str) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._outbox.fail(future, reason)
        return future

    def _raise_alarm(self, reason: str) -> None:
        if self._alarm is not None:
            self._alarm(reason)

    def _sweep(self) -> None:
        now_ns = self._clock.monotonic_ns()
        next_ns = self._outbox.fail_overdue(now_ns)
        self._sweep_timer = self._loop.call_later((next_ns - now_ns) / 1e9, self._sweep) if next_ns else None

    def _plan_pump(self) -> None:
        # All that is appended in one turn of the loop leaves in one write.
        if not self._pump_planned:
            self._pump_planned = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_planned = False
        link = self._link
        if link is None or link.paused or self._held or not self._outbox.unsent:
            return
        link.send(self._outbox.take(CHUNK_BYTES))
        # While the writer refuses, one chunk at a time asks whether it still does.
        self._held = bool(self._refusing)
        if self._outbox.unsent:
            self._plan_pump()

    def welcomed(self, link: Link, seq: int) -> None:
        """The writer has everything up to `seq`; send the rest."""
        self._link = link
        self.acknowledged(seq)

    def acknowledged(self, seq: int) -> None:
        """The writer has everything up to `seq`."""
        self._outbox.settle(seq)
        self._held, self._refusing = False, ""
        self._backoff_s = BACKOFF_MIN_S
        if self._unwritten and not self._closing and self.counters.queue_bytes < self._bytes_max // 2:
            unwritten, self._unwritten = self._unwritten, 0
            self.append("gap", "", {"unwritten": unwritten})
        if self._outbox.unsent:
            self._plan_pump()
        if self._closing and not self._outbox:
            self._drained.set()

    def refused(self, seq: int, reason: str) -> None:
        """The writer could write nothing behind `seq`; try again later."""
        self._outbox.settle(seq)
        self._outbox.rewind()
        self._held = True
        self._refuse(reason)
        self._loop.call_later(self._next_backoff_s(), self._probe)

    def _probe(self) -> None:
        self._held = False
        self._pump()

    def _refuse(self, reason: str) -> None:
        if not self._refusing:
            self._raise_alarm(reason)
        self._refusing = reason
        self._outbox.fail_asking(reason)

    def _next_backoff_s(self) -> float:
        now_s, self._backoff_s = self._backoff_s, min(self._backoff_s * 2, BACKOFF_MAX_S)
        return now_s

    def turned_down(self, reason: str) -> None:
        """The writer does not accept this worker at all."""
        self._refuse(reason)

    def resumed(self) -> None:
        """The socket takes bytes again."""
        self._plan_pump()

    async def _keep_connected(self) -> None:
        while True:
            await self._connect_once()
            await asyncio.sleep(self._next_backoff_s())

    async def _connect_once(self) -> None:
        next_seq = self._outbox.first_seq() or self._seq + 1
        link = Link(self, Hello(self.boot, self.worker, self.mode, next_seq))
        try:
            await self._loop.create_unix_connection(lambda: link, str(self._path))
            await link.ended
            self.counters.disconnects += 1
        except OSError:
            # No writer there at this moment; `append` tells after `deadline_s`.
            pass
        finally:
            self._disconnected(link)

    def _disconnected(self, link: Link) -> None:
        link.close()
        if self._link is link:
            self._link = None
            self._down_since_ns = self._clock.monotonic_ns()
            self._outbox.rewind()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Take no more entries, wait until the writer has all, disconnect.

        Args:
            timeout_s: after this long the entries that the writer still has not are counted in `lost`.
        """
        self._closing = True
        if self._outbox:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), timeout_s)
        self.counters.lost += len(self._outbox)
        self._outbox.fail_asking("the ledger is closing")
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._connector.cancel()
        await asyncio.wait([self._connector])
