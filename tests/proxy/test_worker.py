"""A worker lets go of a provider's client once nobody can use it any more, and not before."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bylaw.journal import Journal
from bylaw.metrics import Counts
from bylaw.worker import Worker


@dataclass
class Client:
    """A provider's client, as far as a worker knows it."""

    in_use: int = 0
    closed: int = 0
    tally: Any = field(default_factory=lambda: SimpleNamespace(errors={"upstream_reset": 1}))

    async def close(self) -> None:
        self.closed += 1


def runtime(*clients: Client) -> Any:
    return SimpleNamespace(upstreams=dict(enumerate(clients)))


@pytest.fixture
async def worker() -> Worker:
    made = Worker()
    made.journal = Journal(Counts(), ())
    return made


def running(worker: Worker, now: Any, *clients: Client) -> None:
    worker.services = SimpleNamespace(runtime=now)  # type: ignore[assignment]
    worker._clients = dict(enumerate(clients))  # type: ignore[misc]


async def test_a_client_that_nobody_needs_is_closed_and_its_counts_are_kept(worker):
    old, new = Client(), Client()
    running(worker, runtime(new), old, new)
    await worker._retire(worker.services.runtime)
    assert (1, 0, {"upstream_reset": 1}) == (old.closed, new.closed, worker.journal._retired)


async def test_a_client_that_a_candidate_has_is_kept(worker):
    old, new = Client(), Client()
    running(worker, runtime(new), old, new)
    worker._candidate = (None, runtime(old))  # type: ignore[assignment]
    await worker._retire(worker.services.runtime)
    assert 0 == old.closed


async def test_two_reloads_at_once_close_a_client_once(worker):
    old, new = Client(), Client()
    running(worker, runtime(new), old, new)

    async def close() -> None:
        old.closed += 1
        if old.closed == 1:
            await worker._retire(worker.services.runtime)

    old.close = close  # type: ignore[method-assign]
    other = Client()
    worker._clients = {0: other, 1: old, 2: new}  # type: ignore[dict-item]
    first, second = worker._retire(worker.services.runtime), worker._retire(worker.services.runtime)
    await first
    await second
    assert (1, 1) == (old.closed, other.closed)
