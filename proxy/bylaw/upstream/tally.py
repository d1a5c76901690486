"""What the metrics tell about one upstream. Law of this module: counts only, no callers, no content."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counters since start; they only grow.

    Args:
        opened: connections that were established, TLS included.
        reused: exchanges that went over a kept connection.
        errors: number of `UpstreamError`s by code.
    """

    opened: int = 0
    reused: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def count_error(self, code: str) -> None:
        """One more error of this code."""
        self.errors[code] = self.errors.get(code, 0) + 1
