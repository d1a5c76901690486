"""CPU time of a process and all its descendants, all threads, in nanoseconds.

`/proc/PID/task/*/schedstat` counts what the scheduler really gave, where `stat` counts clock ticks of 10 ms.
A thread that ends takes its schedstat with it; for such a process the difference comes from `stat`, which
keeps the time of ended threads. A process that ends between two readings is reported by name, not guessed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU time used so far by one process.

    Args:
        name: command line, to tell processes apart.
        threads_ns: of each living thread.
        ticks_ns: of the whole process by the coarse clock.
    """

    name: str
    threads_ns: dict[int, int]
    ticks_ns: int


def tree(root: int) -> list[int]:
    """The process ids of `root` and all its descendants, `root` first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            parents.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def readings(root: int) -> dict[int, Reading]:
    """One reading for each living process of the tree."""
    return {pid: reading for pid in tree(root) if (reading := _reading(pid)) is not None}


def used_ns(before: dict[int, Reading], after: dict[int, Reading]) -> dict[int, int]:
    """CPU time between two readings for each process; one that started in between counts from zero.

    Raises ValueError when a process ended in between, because what it used is not known any more.
    """
    gone = [reading.name for pid, reading in before.items() if pid not in after]
    if gone:
        raise ValueError(f"processes ended while they were measured: {'; '.join(gone)}")
    return {pid: _difference(before.get(pid), reading) for pid, reading in after.items()}


def _difference(before: Reading | None, after: Reading) -> int:
    if before is None:
        return max(sum(after.threads_ns.values()), after.ticks_ns)
    if before.threads_ns.keys() <= after.threads_ns.keys():
        return sum(after.threads_ns.values()) - sum(before.threads_ns.values())
    return after.ticks_ns - before.ticks_ns


def _reading(pid: int) -> Reading | None:
    process = Path("/proc", str(pid))
    try:
        name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        ticks = _stat(process)[11:13]
        return Reading(name, _threads(process), sum(map(int, ticks)) * _TICK_NS)
    except (FileNotFoundError, ProcessLookupError):
        return None


def _threads(process: Path) -> dict[int, int]:
    threads = {}
    for task in (process / "task").iterdir():
        try:
            threads[int(task.name)] = _thread_ns(task)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return threads


def _thread_ns(task: Path) -> int:
    schedstat = task / "schedstat"
    if schedstat.exists():
        return int(schedstat.read_text().split()[0])
    # A kernel without CONFIG_SCHED_INFO: ticks are all there is.
    return sum(map(int, _stat(task)[11:13])) * _TICK_NS


def _parent(process: Path) -> int | None:
    try:
        return int(_stat(process)[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _stat(process: Path) -> list[str]:
    # The name in parentheses may itself contain blanks and parentheses; fields count from behind it.
    return (process / "stat").read_text().rpartition(")")[2].split()
