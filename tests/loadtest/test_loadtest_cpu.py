"""CPU time is counted for a whole process tree, threads that ended included."""

import subprocess
import sys

import pytest

from bylaw_loadtest.cpu import Reading, readings, tree, used_ns

SPIN = "import time\nend = time.thread_time() + {s}\nwhile time.thread_time() < end: pass\n"
WAIT = "print('ready', flush=True)\ninput()\n"
BUSY_CHILD = SPIN.format(s=0.1) + WAIT
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY_CHILD!r}], check=True)\n"


def started(code):
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert "ready\n" == process.stdout.readline()
    return process


def test_a_child_is_part_of_the_tree():
    process = started(CHILD)
    pids = tree(process.pid)
    used = {pid: reading.threads_ns for pid, reading in readings(process.pid).items()}
    process.communicate("\n")
    assert (process.pid, 2) == (pids[0], len(pids))
    assert sum(used[pids[1]].values()) >= 100_000_000


def test_the_time_of_a_spin_is_found():
    process = started(WAIT + SPIN.format(s=0.2) + WAIT)
    before = readings(process.pid)
    process.stdin.write("\n")
    process.stdin.flush()
    assert "ready\n" == process.stdout.readline()
    after = readings(process.pid)
    process.communicate("\n")
    assert 0.2e9 <= used_ns(before, after)[process.pid] < 0.5e9


def test_a_thread_that_ended_is_counted_by_the_coarse_clock():
    before = {1: Reading("p", {1: 10, 2: 500}, 1_000)}
    after = {1: Reading("p", {1: 20}, 9_000)}
    assert {1: 8_000} == used_ns(before, after)


def test_a_process_that_started_in_between_counts_from_zero():
    assert {2: 30} == used_ns({}, {2: Reading("p", {2: 30}, 0)})


def test_a_process_that_ended_in_between_is_named():
    with pytest.raises(ValueError, match="the worker"):
        used_ns({1: Reading("the worker", {}, 0)}, {})
