"""What was acknowledged survives power loss, kills and errors at any call to the disk."""

from __future__ import annotations

import errno
import os
import random
from functools import cache
from pathlib import Path

import orjson
import pytest
from ledger_disk import Crash, FakeDisk, Source, StillClock

from bylaw.ledger.failures import LedgerDamaged, LedgerLocked, Poisoned, Refused
from bylaw.ledger.reader import entries
from bylaw.ledger.state import WRITER
from bylaw.ledger.verify import verify
from bylaw.ledger.writer import Writer

DATA = Path("/data")
SEGMENT_BYTES = 1200
STATES = 1000
STATES_SLOW = 100_000


def open_writer(disk: FakeDisk, mode: str = "strict") -> Writer:
    return Writer(disk, DATA, mode, StillClock(), SEGMENT_BYTES)


class Run:
    """A writer at work, until the machine stops."""

    def __init__(self, seed: int, mode: str = "strict") -> None:
        self.rng, self.mode = random.Random(seed), mode
        self.sources = [Source("w0"), Source("w1")]
        self.acked: list[bytes] = []
        self.pending: list[bytes] = []
        self.refusals = 0

    def work(self, disk: FakeDisk, batches: int = 6) -> None:
        writer = open_writer(disk, self.mode)
        for number in range(batches):
            source = self.rng.choice(self.sources)
            records = source.pairs(number * 10, self.rng.randint(1, 3), self.rng.randrange(200))
            self.pending = [record.leaf for record in records]
            self.append(writer, records)
            self.acked += self.pending
            self.pending = []

    def append(self, writer: Writer, records) -> None:
        while True:
            try:
                return writer.append(records)
            except Refused:
                self.refusals += 1


def leaves(disk: FakeDisk) -> list[bytes]:
    """The workers' entries, as stored: sorted keys, so encoding them again gives the same bytes."""
    found = [numbered.entry for numbered in entries(DATA, disk)]
    return [orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) for entry in found if entry["worker"] != WRITER]


def check(run: Run, disk: FakeDisk, seed: object) -> None:
    """The oracle: nothing acknowledged is lost, a batch is whole or absent, and life goes on."""
    writer = open_writer(disk, run.mode)
    found = leaves(disk)
    if run.mode == "async":
        assert (run.acked + run.pending)[: len(found)] == found, seed
    else:
        assert found in (run.acked, run.acked + run.pending), seed
    more = Source("later", f"b{seed}").pairs(0, 2)
    writer.append(more)
    writer.close()
    again = disk.after_kill()
    open_writer(again, run.mode)
    assert [*found, *(record.leaf for record in more)] == leaves(again), seed
    report = verify(DATA, again)
    assert report.ok, (seed, report.failure)


@cache
def calls_of_a_run(seed: int, mode: str = "strict") -> int:
    disk = FakeDisk()
    Run(seed, mode).work(disk)
    return disk.calls


def crash_at(number: int):
    def plan(call: int, name: str):
        if call == number:
            raise Crash
        return

    return plan


def power_loss_state(seed: int, mode: str) -> None:
    rng = random.Random(seed)
    workload = rng.randrange(20)
    disk = FakeDisk(crash_at(rng.randint(2, calls_of_a_run(workload, mode))))
    run = Run(workload, mode)
    with pytest.raises(Crash):
        run.work(disk)
    found = disk.after_power_loss(rng)
    if rng.random() < 0.3:
        found = interrupted_recovery(found, run, rng)
    check(run, found, seed)


def interrupted_recovery(disk: FakeDisk, run: Run, rng: random.Random) -> FakeDisk:
    disk.plan = crash_at(rng.randint(1, 12))
    try:
        open_writer(disk, run.mode)
    except Crash:
        pass
    return disk.after_power_loss(rng)


@pytest.mark.parametrize("mode", ["strict", "async"])
def test_no_acknowledged_entry_is_lost_to_power_loss(mode):
    for seed in range(STATES):
        power_loss_state(seed, mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "async"])
def test_no_acknowledged_entry_is_lost_to_power_loss_in_many_states(mode):
    for seed in range(STATES, STATES + STATES_SLOW):
        power_loss_state(seed, mode)


def fault_at(number: int, error: int | str):
    def plan(call: int, name: str):
        if call != number:
            return None
        return error if isinstance(error, str) else OSError(error, os.strerror(error))

    return plan


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, "short"])
def test_an_error_at_any_call_loses_nothing_and_acknowledges_nothing_false(error):
    for seed in range(3):
        for number in range(1, calls_of_a_run(seed) + 1):
            disk, run = FakeDisk(fault_at(number, error)), Run(seed)
            try:
                run.work(disk)
            except (OSError, Poisoned, Refused):
                pass
            for state in range(2):
                check(run, disk.after_power_loss(random.Random(state)), (seed, number, state))
            check(run, disk.after_kill(), (seed, number, "kill"))


def test_a_short_write_is_finished_by_the_next():
    disk, run = FakeDisk(lambda call, name: "short" if name == "write" else None), Run(1)
    run.work(disk)
    assert run.acked == leaves(disk)


def test_a_full_disk_refuses_and_takes_the_same_batch_when_there_is_room_again():
    full = {"now": False}
    halves = iter(["short", OSError(errno.ENOSPC, "No space left on device")])
    disk = FakeDisk(lambda call, name: next(halves, None) if full["now"] and name == "write" else None)
    writer, source = open_writer(disk), Source()
    writer.append(source.pairs(0, 1))
    before, batch = disk.after_kill(), source.pairs(1, 1)
    full["now"] = True
    with pytest.raises(Refused, match="No space left on device"):
        writer.append(batch)
    assert wal_files(before)[-1].cache == wal_files(disk)[-1].cache
    writer.append(batch)
    assert [*leaves(before), *(record.leaf for record in batch)] == leaves(disk)
    assert verify(DATA, disk).ok


def test_after_a_failed_sync_the_writer_never_acknowledges_again():
    disk = FakeDisk()
    writer, source = open_writer(disk), Source()
    disk.plan = lambda call, name: OSError(errno.EIO, "Input/output error") if name == "sync" else None
    with pytest.raises(Poisoned):
        writer.append(source.pairs(0, 1))
    disk.plan = lambda call, name: None
    with pytest.raises(Poisoned):
        writer.append(source.pairs(1, 1))


def test_recovery_does_not_believe_the_page_cache_after_a_failed_sync():
    disk = FakeDisk()
    writer = open_writer(disk)
    disk.plan = lambda call, name: OSError(errno.EIO, "Input/output error") if name == "sync" else None
    with pytest.raises(Poisoned):
        writer.append(Source().pairs(0, 1))
    again = disk.after_kill()
    assert {} == {key: seq for key, seq in open_writer(again).state.streams.items() if key[1] != WRITER}


def test_a_second_writer_is_refused():
    disk = FakeDisk()
    open_writer(disk)
    with pytest.raises(LedgerLocked, match="another process writes to this ledger"):
        open_writer(disk)


def wal_files(disk: FakeDisk):
    return [disk.live[path] for path in sorted(disk.live) if path.suffix == ".wal"]


def test_a_torn_tail_goes_to_quarantine_and_an_entry_tells_of_it():
    disk = FakeDisk()
    open_writer(disk).append(Source().pairs(0, 1))
    whole = disk.after_kill()
    torn = wal_files(whole)[-1]
    torn.cache += b"BYL1 and then the power went"
    torn.disk = torn.cache[:]
    open_writer(whole)
    told = [numbered.entry for numbered in entries(DATA, whole) if numbered.entry["type"] == "recovered"]
    kept = [path.name for path in whole.live if path.suffix == ".kept"]
    assert [(28, kept[0][: -len(".kept")] + ".torn")] == [(entry["bytes"], entry["name"]) for entry in told]
    assert verify(DATA, whole).ok


def test_a_whole_frame_behind_a_broken_one_is_damage_and_recovery_touches_nothing():
    disk = FakeDisk()
    writer, source = open_writer(disk), Source()
    writer.append(source.pairs(0, 1))
    writer.append(source.pairs(1, 1))
    broken = disk.after_kill()
    file = wal_files(broken)[0]
    file.disk[100] ^= 1
    file.cache[100] ^= 1
    before = bytes(file.cache)
    with pytest.raises(LedgerDamaged, match=r"offset 0: checksum mismatch.*a whole frame follows at offset"):
        open_writer(broken)
    assert before == bytes(file.cache)


def test_recovery_reads_one_segment_and_still_knows_streams_and_open_intents():
    disk = FakeDisk()
    writer, busy, quiet = open_writer(disk), Source("w0"), Source("w1")
    writer.append([quiet.make("intent", "left-open")])
    for number in range(20):
        writer.append(busy.pairs(number, 1))
    again = open_writer(disk.after_kill()).state
    assert (40, 1) == (again.streams[busy.stream], again.streams[quiet.stream])
    assert {"left-open": quiet.stream} == again.intents


def test_intents_of_a_dead_worker_are_closed_as_abandoned():
    disk = FakeDisk()
    source = Source()
    open_writer(disk).append([source.make("intent", "e1"), *source.pairs(2, 1), source.make("intent", "e3")])
    again = disk.after_kill()
    writer = open_writer(again)
    assert 2 == writer.abandon(source.stream)
    closed = [
        number.entry["exchange"] for number in entries(DATA, again) if number.entry["type"] == "abandoned"
    ]
    assert (["e1", "e3"], {}, 0) == (closed, writer.state.intents, verify(DATA, again).open_intents)


def test_a_broken_frame_in_front_of_a_later_segment_is_damage():
    disk, source = FakeDisk(), Source()
    writer = open_writer(disk)
    for number in range(8):
        writer.append(source.pairs(number, 1))
    broken = disk.after_kill()
    assert 1 < len(wal_files(broken))
    file = wal_files(broken)[-2]
    file.disk[-1] ^= 1
    file.cache[-1] ^= 1
    with pytest.raises(LedgerDamaged, match=r"checksum mismatch.*and there are later segments"):
        open_writer(broken)


def test_what_recovery_cuts_off_is_in_quarantine_however_often_recovery_is_interrupted():
    tail, disk = b"BYL1 and then the power went", FakeDisk()
    open_writer(disk).append(Source().pairs(0, 1))
    file = wal_files(disk)[0]
    file.disk += tail
    file.cache += tail
    for number in range(1, 25):
        for seed in range(6):
            torn = disk.after_kill()
            torn.plan = crash_at(number)
            try:
                open_writer(torn)
            except Crash:
                pass
            found = torn.after_power_loss(random.Random(seed))
            open_writer(found)
            kept = [bytes(inode.disk) for path, inode in found.live.items() if path.suffix == ".kept"]
            assert any(content.startswith(tail) for content in kept), (number, seed)
