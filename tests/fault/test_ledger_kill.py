"""Real processes and a real disk: kill -9 of the writer under load loses nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import random

import pytest
from ledger_process import WriterProcess

from bylaw.clock import SystemClock
from bylaw.errors import Overloaded
from bylaw.ledger.client import LedgerClient
from bylaw.ledger.reader import entries
from bylaw.ledger.verify import verify
from bylaw.ledger.writer_process import socket_path_for

STEPS = [{"step": f"guard-{number}", "action": "allow"} for number in range(5)]


class Load:
    """One worker that appends as fast as it is told that the entries are safe."""

    def __init__(self, name: str, socket_path) -> None:
        self.client = LedgerClient(socket_path, name, "strict", SystemClock(), deadline_s=15)
        self.name, self.acked, self.running, self.count = name, [], True, 0

    async def run(self, tasks: int = 16) -> None:
        await asyncio.gather(*(self.exchanges() for _ in range(tasks)))
        await self.client.close(15)

    async def exchanges(self) -> None:
        while self.running:
            self.count += 1
            exchange = f"{self.name}-{self.count}"
            for kind in ("intent", "outcome"):
                await self.client.append(kind, exchange, {"decision": "allow", "steps": STEPS})
                self.acked.append((kind, exchange))


async def killed_under_load(data_dir, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    loads = [Load(name, socket_path_for(data_dir)) for name in ("w0", "w1")]
    tasks = [asyncio.create_task(load.run()) for load in loads]
    for _ in range(kills):
        writer = WriterProcess(data_dir)
        await asyncio.sleep(rng.uniform(0.25, 0.6))
        writer.kill()
    writer = WriterProcess(data_dir)
    for load in loads:
        load.running = False
    await asyncio.gather(*tasks)
    assert (0, "") == await asyncio.to_thread(writer.stop)
    found = [(numbered.entry["type"], numbered.entry["exchange"]) for numbered in entries(data_dir)]
    found = [one for one in found if one[1]]
    assert sorted(one for load in loads for one in load.acked) == sorted(found)
    assert 0 < len(found)
    report = verify(data_dir)
    assert (True, 0) == (report.ok, report.open_intents), (seed, report.failure)


async def test_kills_under_load_lose_and_double_nothing(tmp_path):
    await killed_under_load(tmp_path, 5, seed=1)


@pytest.mark.slow
async def test_many_kills_under_load_lose_and_double_nothing(tmp_path):
    for seed in range(5):
        await killed_under_load(tmp_path / str(seed), 10, seed)


def test_a_second_writer_process_says_why_it_ends(tmp_path):
    first = WriterProcess(tmp_path)
    while not first.socket_path.exists():
        assert first.process.poll() is None
    status, said = WriterProcess(tmp_path).wait()
    assert (2, f"bylaw ledger: {tmp_path}/ledger: another process writes to this ledger\n") == (status, said)
    assert (0, "") == first.stop()


async def test_without_a_writer_an_append_fails_by_its_deadline_and_later_ones_at_once(tmp_path):
    alarms = []
    client = LedgerClient(
        tmp_path / "none.sock", "w0", "strict", SystemClock(), deadline_s=0.1, alarm=alarms.append
    )
    with pytest.raises(Overloaded, match="ledger_unavailable"):
        await client.append("intent", "a", {})
    await asyncio.sleep(0.05)
    assert client.append("intent", "b", {}).done()
    assert (["the ledger's writer does not answer"], 2, 0) == (
        alarms,
        client.counters.refused,
        client.counters.acked,
    )
    await client.close(0)
    assert 2 == client.counters.lost


async def test_what_failed_for_the_caller_is_still_written_when_the_writer_comes(tmp_path):
    client = LedgerClient(socket_path_for(tmp_path), "w0", "strict", SystemClock(), deadline_s=0.1)
    with pytest.raises(Overloaded):
        await client.append("intent", "late", {})
    writer = WriterProcess(tmp_path)
    await client.close(10)
    await asyncio.to_thread(writer.stop)
    assert ["boot", "intent"] == [numbered.entry["type"] for numbered in entries(tmp_path)]


async def test_async_entries_survive_a_kill_once_written(tmp_path):
    writer = WriterProcess(tmp_path, "async")
    client = LedgerClient(writer.socket_path, "w0", "async", SystemClock())
    futures = [client.append("outcome", f"x{number}", {}) for number in range(100)]
    assert all(future.done() for future in futures)
    while client.counters.acked < 100:
        await asyncio.sleep(0.01)
    writer.kill()
    await client.close(0)
    assert [f"x{number}" for number in range(100)] == [one.entry["exchange"] for one in entries(tmp_path)][1:]
