"""A place that must be filled: whoever dies in it is replaced.

Law of this module: a slot has at most one child. Replacements come with exponential backoff, so that a child
that cannot live does not eat the machine, and a child that lived calmly is replaced at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bylaw import log
from bylaw.errors import BylawError
from bylaw.supervise.child import Child, State, Timings
from bylaw.tasks import Tasks

Spawn = Callable[[str, int], Awaitable[Child]]


class Backoff:
    """How long to wait before the next replacement.

    Args:
        timings: `backoff_s` doubles up to `backoff_max_s`; a life of `calm_s` starts it anew.
        wait_first: whether even the first replacement waits.
    """

    def __init__(self, timings: Timings, wait_first: bool) -> None:
        self._timings, self._wait_first, self._deaths = timings, wait_first, 0

    def next_s(self, lived_s: float) -> float:
        """Seconds to wait after a child that lived `lived_s`."""
        if lived_s >= self._timings.calm_s:
            self._deaths = 0
        self._deaths += 1
        doublings = self._deaths - (1 if self._wait_first else 2)
        if doublings < 0:
            return 0.0
        return min(self._timings.backoff_s * 2.0 ** min(doublings, 30), self._timings.backoff_max_s)


class Slot:
    """One worker's place, or the writer's.

    Args:
        role: `worker` or `writer`.
        index: which worker; 0 for the writer.
        spawn: starts a process for (role, index).
        begin: makes a started process ready; raises `BylawError` if it cannot be.
        mourn: told about each child that died unasked.
        backoff: tells how long to wait before each replacement.
    """

    def __init__(
        self,
        role: str,
        index: int,
        *,
        spawn: Spawn,
        begin: Callable[[Slot, Child], Awaitable[None]],
        mourn: Callable[[Slot, Child], None],
        backoff: Backoff,
    ) -> None:
        self.role, self.index = role, index
        self.child: Child | None = None
        self._spawn, self._begin, self._mourn, self._backoff = spawn, begin, mourn, backoff
        self._keeper = Tasks(f"{role} {index}")

    async def fill(self) -> None:
        """Start a child and make it ready.

        Raises:
            BylawError: it could not become ready; it is gone.
            OSError: no process could be started.
        """
        child = await self._spawn(self.role, self.index)
        self.child = child
        try:
            await self._begin(self, child)
        except BaseException:
            await child.end()
            raise
        child.state = State.RUNNING  # nothing may be awaited between the end of `begin` and this

    def hold(self) -> None:
        """From now on, replace whoever dies. The slot must be filled."""
        self._keeper.spawn(self._keep(), "keep")

    async def empty(self, op: str, within_s: float, **fields: Any) -> None:
        """Replace nobody any more, and have the child end by itself; see `Child.leave`."""
        await self._keeper.close()
        if self.child is None or self.child.state is State.DEAD:
            return
        if self.child.state is State.RUNNING:
            await self.child.leave(op, within_s, **fields)
        else:
            await self.child.end()

    def kill(self) -> None:
        """Kill whoever is in it."""
        if self.child is not None:
            self.child.kill()

    async def _keep(self) -> None:
        while True:
            assert self.child is not None
            status = await self.child.live()
            log.get("supervise").error("child_died", child=self.child.name, status=status)
            self._mourn(self, self.child)
            await self._replace(time.monotonic() - self.child.began_s)

    async def _replace(self, lived_s: float) -> None:
        while True:
            await asyncio.sleep(self._backoff.next_s(lived_s))
            try:
                return await self.fill()
            except (BylawError, OSError) as error:
                log.get("supervise").error(
                    "restart_failed", child=f"{self.role} {self.index}", exc_info=error
                )
            lived_s = 0.0
