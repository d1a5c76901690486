"""A guard's coroutine runs as if it were awaited directly, and each of its turns is bounded."""

from __future__ import annotations

import asyncio

import pytest

from bylaw.plan.timed import Timed
from bylaw.plan.watchdog import GuardTimeout, Watch, Watchdog
from bylaw.verdict import Action, Verdict


async def test_its_result_comes_through_any_number_of_waits() -> None:
    async def hook() -> Verdict:
        for _ in range(3):
            await asyncio.sleep(0)
        return Verdict(Action.FLAG, "seen")

    watch = Watch()
    assert (Verdict(Action.FLAG, "seen"), 0) == (await Timed(hook, watch, 100), watch.deadline_ns)


async def test_its_exception_comes_through() -> None:
    async def hook() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Timed(hook, Watch(), 100)


async def test_it_hears_of_its_cancellation() -> None:
    heard = []

    async def hook() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append(True)
            raise

    async def run() -> None:
        await Timed(hook, Watch(), 100)

    task = asyncio.ensure_future(run())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [True] == heard


async def test_nothing_is_bounded_while_it_waits() -> None:
    watch, seen = Watch(), []

    async def hook() -> None:
        await asyncio.sleep(0.02)

    task = asyncio.ensure_future(_awaiting(Timed(hook, watch, 100)))
    await asyncio.sleep(0.005)
    seen.append(watch.deadline_ns)
    await task
    assert [0] == seen


async def _awaiting(timed: Timed) -> None:
    await timed


async def test_a_turn_over_the_budget_is_interrupted() -> None:
    async def hook() -> None:
        await asyncio.sleep(0)
        while True:
            pass

    watch = Watch()
    dog = Watchdog(watch)
    dog.start()
    try:
        with pytest.raises(GuardTimeout):
            await Timed(hook, watch, 50)
    finally:
        dog.stop()
