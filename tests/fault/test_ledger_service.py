"""The socket between workers and writer: exactly once, in order, and honest about what is refused."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import struct
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from ledger_disk import FakeDisk, Source, StillClock

from bylaw.clock import SystemClock
from bylaw.errors import Overloaded
from bylaw.ledger import hub
from bylaw.ledger.client import LedgerClient
from bylaw.ledger.connection import Connection
from bylaw.ledger.entry import Role
from bylaw.ledger.hub import Hub
from bylaw.ledger.protocol import Hello, Inbox, Kind, entry_message, hello_message, parse_seq
from bylaw.ledger.reader import entries
from bylaw.ledger.verify import verify
from bylaw.ledger.writer import Writer
from bylaw.ledger.writer_process import socket_path_for

DATA = Path("/data")


class Service:
    """A hub over a fake disk, behind a real socket."""

    def __init__(self, path: Path, disk: FakeDisk, mode: str, grace_s: float) -> None:
        self.path, self.disk = path, disk
        self.hub = Hub(Writer(disk, DATA, mode, StillClock(), 50_000), grace_s)

    def kinds(self) -> list[tuple[str, str]]:
        found = [numbered.entry for numbered in entries(DATA, self.disk)]
        return [
            (entry["type"], entry["exchange"]) for entry in found if entry["type"] not in {"boot", "carry"}
        ]


@asynccontextmanager
async def service(folder: Path, disk: FakeDisk | None = None, mode: str = "strict", grace_s: float = 5.0):
    path = folder / "w.sock"
    path.unlink(missing_ok=True)
    made = Service(path, disk or FakeDisk(), mode, grace_s)
    server = await asyncio.get_running_loop().create_unix_server(lambda: Connection(made.hub), str(path))
    try:
        yield made
    finally:
        server.close()
        await made.hub.drain()


def client(made: Service, worker: str = "w0", mode: str = "strict", **options) -> LedgerClient:
    return LedgerClient(made.path, worker, mode, SystemClock(), **options)


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_entries_are_durable_in_order_when_their_futures_resolve(tmp_path):
    async with service(tmp_path) as made:
        worker, order = client(made), []
        futures = [worker.append("intent", f"e{number}", {}) for number in range(300)]
        for number, future in enumerate(futures):
            future.add_done_callback(lambda _, number=number: order.append(number))
        await asyncio.gather(*futures)
        lost_power = made.disk.after_power_loss(random.Random(1))
        assert [f"e{number}" for number in range(300)] == [
            numbered.entry["exchange"] for numbered in entries(DATA, lost_power)
        ][1:]
        assert list(range(300)) == order
        await worker.close()


async def test_one_turn_of_the_loop_is_one_frame(tmp_path):
    async with service(tmp_path) as made:
        worker = client(made)
        await worker.append("intent", "first", {})
        await asyncio.gather(*(worker.append("intent", f"e{number}", {}) for number in range(100)))
        assert 3 == verify(DATA, made.disk).frames
        await worker.close()


async def test_lost_connections_double_nothing_and_lose_nothing(tmp_path):
    async with service(tmp_path) as made:
        workers = [client(made, name, deadline_s=10) for name in ("w0", "w1")]
        futures = []
        for number in range(200):
            futures += [worker.append("intent", f"{worker.worker}-{number}", {}) for worker in workers]
            if number % 20 == 0:
                for connection in list(made.hub.connections):
                    connection.end()
            await asyncio.sleep(0.001)
        await asyncio.gather(*futures)
        found = [exchange for _, exchange in made.kinds()]
        for worker in workers:
            mine = [exchange for exchange in found if exchange.startswith(worker.worker)]
            assert [f"{worker.worker}-{number}" for number in range(200)] == mine
            assert 0 < worker.counters.disconnects
            await worker.close()
        assert verify(DATA, made.disk).ok


async def test_a_restarted_writer_takes_what_the_last_one_did_not(tmp_path):
    async with service(tmp_path) as made:
        worker = client(made, deadline_s=10)
        await asyncio.gather(*(worker.append("intent", f"a{number}", {}) for number in range(50)))
    later = [worker.append("intent", f"b{number}", {}) for number in range(50)]
    async with service(tmp_path, made.disk.after_kill()) as again:
        await asyncio.gather(*later)
        expected = [f"a{number}" for number in range(50)] + [f"b{number}" for number in range(50)]
        assert expected == [exchange for _, exchange in again.kinds()]
        await worker.close()


class Full:
    """A disk without room, while `now`."""

    def __init__(self) -> None:
        self.now = False

    def __call__(self, call: int, name: str):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if self.now and name == "write" else None


async def test_a_full_disk_fails_appends_and_space_brings_every_entry_back(tmp_path):
    full, alarms = Full(), []
    async with service(tmp_path, FakeDisk(full)) as made:
        worker = client(made, alarm=alarms.append)
        await worker.append("intent", "before", {})
        full.now = True
        for number in range(20):
            with pytest.raises(Overloaded, match="No space left on device"):
                await worker.append("intent", f"full-{number}", {})
        assert ["the disk takes nothing: No space left on device"] == alarms
        full.now = False
        await until(lambda: worker.counters.queue_bytes == 0)
        await worker.append("intent", "after", {})
        expected = ["before", *(f"full-{number}" for number in range(20)), "after"]
        assert expected == [exchange for _, exchange in made.kinds()]
        assert verify(DATA, made.disk).ok
        await worker.close()


async def test_a_failed_sync_stops_the_service_and_no_future_resolves(tmp_path):
    disk = FakeDisk()
    async with service(tmp_path, disk) as made:
        worker = client(made, deadline_s=0.2)
        await worker.append("intent", "a", {})
        disk.plan = lambda call, name: OSError(errno.EIO, "Input/output error") if name == "sync" else None
        with pytest.raises(Overloaded):
            await worker.append("intent", "b", {})
        assert made.hub.stopping.is_set()
        assert "sync failed: Input/output error" == str(made.hub.failure)
        await worker.close(0)


async def test_a_full_buffer_refuses_at_once_and_a_gap_entry_tells_how_many(tmp_path):
    alarms = []
    worker = LedgerClient(
        tmp_path / "w.sock", "w0", "strict", SystemClock(), buffer_bytes_max=4000, alarm=alarms.append
    )
    futures = [worker.append("intent", f"e{number}", {}) for number in range(30)]
    refused = [future for future in futures if future.done()]
    assert 0 < len(refused) < 30
    outcome = worker.append("outcome", "e0", {})
    assert (False, ["the ledger's buffer is full"]) == (outcome.done(), alarms)
    async with service(tmp_path) as made:
        await outcome
        await until(lambda: ("gap", "") in made.kinds())
        gap = next(one.entry for one in entries(DATA, made.disk) if one.entry["type"] == "gap")
        assert len(refused) == gap["unwritten"]
        assert verify(DATA, made.disk).ok
        await worker.close()


async def test_async_resolves_at_once_and_counts_what_does_not_fit(tmp_path):
    worker = LedgerClient(tmp_path / "none", "w0", "async", SystemClock(), buffer_bytes_max=2000)
    futures = [worker.append("outcome", f"e{number}", {}) for number in range(30)]
    assert all(future.done() and future.exception() is None for future in futures)
    assert 30 == worker.counters.appended + worker.counters.lost
    assert 0 < worker.counters.lost
    await worker.close(0)


async def test_async_is_synced_soon_after_it_is_written(tmp_path):
    async with service(tmp_path, mode="async") as made:
        worker = client(made, mode="async")
        worker.append("outcome", "a", {})
        await until(lambda: worker.counters.acked == 1)
        await until(lambda: not made.hub.writer.unsynced)
        lost_power = made.disk.after_power_loss(random.Random(0))
        assert ["a"] == [one.entry["exchange"] for one in entries(DATA, lost_power)][1:]
        await worker.close()


async def test_async_entries_that_a_failed_disk_took_back_are_admitted_as_a_gap(tmp_path):
    async with service(tmp_path, mode="async") as made:
        worker = client(made, mode="async")
        worker.append("outcome", "a", {})
        await until(lambda: worker.counters.acked == 1)
        before = made.disk.after_kill()
        worker.append("outcome", "b", {})
        await until(lambda: worker.counters.acked == 2)
    async with service(tmp_path, before, mode="async") as again:
        worker.append("outcome", "c", {})
        await until(lambda: worker.counters.acked == 3)
        assert [("outcome", "a"), ("gap", ""), ("outcome", "c")] == again.kinds()
        report = verify(DATA, again.disk)
        assert (True, 1) == (report.ok, len(report.notes))
        await worker.close()


async def test_a_worker_that_does_not_come_back_has_its_intents_abandoned(tmp_path):
    async with service(tmp_path, grace_s=0.05) as made:
        worker = client(made)
        await worker.append("intent", "left", {})
        await worker.close()
        await until(lambda: ("abandoned", "left") in made.kinds())
        assert 0 == verify(DATA, made.disk).open_intents


async def test_a_worker_that_comes_back_in_time_keeps_its_intents(tmp_path):
    disk, source = FakeDisk(), Source()
    async with service(tmp_path, disk, grace_s=0.2) as made:
        worker = client(made)
        await worker.append("intent", "kept", {})
    again = disk.after_kill()
    async with service(tmp_path, again, grace_s=0.2) as made:
        await worker.append("intent", "more", {})
        await asyncio.sleep(0.4)
        assert [("intent", "kept"), ("intent", "more")] == made.kinds()
        await worker.close()
    assert source.seq == 0


async def test_a_worker_of_another_mode_is_turned_down(tmp_path):
    async with service(tmp_path, mode="final") as made:
        worker = client(made, mode="strict")
        with pytest.raises(Overloaded, match="this ledger runs in mode final, not strict"):
            await worker.append("intent", "a", {})
        await worker.close(0)


async def talk(path: Path, *messages: bytes) -> list[tuple[int, bytes]]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"".join(messages))
    inbox, found = Inbox(), []
    try:
        async with asyncio.timeout(0.3):
            while data := await reader.read(65536):
                found += inbox.feed(data)
    except TimeoutError:
        pass
    writer.close()
    return found


def entry(source: Source, exchange: str) -> bytes:
    record = source.make("intent", exchange)
    return entry_message(record.seq, Role.OPENS, exchange, record.leaf)


HELLO = hello_message(Hello("b0", "w0", "strict", 1))


async def test_an_entry_sent_twice_is_written_once_and_acknowledged(tmp_path):
    first = entry(Source(), "a")
    async with service(tmp_path) as made:
        found = await talk(made.path, HELLO, first, first)
        assert [(Kind.WELCOME, 0), (Kind.ACK, 1)] == [(kind, parse_seq(rest)[0]) for kind, rest in found]
        again = await talk(made.path, HELLO, first)
        assert [(Kind.WELCOME, 1)] == [(kind, parse_seq(rest)[0]) for kind, rest in again]
        assert [("intent", "a")] == made.kinds()


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO, HELLO],
        [b"\x00\x00\x00\x02\x01{}"],
        [b"\xff\xff\xff\xff\x03"],
        [HELLO, b"\x00\x00\x00\x00\x09"],
    ],
)
async def test_who_breaks_the_rules_is_told_and_disconnected(tmp_path, messages):
    async with service(tmp_path) as made:
        found = await talk(made.path, *messages)
        assert Kind.REFUSED == found[-1][0]


async def test_an_entry_out_of_sequence_ends_the_connection(tmp_path):
    source = Source()
    source.make("intent", "skipped")
    async with service(tmp_path) as made:
        found = await talk(made.path, HELLO, entry(source, "b"))
        assert (Kind.REFUSED, b"entry 2 where 1 belongs") == found[-1]
        assert [] == made.kinds()


def test_a_long_data_directory_gets_a_short_socket_path(tmp_path):
    short, long = socket_path_for(tmp_path), socket_path_for(tmp_path / ("d" * 120))
    assert tmp_path / "ledger" / "writer.sock" == short
    assert (Path(f"/tmp/bylaw-{os.geteuid()}"), True) == (long.parent, len(os.fsencode(long)) <= 100)


async def more_than_the_disk_can_take_at_once(folder: Path) -> None:
    async with service(folder) as made:
        worker = client(made, deadline_s=10)
        futures = [worker.append("intent", f"e{number}", {"pad": "x" * 3000}) for number in range(1000)]
        await asyncio.gather(*futures)
        assert [f"e{number}" for number in range(1000)] == [exchange for _, exchange in made.kinds()]
        for connection in list(made.hub.connections):
            connection.end()
        await worker.append("intent", "after", {})
        await worker.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_writer_that_falls_behind_stops_reading_and_loses_nothing_on_either_loop(
    tmp_path, monkeypatch, run
):
    monkeypatch.setattr(hub, "PENDING_BYTES_MAX", 20_000)
    run(more_than_the_disk_can_take_at_once(tmp_path))


class Gate:
    """A disk whose syncs wait until they are let through."""

    def __init__(self) -> None:
        self.closed, self.waiting, self.pass_one = False, 0, threading.Semaphore(0)

    def __call__(self, call: int, name: str):
        if name == "sync" and self.closed:
            self.waiting += 1
            self.pass_one.acquire(timeout=5)


async def next_message(reader: asyncio.StreamReader) -> tuple[int, int]:
    size, kind = struct.unpack(">IB", await reader.readexactly(5))
    return kind, parse_seq(await reader.readexactly(size))[0]


async def test_an_ack_never_covers_what_arrived_while_the_disk_was_busy(tmp_path):
    gate, source = Gate(), Source()
    async with service(tmp_path, FakeDisk(gate)) as made, asyncio.timeout(5):
        reader, writer = await asyncio.open_unix_connection(str(made.path))
        writer.write(HELLO)
        assert (Kind.WELCOME, 0) == await next_message(reader)
        gate.closed = True
        writer.write(entry(source, "a"))
        await until(lambda: gate.waiting == 1)
        writer.write(entry(source, "b"))
        await until(lambda: made.hub.lanes[source.stream].received == 2)
        for expected in (1, 2):
            gate.pass_one.release()
            assert (Kind.ACK, expected) == await next_message(reader)
        writer.close()
