"""One child process, seen from the supervisor.

Law of this module: a child is in exactly one state, and goes forward only: STARTING, RUNNING, LEAVING,
DEAD. One that does not answer a ping within `hang_s` is killed: a process that holds the port but does not
turn its loop takes connections and answers none.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bylaw import log
from bylaw.errors import BylawError, ConfigError
from bylaw.supervise.channel import Channel, Message
from bylaw.tasks import Tasks


class State(enum.Enum):
    """Of a child."""

    STARTING = "starting"
    RUNNING = "running"
    LEAVING = "leaving"
    DEAD = "dead"


class ChildError(BylawError):
    """A child refused, died or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How patient the supervisor is; seconds.

    Args:
        ping_s: between an answer and the next ping.
        hang_s: without an answer to a ping until a child is killed.
        start_s: for a child to become ready.
        prepare_s: to compile a candidate.
        commit_s: to switch to it, or to forget it.
        stats_s: to tell the counters.
        stop_s: for a child to end once it has nothing left to do.
        backoff_s: before the first restart; doubles.
        backoff_max_s: the longest wait before a restart.
        calm_s: a child that lived this long starts the backoff anew.
        poll_s: between looks at the configuration's files.
        sample_s: between readings of the counters; so much of them a killed worker may take along.
    """

    ping_s: float = 1.0
    hang_s: float = 10.0
    start_s: float = 60.0
    prepare_s: float = 60.0
    commit_s: float = 10.0
    stats_s: float = 0.5
    stop_s: float = 10.0
    backoff_s: float = 0.1
    backoff_max_s: float = 5.0
    calm_s: float = 10.0
    poll_s: float = 1.0
    sample_s: float = 5.0


class Child:
    """A process, its channel and its state.

    Attributes:
        name: e.g. `worker 0`, for logs and errors.
        state: see `State`.
        generation: of the edition that it serves; 0 for none.
        stats: the counters that it told last.
    """

    def __init__(self, name: str, process: Process, channel: Channel, timings: Timings) -> None:
        self.name, self.timings = name, timings
        self.state = State.STARTING
        self.generation = 0
        self.stats: Message = {}
        self.began_s = time.monotonic()
        self._process, self._channel = process, channel
        self._heard_s, self._healthy = self.began_s, True
        self._tasks = Tasks(name)
        self._tasks.spawn(channel.serve({}), "channel")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it runs, and its last ping was answered lately and with good news."""
        late = time.monotonic() - self._heard_s > 3 * self.timings.ping_s
        return self.state is State.RUNNING and self._healthy and not late

    async def ask(self, op: str, timeout_s: float, **fields: Any) -> Message:
        """Call an operation that has to succeed.

        Raises:
            ConfigError: the child refused because of the operator's mistake.
            ChildError: it refused otherwise, died, or did not answer in time.
        """
        try:
            reply = await self._channel.call(op, timeout_s, **fields)
        except TimeoutError:
            raise ChildError(f"{self.name} did not answer `{op}` within {timeout_s:g} s") from None
        except ConnectionError:
            raise ChildError(f"{self.name} {await self._obituary()} during `{op}`") from None
        if "error" in reply:
            refusal = str(reply["error"])
            raise ConfigError(refusal) if reply.get("exit") == 2 else ChildError(f"{self.name}: {refusal}")
        return reply

    async def live(self) -> int:
        """Ping it until it is dead; returns its exit status (negative: the signal that ended it)."""
        self._tasks.spawn(self._ping(), "ping")
        return await self._bury()

    async def leave(self, op: str, within_s: float, **fields: Any) -> int:
        """Ask it to end by itself, and kill it if it has not `within_s` seconds later."""
        self.state = State.LEAVING
        try:
            async with asyncio.timeout(within_s):
                try:
                    await self._channel.call(op, within_s, **fields)
                except ConnectionError:  # it has nothing left to do, and has gone
                    pass
                return await self._bury()
        except TimeoutError:
            log.get("supervise").warning("child_too_slow_to_leave", child=self.name, within_s=within_s)
            return await self.end()

    async def sample(self) -> None:
        """Read its counters into `stats`; keeps the last ones if it is too busy to tell."""
        try:
            self.stats = await self.ask("stats", self.timings.stats_s)
        except BylawError:
            pass

    def kill(self) -> None:
        """SIGKILL, now."""
        try:
            self._process.kill()
        except ProcessLookupError:
            pass

    async def end(self) -> int:
        """Kill it and wait until it is gone."""
        self.kill()
        return await self._bury()

    async def _bury(self) -> int:
        status = await self._process.wait()
        self.state = State.DEAD
        self._channel.close()
        await self._tasks.close()
        return status

    async def _ping(self) -> None:
        while True:
            try:
                reply = await self._channel.call("ping", self.timings.hang_s)
            except TimeoutError:
                log.get("supervise").error("child_hangs", child=self.name, hang_s=self.timings.hang_s)
                return self.kill()
            except ConnectionError:
                return await self._let_go()
            self._heard_s, self._healthy = (
                time.monotonic(),
                "error" not in reply and reply.get("ok", True) is True,
            )
            await asyncio.sleep(self.timings.ping_s)

    async def _let_go(self) -> None:
        """It hung up. It is about to end, or nobody controls it any more."""
        if self.state is not State.LEAVING:
            await self._obituary()

    async def _obituary(self) -> str:
        try:
            async with asyncio.timeout(1.0):
                status = await self._process.wait()
        except TimeoutError:
            self.kill()
            return "hung up"
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


async def launch(name: str, command: Sequence[str], timings: Timings) -> Child:
    """Start a process; the number of its end of the channel is appended to its command line.

    It leads a session of its own, so that a terminal's Ctrl-C reaches the supervisor alone.

    Raises:
        OSError: no such program, or no resources.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        process = await asyncio.create_subprocess_exec(
            *command, str(fd), pass_fds=(fd,), stdin=DEVNULL, start_new_session=True
        )
    return Child(name, process, await Channel.open(ours), timings)
