"""One slice of measurement: load on one subject, and what it cost there.

Law: a slice in which anything failed has no figures; it raises, because a proxy that refuses is cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import uvloop

from bylaw_loadtest.client import Target
from bylaw_loadtest.cpu import Reading, readings, used_ns
from bylaw_loadtest.load import closed_loop, open_loop
from bylaw_loadtest.result import Result

Figures = dict[str, float]
Load = Coroutine[Any, Any, Result]

_REQUESTS_MAX = 1_000_000


class TrialError(Exception):
    """Requests failed, or a process of the subject ended."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Args:
        name: in the report.
        pid: root of its process tree.
        plain: a chat request to it.
        stream: a streamed one.
    """

    name: str
    pid: int
    plain: Target
    stream: Target


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much load, for how long.

    Args:
        slice_s: of one slice.
        connections: of the closed loop on plain requests.
        streams: open at once in the closed loop on streams.
        rate_hz: of the open loop on plain requests.
        stream_rate_hz: of the open loop on streams.
    """

    slice_s: float
    connections: int = 64
    streams: int = 32
    rate_hz: float = 100
    stream_rate_hz: float = 20


def plain_cost(subject: Subject, sizes: Sizes) -> Figures:
    """CPU time a request, and requests a second, under a closed loop."""
    return _cost(subject, "plain", subject.plain, sizes.connections, sizes.slice_s)


def stream_cost(subject: Subject, sizes: Sizes) -> Figures:
    """CPU time a stream, and streams a second, under a closed loop."""
    return _cost(subject, "stream", subject.stream, sizes.streams, sizes.slice_s)


def plain_latency(subject: Subject, sizes: Sizes) -> Figures:
    """Latency at a low rate."""
    result = _run(subject, _open(subject.plain, sizes.rate_hz, sizes.connections, sizes.slice_s))
    return {"plain_p50_us": result.latency_us(0.5), "plain_p99_us": result.latency_us(0.99)}


def stream_latency(subject: Subject, sizes: Sizes) -> Figures:
    """Time to a stream's first event at a low rate."""
    result = _run(subject, _open(subject.stream, sizes.stream_rate_hz, sizes.streams, sizes.slice_s))
    return {"stream_first_p50_us": result.first_byte_us(0.5)}


def _open(target: Target, rate_hz: float, connections: int, slice_s: float) -> Load:
    return open_loop(
        target, rate_hz=rate_hz, connections=connections, seconds_max=slice_s, requests_max=_REQUESTS_MAX
    )


def _cost(subject: Subject, kind: str, target: Target, connections: int, slice_s: float) -> Figures:
    load = closed_loop(target, connections=connections, seconds_max=slice_s, requests_max=_REQUESTS_MAX)
    before = readings(subject.pid)
    result = _run(subject, load)
    after = readings(subject.pid)
    try:
        used = used_ns(before, after)
    except ValueError as error:
        raise TrialError(f"{subject.name}: {error}") from error
    each_us = 1e-3 / len(result.samples)
    return {
        f"{kind}_cpu_us": sum(used.values()) * each_us,
        f"{kind}_cpu_worker_us": sum(used[pid] for pid in _workers(after)) * each_us,
        f"{kind}_rate_hz": result.rate_hz,
    }


def _workers(processes: dict[int, Reading]) -> list[int]:
    """Those that carry requests: named so in their command line, or all where none is."""
    named = [pid for pid, reading in processes.items() if "worker" in reading.name.split()]
    return named or list(processes)


def _run(subject: Subject, load: Load) -> Result:
    result = uvloop.run(load)
    if result.failures or not result.samples:
        reasons = Counter(result.failures).most_common(3)
        raise TrialError(f"{subject.name}: {len(result.failures)} of its requests failed: {reasons}")
    return result
