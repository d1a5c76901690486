"""The sum of what the workers counted, for Prometheus.

Law of this module: a counter never goes back while the supervisor lives. What a dead worker told last is
kept, and a worker that is too busy to answer counts with what it told before. Names and labels that
`metrics` does not know are left out, so that no worker can invent series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bylaw.metrics import BOUNDS_S, COUNTERS, Labels

_EDGES = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")


@dataclass(slots=True)
class Sum:
    """Several snapshots of `metrics.Counts` in one."""

    counters: Counter[tuple[str, Labels]] = field(default_factory=Counter)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    sums_ns: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0

    def add(self, snapshot: Mapping[str, Any]) -> None:
        """Add one snapshot; an empty one adds nothing."""
        for name, labels, value in snapshot.get("counters", ()):
            if name in COUNTERS and len(labels) == len(COUNTERS[name][1]):
                self.counters[name, tuple(labels)] += value
        for stage, (buckets, sum_ns) in snapshot.get("stages", {}).items():
            before = self.buckets.get(stage, [0] * len(_EDGES))
            self.buckets[stage] = [old + new for old, new in zip(before, buckets, strict=True)]
            self.sums_ns[stage] += sum_ns
        self.in_flight += snapshot.get("in_flight", 0)


class Totals:
    """Counters of the dead, to which those of the living are added at each reading."""

    def __init__(self) -> None:
        self._dead: list[Mapping[str, Any]] = []

    def retire(self, snapshot: Mapping[str, Any]) -> None:
        """Keep what a worker that died had told; it has no exchange in flight any more."""
        kept = Sum()
        for each in (*self._dead, snapshot):
            kept.add(each)
        self._dead = [_as_snapshot(kept)]

    def of(self, living: Iterable[Mapping[str, Any]]) -> Sum:
        """Everything that was ever counted."""
        total = Sum()
        for snapshot in (*self._dead, *living):
            total.add(snapshot)
        return total


def _as_snapshot(total: Sum) -> dict[str, Any]:
    return {
        "counters": [[name, labels, value] for (name, labels), value in total.counters.items()],
        "stages": {stage: [buckets, total.sums_ns[stage]] for stage, buckets in total.buckets.items()},
    }


@dataclass(frozen=True, slots=True)
class House:
    """What the supervisor itself has counted."""

    version: str
    restarts: Mapping[str, int]
    reloads: Mapping[str, int]
    workers_ready: int
    writer_ready: bool


def render(total: Sum, house: House) -> bytes:
    """Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry()
    registry.register(_Exposition(total, house))
    return generate_latest(registry)


class _Exposition(Collector):
    def __init__(self, total: Sum, house: House) -> None:
        self._total, self._house = total, house

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield self._stages()
        yield GaugeMetricFamily("bylaw_exchange_in_flight", "Exchanges now.", value=self._total.in_flight)
        yield from self._own()

    def _counters(self) -> Iterator[Metric]:
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=labels)
            for (counted, values), value in self._total.counters.items():
                if counted == name:
                    family.add_metric(values, value)
            if not labels and not family.samples:
                family.add_metric((), 0)
            yield family

    def _stages(self) -> Metric:
        family = HistogramMetricFamily("bylaw_stage_seconds", "Time in each stage.", labels=("stage",))
        for stage, buckets in self._total.buckets.items():
            counted, edges = 0, []
            for edge, entries in zip(_EDGES, buckets, strict=True):
                counted += entries
                edges.append((edge, float(counted)))
            family.add_metric((stage,), edges, self._total.sums_ns[stage] / 1e9)
        return family

    def _own(self) -> Iterator[Metric]:
        house = self._house
        for role, count in house.restarts.items():
            yield CounterMetricFamily(
                f"bylaw_{role}_restarts", f"Times that a {role} was replaced.", value=count
            )
        reloads = CounterMetricFamily("bylaw_reloads", "Reloads by result.", labels=("result",))
        for result, count in house.reloads.items():
            reloads.add_metric((result,), count)
        yield reloads
        yield GaugeMetricFamily(
            "bylaw_workers_ready", "Workers that accept exchanges.", value=house.workers_ready
        )
        yield GaugeMetricFamily(
            "bylaw_writer_ready", "Whether the ledger writer answers.", value=house.writer_ready
        )
        build = GaugeMetricFamily("bylaw_build_info", "The running version.", labels=("version",))
        build.add_metric((house.version,), 1)
        yield build
