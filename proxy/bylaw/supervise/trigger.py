"""What makes a reload happen.

Law of this module: reloads run one at a time; what asks for one while another runs is not lost, and asking
twice is asking once.
"""

from __future__ import annotations

import asyncio
import enum

from bylaw.clock import Clock
from bylaw.supervise.reload import Reload
from bylaw.supervise.watch import Watch
from bylaw.tasks import Tasks


class Reason(enum.Enum):
    """Why a reload is wanted."""

    SIGNAL = "signal"
    FILES = "files"
    DAY = "day"


class Trigger:
    """Runs reloads when somebody pulls it, when files change, and when a new day (UTC) begins.

    Args:
        reload: what to run.
        clock: tells the day.
        poll_s: seconds between looks at the files and at the clock.
        watch: whether to look at the files.
    """

    def __init__(self, reload: Reload, clock: Clock, poll_s: float, watch: bool) -> None:
        self._reload, self._clock, self._poll_s, self._watch = reload, clock, poll_s, watch
        self._wanted = asyncio.Event()
        self._reasons: set[Reason] = set()

    def pull(self, reason: Reason) -> None:
        """Ask for a reload; it runs as soon as the one before it has ended."""
        self._reasons.add(reason)
        self._wanted.set()

    def start(self, tasks: Tasks) -> None:
        """Spawn what has to run in the background."""
        tasks.spawn(self._run(), "reload")
        tasks.spawn(self._days(), "days")
        if self._watch:
            files = Watch(
                lambda: self._reload.edition.facts.files, lambda: self.pull(Reason.FILES), self._poll_s
            )
            tasks.spawn(files.run(), "watch")

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            reasons, self._reasons = self._reasons, set()
            if reasons & {Reason.SIGNAL, Reason.FILES}:
                await self._reload.run(force=Reason.SIGNAL in reasons)
            if Reason.DAY in reasons:
                await self._reload.renew()

    async def _days(self) -> None:
        day = self._clock.today()
        while True:
            await asyncio.sleep(self._poll_s)
            if (today := self._clock.today()) != day:
                day = today
                self.pull(Reason.DAY)
