"""The writer's side, where all workers meet: batches, acknowledgements, workers that come and go.

Law of this module: one commit runs at a time, in a thread; the next batch is whatever arrived meanwhile, so
there is no timer between an entry and its flush. A worker hears `ack` only for what `Writer.append` has
returned from. What a refused batch held is forgotten here, because the worker keeps it and sends it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from bylaw.ledger.failures import Refused
from bylaw.ledger.protocol import Hello, Kind, ProtocolError, seq_message
from bylaw.ledger.state import Record, Stream
from bylaw.ledger.writer import RECORDS_MAX, Writer

BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
PENDING_BYTES_MAX: Final = 16 * 1024 * 1024
SYNC_LAG_S: Final = 0.04
GRACE_S: Final = 5.0
"""A worker that has not come back after this long is gone; its open intents are closed as `abandoned`."""
RETRY_S: Final = 1.0

Job = tuple[Callable[[], Any], Callable[[], None]]
"""Something for the writer's thread besides a batch, and what to do when it is done."""


class Worker(Protocol):
    """The connection of a worker; see `connection`."""

    def send(self, message: bytes) -> None:
        """Send one message, unless the worker has gone."""
        ...

    def refuse(self, reason: str) -> None:
        """Tell that nothing behind the last ack is written."""
        ...

    def end(self, last: bytes = b"") -> None:
        """Close, after `last`."""
        ...

    def pause(self) -> None:
        """Read nothing for now."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class Lane:
    """One stream of entries: how far it has come, and over which connection it comes."""

    __slots__ = ("connection", "durable", "gap", "received", "stream")

    def __init__(self, stream: Stream, durable: int) -> None:
        self.stream, self.durable, self.received = stream, durable, durable
        self.gap = False
        self.connection: Worker | None = None


class Hub:
    """Collects what all workers send, commits it, answers.

    Args:
        writer: the open ledger; from now on only the hub's thread touches it.
        grace_s: see `GRACE_S`.
        stopping: ends the writer when set; one of its own if None.
    """

    def __init__(
        self, writer: Writer, grace_s: float = GRACE_S, stopping: asyncio.Event | None = None
    ) -> None:
        self.writer, self._grace_s = writer, grace_s
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "ledger-writer")
        self._pending: list[tuple[Lane, Record]] = []
        self._pending_bytes = 0
        self._jobs: list[Job] = []
        self._committing = self._scheduled = self._sync_planned = False
        self._draining = self._closed = False
        self.lanes: dict[Stream, Lane] = {}
        self.connections: set[Worker] = set()
        self.failure: BaseException | None = None
        self.stopping = stopping or asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        for stream in set(writer.state.intents.values()):
            self._loop.call_later(grace_s, self._bury, stream)

    def greet(self, connection: Worker, hello: Hello) -> Lane:
        """Take a worker in; its welcome follows when what it must know is durable."""
        if hello.mode != self.writer.mode:
            raise ProtocolError(f"this ledger runs in mode {self.writer.mode}, not {hello.mode}")
        stream = (hello.boot, hello.worker)
        lane = self.lanes.setdefault(stream, Lane(stream, self.writer.state.streams.get(stream, 0)))
        leaps = hello.next_seq > lane.durable + 1 and not lane.gap
        if leaps and lane.received > lane.durable:
            raise ProtocolError("entries are missing between those sent and those to come")
        if lane.connection is not None:
            lane.connection.end()
        lane.connection = connection
        if leaps:
            self._leap(lane, hello.next_seq - 1)
        if not lane.gap:
            connection.send(seq_message(Kind.WELCOME, lane.durable))
        return lane

    def _leap(self, lane: Lane, to_seq: int) -> None:
        lane.gap, lane.received = True, to_seq
        self._do((lambda: self.writer.record_gap(lane.stream, to_seq), lambda: self._leapt(lane)))

    def _leapt(self, lane: Lane) -> None:
        lane.gap, lane.durable = False, lane.received
        if lane.connection is not None:
            lane.connection.send(seq_message(Kind.WELCOME, lane.durable))

    def take(self, lane: Lane, record: Record) -> None:
        """Queue one record."""
        lane.received = record.seq
        self._pending.append((lane, record))
        self._pending_bytes += len(record.leaf)
        self._schedule()

    def lost(self, connection: Worker, lane: Lane | None) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if lane is not None and lane.connection is connection:
            lane.connection = None
            self._loop.call_later(self._grace_s, self._bury, lane.stream)

    @property
    def full(self) -> bool:
        """Whether workers must wait until the disk has caught up."""
        return self._draining or self._pending_bytes > PENDING_BYTES_MAX

    def _bury(self, stream: Stream) -> None:
        lane = self.lanes.get(stream)
        if lane is not None and lane.connection is not None:
            return
        if lane is not None and lane.received > lane.durable:
            self._loop.call_later(self._grace_s, self._bury, stream)
            return
        self.lanes.pop(stream, None)
        self._do((lambda: self.writer.abandon(stream), lambda: None))

    def _do(self, job: Job) -> None:
        self._jobs.append(job)
        self._schedule()

    def _schedule(self) -> None:
        # Deferred to the end of the loop's turn, so that what all sockets hold goes into one batch.
        if not self._scheduled and not self._committing:
            self._scheduled = True
            self._idle.clear()
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._scheduled = False
        if self.failure is not None or self._closed or not (self._pending or self._jobs):
            self._idle.set()
            return
        jobs, self._jobs = self._jobs, []
        batch = self._cut_batch() if not jobs else []
        self._committing = True
        work = self._loop.run_in_executor(self._thread, self._work, jobs, [record for _, record in batch])
        work.add_done_callback(lambda done: self._committed(done, jobs, batch))

    def _cut_batch(self) -> list[tuple[Lane, Record]]:
        size, count = 0, 0
        for _, record in self._pending[:RECORDS_MAX]:
            size, count = size + len(record.leaf), count + 1
            if size >= BATCH_BYTES_MAX:
                break
        batch, self._pending = self._pending[:count], self._pending[count:]
        self._pending_bytes -= size
        return batch

    def _work(self, jobs: list[Job], records: list[Record]) -> None:
        for job, _ in jobs:
            job()
        if records:
            self.writer.append(records)

    def _committed(
        self, done: asyncio.Future[None], jobs: list[Job], batch: list[tuple[Lane, Record]]
    ) -> None:
        self._committing = False
        error = done.exception()
        if error is None:
            for _, after in jobs:
                after()
            self._acknowledge(batch)
        elif isinstance(error, Refused):
            self._refuse(str(error), jobs, batch)
        else:
            self.failure = error
            self.stopping.set()
        self._resume()
        self._plan_sync()
        self._schedule()

    def _acknowledge(self, batch: list[tuple[Lane, Record]]) -> None:
        for lane, record in batch:
            lane.durable = record.seq
        for lane in {lane for lane, _ in batch}:
            if lane.connection is not None:
                lane.connection.send(seq_message(Kind.ACK, lane.durable))

    def _refuse(self, reason: str, jobs: list[Job], batch: list[tuple[Lane, Record]]) -> None:
        lanes = {lane for lane, _ in batch}
        self._pending = [(lane, record) for lane, record in self._pending if lane not in lanes]
        self._pending_bytes = sum(len(record.leaf) for _, record in self._pending)
        for lane in lanes:
            lane.received = lane.durable
            if lane.connection is not None:
                lane.connection.refuse(reason)
        for job in jobs:
            self._loop.call_later(RETRY_S, self._do, job)

    def _plan_sync(self) -> None:
        if self.writer.unsynced and not self._sync_planned:
            self._sync_planned = True
            self._loop.call_later(SYNC_LAG_S, self._sync)

    def _sync(self) -> None:
        self._sync_planned = False
        self._do((self.writer.sync, lambda: None))

    def _resume(self) -> None:
        if not self.full:
            for connection in self.connections:
                connection.resume()

    async def drain(self) -> None:
        """Take nothing more, commit what came, acknowledge it, let go of the ledger."""
        self._draining = True
        for connection in self.connections:
            connection.pause()
        while self.failure is None and not self._idle.is_set():
            await self._idle.wait()
        self._closed = True
        await self._loop.run_in_executor(self._thread, self._finish)
        for connection in list(self.connections):
            connection.end()
        self._thread.shutdown()

    def _finish(self) -> None:
        if self.failure is None:
            self.writer.sync()
        self.writer.close()
