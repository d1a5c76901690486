"""What one load run saw: raw samples first, figures from them later.

Invariant: what was not answered whole with status 200 counts as a failure, and no figure includes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple


class Sample(NamedTuple):
    """One answered request; times in seconds of one monotonic clock.

    Args:
        scheduled_s: when it should have left.
        sent_s: when its bytes were handed over.
        first_byte_s: when the first byte of the reply's *body* arrived, in a stream the first event.
        done_s: when the reply was complete.
        status: of the reply.
        body_bytes: of the reply, without framing.
    """

    scheduled_s: float
    sent_s: float
    first_byte_s: float
    done_s: float
    status: int
    body_bytes: int


@dataclass(slots=True)
class Result:
    """All samples of a run.

    Args:
        samples: requests answered with status 200.
        failures: why each other one was not, e.g. `status 503` or `closed`.
        elapsed_s: from the first request to the last reply.
    """

    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def rate_hz(self) -> float:
        """Answered requests per second."""
        return len(self.samples) / self.elapsed_s if self.elapsed_s else 0.0

    def latency_us(self, share: float) -> float:
        """Percentile of the time from when a request was due to its last byte, in microseconds."""
        return self._percentile(lambda sample: sample.done_s - sample.scheduled_s, share)

    def first_byte_us(self, share: float) -> float:
        """Percentile of the time from when a request was due to the first byte of the body."""
        return self._percentile(lambda sample: sample.first_byte_s - sample.scheduled_s, share)

    def _percentile(self, value: Callable[[Sample], float], share: float) -> float:
        return percentile([value(sample) for sample in self.samples], share) * 1e6


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile; `share` from 0 to 1; nan where there is nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median, maximum over rounds."""
    return min(values), median(values), max(values)
