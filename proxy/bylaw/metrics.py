"""What a worker counts.

Law of this module: one exchange costs a few additions of plain integers, and the number of series is bounded:
labels come from the configuration and from closed sets, and whatever comes beyond a bound is counted under
`other`. Nothing that a caller sends ever becomes a label. `supervise.totals` adds the workers up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

STAGES = ("read", "route", "inspect", "upstream", "relay", "record")
DECISIONS = frozenset({"allow", "modified", "blocked", "held", "error"})
ACTIONS = frozenset({"allow", "flag", "edit", "block", "would"})
BOUNDS_S = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
)  # fmt: skip
"""Upper bounds of the buckets of `bylaw_stage_seconds`: our stages take microseconds, a reply minutes."""
SERIES_MAX = 2048
OTHER = "other"

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "bylaw_exchanges": ("Exchanges that ended.", ("route", "decision", "status_class")),
    "bylaw_guard_verdicts": ("Verdicts of guards.", ("step", "action")),
    "bylaw_guard_errors": ("Guards that raised, hung or answered nonsense.", ("step",)),
    "bylaw_ledger_appended": ("Entries that the ledger acknowledged.", ()),
    "bylaw_ledger_refused": ("Entries that the ledger refused; their exchanges were refused too.", ()),
    "bylaw_ledger_lost": ("Entries that were accepted and could not be kept.", ()),
    "bylaw_upstream_errors": ("Upstream replies that failed.", ("code",)),
}
"""Every counter of a worker: its help and its labels. Exposed with the suffix `_total`."""

_BOUNDS_NS = tuple(round(bound * 1e9) for bound in BOUNDS_S)
_CLASS_OF = tuple(f"{status // 100}xx" if status < 600 else OTHER for status in range(1000))

Labels = tuple[str, ...]


class _Series:
    """The values of one counter by its labels."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[Labels, int] = {}

    def add(self, labels: Labels, by: int = 1) -> None:
        try:
            self.values[labels] += by
        except KeyError:
            if len(self.values) >= SERIES_MAX:
                labels = (OTHER,) * len(labels)
            self.values[labels] = self.values.get(labels, 0) + by


class Counts:
    """The accumulators of one worker; used from its event loop only.

    Attributes:
        in_flight: exchanges that were accepted and have not ended; the corridor adds and subtracts.
    """

    __slots__ = ("_buckets", "_exchanges", "_series", "_stages", "_sums_ns", "in_flight")

    def __init__(self, stages: Sequence[str] = STAGES) -> None:
        """`stages` names the places of the `stage_ns` that `observe` gets."""
        self.in_flight = 0
        self._stages = tuple(stages)
        self._buckets = [[0] * (len(BOUNDS_S) + 1) for _ in stages]
        self._sums_ns = [0] * len(self._stages)
        self._series = {name: _Series() for name in COUNTERS}
        self._exchanges = self._series["bylaw_exchanges"]

    def observe(self, route: str, decision: str, status: int, stage_ns: Sequence[int]) -> None:
        """Count one exchange that has ended.

        Args:
            route: the route as the configuration names it, never a path of a caller.
            decision: one of `DECISIONS`: as in the header `Bylaw-Decision`, or `error`.
            status: HTTP status that was sent (0 to 999); 0 if the client left before any.
            stage_ns: nanoseconds in each stage, in the order of `stages`; 0 for a stage that was not reached.
        """
        known = decision if decision in DECISIONS else OTHER
        self._exchanges.add((route, known, _CLASS_OF[status]))
        for index, spent_ns in enumerate(stage_ns):
            if spent_ns > 0:
                self._buckets[index][bisect_left(_BOUNDS_NS, spent_ns)] += 1
                self._sums_ns[index] += spent_ns

    def verdict(self, step: str, action: str) -> None:
        """Count a verdict: `action` is one of `ACTIONS` (`would`: a step in shadow mode objected)."""
        self._series["bylaw_guard_verdicts"].add((step, action if action in ACTIONS else OTHER))

    def guard_error(self, step: str) -> None:
        """Count a guard that raised, hung or answered nonsense."""
        self._series["bylaw_guard_errors"].add((step,))

    def upstream_error(self, code: str) -> None:
        """Count a failed upstream reply by the code of its `UpstreamError`."""
        self._series["bylaw_upstream_errors"].add((code,))

    def ledger(self, *, appended: int = 0, refused: int = 0, lost: int = 0) -> None:
        """Count entries by what became of them."""
        for name, by in (("appended", appended), ("refused", refused), ("lost", lost)):
            if by:
                self._series[f"bylaw_ledger_{name}"].add((), by)

    def snapshot(self) -> dict[str, Any]:
        """Everything so far, as JSON.

        Returns:
            `counters`: rows of name, labels, value; `stages`: name -> [entries of each bucket, sum in ns];
            `in_flight`: exchanges now.
        """
        counters = [
            [name, list(labels), value]
            for name, series in self._series.items()
            for labels, value in series.values.items()
        ]
        measured = zip(self._stages, self._buckets, self._sums_ns, strict=True)
        stages = {stage: [list(buckets), sum_ns] for stage, buckets, sum_ns in measured}
        return {"counters": counters, "stages": stages, "in_flight": self.in_flight}
