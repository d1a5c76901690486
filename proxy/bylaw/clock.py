"""The one place that reads time, so that tests can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; only differences mean anything."""
        ...

    def wall_us(self) -> int:
        """Microseconds since 1970 (UTC)."""
        ...

    def today(self) -> date:
        """The current date in UTC: plans are compiled as of it."""
        ...


class SystemClock:
    """The machine's clocks."""

    monotonic_ns = staticmethod(time.monotonic_ns)

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def today(self) -> date:
        return datetime.now(UTC).date()
