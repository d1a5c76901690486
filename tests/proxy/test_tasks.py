"""Who owns the background tasks."""

import asyncio
import gc
import io
import json
import logging

import pytest
import structlog

from bylaw import log
from bylaw.tasks import Tasks


@pytest.fixture
def lines():
    stream = io.StringIO()
    log.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = []


async def test_a_task_that_nobody_else_holds_runs_to_its_end():
    tasks, done = Tasks("test"), []

    async def work():
        await asyncio.sleep(0)
        gc.collect()
        done.append(1)

    tasks.spawn(work(), "work")
    for _ in range(3):
        await asyncio.sleep(0)
    assert ([1], 0) == (done, len(tasks))


async def test_a_failure_is_logged_once_with_the_name_of_the_task_and_its_owner(lines):
    async def fail():
        raise RuntimeError("swordfish")

    tasks = Tasks("test")
    await asyncio.wait([tasks.spawn(fail(), "work")])
    await asyncio.sleep(0)
    [line] = lines()
    assert ("task_failed", "test", "work", "RuntimeError") == (
        line["event"],
        line["room"],
        line["task"],
        line["error"]["type"],
    )
    assert "swordfish" not in json.dumps(line)


async def test_closing_cancels_and_waits_for_what_cleans_up():
    tasks, cleaned = Tasks("test"), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(1)

    for _ in range(3):
        tasks.spawn(work(), "work")
    await asyncio.sleep(0)
    await tasks.close()
    assert ([1, 1, 1], 0) == (cleaned, len(tasks))


async def test_a_cancelled_task_is_no_failure(lines):
    tasks = Tasks("test")
    tasks.spawn(asyncio.sleep(60), "work")
    await tasks.close()
    assert [] == lines()


async def test_a_task_may_close_its_own_owner():
    tasks = Tasks("test")
    await asyncio.wait_for(tasks.spawn(tasks.close(), "close"), 1)


async def test_nothing_is_spawned_after_the_end():
    tasks = Tasks("test")
    await tasks.close()
    with pytest.raises(RuntimeError, match="task work was spawned after its owner had been closed"):
        tasks.spawn(asyncio.sleep(0), "work")
