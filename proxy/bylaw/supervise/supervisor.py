"""The supervisor: starts everything, replaces what dies, reloads, and stops in the right order.

Law of this module: the writer is there before the first worker and after the last one. A signal asks once
for a graceful end and twice for an immediate one. What ends the supervisor without asking is noticed by the
children themselves (`tether`).
"""

from __future__ import annotations

import asyncio
import enum
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

from bylaw.clock import Clock, SystemClock
from bylaw.errors import BylawError
from bylaw.supervise.child import Child, State, Timings, launch
from bylaw.supervise.edition import Edition, Library
from bylaw.supervise.reload import Reload
from bylaw.supervise.slot import Backoff, Slot, Spawn
from bylaw.supervise.totals import Totals
from bylaw.supervise.trigger import Reason, Trigger
from bylaw.tasks import Tasks


class Phase(enum.Enum):
    """Of the supervisor; it goes forward only."""

    NEW = "new"
    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"
    STOPPED = "stopped"


def bylaw_children(timings: Timings) -> Spawn:
    """Children that are Bylaw itself; `-P` keeps files of the working directory from being imported."""

    async def spawn(role: str, index: int) -> Child:
        return await launch(f"{role} {index}", (sys.executable, "-P", "-m", "bylaw.main", role), timings)

    return spawn


class Supervisor:
    """One Bylaw.

    Attributes:
        phase: see `Phase`.
        serving: set once all children are ready for the first time.
        restarts: how often a child was replaced, by role.
        reload: the edition that is served, and how it changes.
        totals: counters of workers that died.

    Args:
        spawn: starts a process for (`worker` or `writer`, index).
        library: where configurations come from.
        edition: the one to start with; see `first_edition`.
        port: the reserved address that the workers share; closed at the end.
        workers: how many.
        context: what else the children get with `start`: `env_overrides`, `options`, `socket_path`, ...
        timings: how patient to be.
        watch: whether to reload when files change (SIGHUP works in any case).
        clock: for the times of reloads, and for noticing a new day.
    """

    def __init__(
        self,
        *,
        spawn: Spawn,
        library: Library,
        edition: Edition,
        port: socket.socket,
        workers: int,
        context: Mapping[str, Any],
        timings: Timings | None = None,
        watch: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.phase = Phase.NEW
        self.serving = asyncio.Event()  # set once every worker accepts
        self.restarts = {"worker": 0, "writer": 0}
        self.totals = Totals()
        self._timings, clock = timings or Timings(), clock or SystemClock()
        self._port, self._context = port, dict(context)
        self.reload = Reload(edition, library, self.workers, self._timings, clock)
        self._trigger = Trigger(self.reload, clock, self._timings.poll_s, watch)
        self._writer = self._slot("writer", 0, spawn)
        self._workers = [self._slot("worker", index, spawn) for index in range(workers)]
        self._tasks = Tasks("supervise")
        self._starting: asyncio.Task[Exception | None] | None = None
        self.serving, self._stop_wanted, self._hurried = asyncio.Event(), asyncio.Event(), False

    @property
    def edition(self) -> Edition:
        """What is served."""
        return self.reload.edition

    @property
    def writer(self) -> Child | None:
        """The ledger writer's process; the last one if it died."""
        return self._writer.child

    def workers(self) -> list[Child]:
        """The workers' processes, at most one a place."""
        return [slot.child for slot in self._workers if slot.child is not None]

    async def run(self) -> int:
        """Start, serve until a signal, stop.

        Returns:
            Exit status: 0, or 1 if a second signal cut the end short.

        Raises:
            ConfigError: a child refused the configuration at start.
            ChildError: a child could not start.
            OSError: no process could be started.
        """
        self._catch_signals()
        try:
            self._starting = self._tasks.spawn(self._try_start(), "start")
            await asyncio.wait({self._starting})
            if not self._starting.cancelled() and (error := self._starting.result()) is not None:
                raise error
            await self._stop_wanted.wait()
        finally:
            await self._stop()
        return 1 if self._hurried else 0

    def request_stop(self) -> None:
        """What SIGTERM and SIGINT do: the first time gracefully, the second time at once."""
        if self._stop_wanted.is_set():
            self._hurried = True
            for slot in (*self._workers, self._writer):
                slot.kill()
        self._stop_wanted.set()
        if self.phase is Phase.STARTING and self._starting is not None:
            self._starting.cancel()

    def request_reload(self) -> None:
        """What SIGHUP does."""
        self._trigger.pull(Reason.SIGNAL)

    async def sample(self) -> None:
        """Read the counters of all workers that answer in time."""
        await asyncio.gather(*(child.sample() for child in self.workers() if child.state is State.RUNNING))

    def _slot(self, role: str, index: int, spawn: Spawn) -> Slot:
        worker = role == "worker"
        begin = self._begin_worker if worker else self._begin_writer
        backoff = Backoff(self._timings, wait_first=worker)  # exchanges stand still without a writer
        return Slot(role, index, spawn=spawn, begin=begin, mourn=self._mourn, backoff=backoff)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.request_stop)
        loop.add_signal_handler(signal.SIGINT, self.request_stop)
        loop.add_signal_handler(signal.SIGHUP, self.request_reload)

    async def _try_start(self) -> Exception | None:
        """Start, or return why not: the operator gets one line, not a log of a failed task."""
        self.phase = Phase.STARTING
        try:
            await self._writer.fill()
            for filled in await asyncio.gather(
                *(slot.fill() for slot in self._workers), return_exceptions=True
            ):
                if isinstance(filled, BaseException):
                    raise filled
        except (BylawError, OSError) as error:
            return error
        for slot in (self._writer, *self._workers):
            slot.hold()
        self._trigger.start(self._tasks)
        self._tasks.spawn(self._sample_often(), "sample")
        self.phase = Phase.SERVING
        self.serving.set()
        return None

    async def _begin_writer(self, slot: Slot, child: Child) -> None:
        edition = self.edition
        await child.ask("start", self._timings.start_s, snapshot=edition.snapshot, **self._context)

    async def _begin_worker(self, slot: Slot, child: Child) -> None:
        edition = self.edition
        where = {"listen": self._port.getsockname()[:2], "worker": slot.index}
        reply = await child.ask(
            "start", self._timings.start_s, snapshot=edition.snapshot, **where, **self._context
        )
        child.generation = edition.generation
        self.reload.learn_digest(edition.generation, str(reply.get("digest", "")))
        await self.reload.catch_up(child)

    def _mourn(self, slot: Slot, child: Child) -> None:
        self.restarts[slot.role] += 1
        self.totals.retire(child.stats)
        child.stats = {}

    async def _sample_often(self) -> None:
        while True:
            await asyncio.sleep(self._timings.sample_s)
            await self.sample()

    async def _stop(self) -> None:
        self.phase = Phase.STOPPING
        await self._tasks.close()
        drain_s = self.edition.facts.drain_s
        patience_s = drain_s + self._timings.stop_s
        await asyncio.gather(*(slot.empty("drain", patience_s, drain_s=drain_s) for slot in self._workers))
        await self._writer.empty("stop", self._timings.stop_s)
        self._port.close()
        self.phase = Phase.STOPPED
