"""The watchdog interrupts what runs over its time, and nothing else."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from bylaw.plan.timed import Timed
from bylaw.plan.watchdog import SIGNAL, GuardTimeout, Watch, Watchdog


@pytest.fixture
def watch() -> Iterator[Watch]:
    number = Watch()
    dog = Watchdog(number)
    dog.start()
    yield number
    dog.stop()


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_deadline_that_passes_interrupts_the_main_thread_once(watch):
    watch.deadline_ns = time.monotonic_ns() + 10_000_000
    with pytest.raises(GuardTimeout):
        spin(5)
    spin(0.1)
    assert 0 == watch.deadline_ns


def test_an_except_exception_does_not_stop_it(watch):
    def careless() -> str:
        try:
            spin(5)
        except Exception:
            return "went on"
        return "was let be"

    watch.deadline_ns = time.monotonic_ns() + 10_000_000
    with pytest.raises(GuardTimeout):
        careless()


def test_sleep_is_interrupted_too(watch):
    begin = time.monotonic()
    watch.deadline_ns = time.monotonic_ns() + 10_000_000
    with pytest.raises(GuardTimeout):
        time.sleep(5)
    assert time.monotonic() - begin < 2


def test_without_a_deadline_nothing_is_interrupted(watch):
    spin(0.1)
    assert 0 == watch.deadline_ns


def test_a_signal_that_comes_late_hits_nobody(watch):
    watch.deadline_ns = time.monotonic_ns() + 60_000_000_000
    signal.raise_signal(SIGNAL)
    watch.deadline_ns = 0
    signal.raise_signal(SIGNAL)


async def test_between_two_waits_of_a_coroutine_the_deadline_runs_and_during_a_wait_it_does_not(watch):
    seen: list[bool] = []

    class Wait:
        def __await__(self):
            seen.append(watch.deadline_ns != 0)
            yield
            seen.append(watch.deadline_ns != 0)

    async def guard() -> None:
        await Wait()

    running = Timed(guard, watch, 60_000).__await__()
    next(running)
    assert 0 == watch.deadline_ns
    with pytest.raises(StopIteration):
        next(running)
    assert ([True, True], 0) == (seen, watch.deadline_ns)
