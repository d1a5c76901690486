"""Whatever is changed in a ledger, `verify` says so and names the first entry that does not hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import orjson
import pytest
from ledger_disk import FakeDisk, Inode, Source, StillClock

from bylaw.ledger.frame import encode_frame, parse_frame
from bylaw.ledger.layout import identity_path
from bylaw.ledger.reader import Cursor, entries
from bylaw.ledger.verify import verify
from bylaw.ledger.writer import Writer

DATA = Path("/data")


def ledger(batches: int = 3, segment_bytes: int = 600, mode: str = "strict") -> FakeDisk:
    disk, source = FakeDisk(), Source()
    writer = Writer(disk, DATA, mode, StillClock(), segment_bytes)
    for number in range(batches):
        writer.append(source.pairs(number, 1))
    writer.close()
    return disk


def files(disk: FakeDisk) -> list[Path]:
    return sorted(path for path in disk.live if path.suffix == ".wal")


def change(disk: FakeDisk, path: Path, content: bytes) -> FakeDisk:
    disk.live[path] = Inode(content)
    return disk


def frames_of(content: bytes):
    at, found = 0, []
    while at < len(content):
        found.append(parse_frame(content, at))
        at = found[-1].end
    return found


def test_an_untouched_ledger_holds():
    report = verify(DATA, ledger())
    assert (True, 9, 6, 3, 0, []) == (
        report.ok, report.entries, report.frames, report.segments, report.open_intents, report.notes,
    )  # fmt: skip


def test_every_single_changed_bit_of_a_ledger_is_seen():
    disk = ledger(2)
    assert 2 == len(files(disk))
    for path in [identity_path(DATA), *files(disk)]:
        content = disk.read(path)
        for bit in range(len(content) * 8):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            change(disk, path, bytes(changed))
            assert not verify(DATA, disk).ok, (path, bit)
        change(disk, path, content)
    assert verify(DATA, disk).ok


def test_a_changed_byte_names_its_frame_by_file_offset_and_entry():
    disk = ledger(3, 10**6)
    path = files(disk)[0]
    content = bytearray(disk.read(path))
    frame = frames_of(bytes(content))[2]
    content[frame.end - 30] ^= 0xFF
    failure = verify(DATA, change(disk, path, bytes(content))).failure
    assert (str(path), frame.offset, 3, "checksum mismatch in the frame of 2 entries") == (
        failure.file, failure.offset, failure.index, failure.reason,
    )  # fmt: skip


def test_an_edit_with_its_checksum_made_good_breaks_the_link():
    disk = ledger(3, 10**6)
    path = files(disk)[0]
    content = bytearray(disk.read(path).replace(b'"allow"', b'"block"', 1))
    frame_at = [frame.offset for frame in frames_of(disk.read(path))][1]
    body_len = struct.unpack_from(">I", content, frame_at + 4)[0]
    end = frame_at + 68 + body_len
    crc = zlib.crc32(content[frame_at + 68 : end], zlib.crc32(content[frame_at : frame_at + 64]))
    content[frame_at + 64 : frame_at + 68] = struct.pack(">I", crc)
    failure = verify(DATA, change(disk, path, bytes(content))).failure
    assert (1, "the frame of entries 1 to 2 is not the one that the next links to") == (
        failure.index,
        failure.reason,
    )


def test_a_removed_frame_is_named_by_the_first_entry_that_is_missing():
    disk = ledger(3, 10**6)
    path = files(disk)[0]
    content = disk.read(path)
    frame = frames_of(content)[1]
    failure = verify(DATA, change(disk, path, content[: frame.offset] + content[frame.end :])).failure
    assert (1, "entries are missing or doubled: entry 3 follows where entry 1 belongs") == (
        failure.index,
        failure.reason,
    )


@pytest.mark.parametrize(("removed", "index"), [(0, 0), (1, 3)])
def test_a_removed_segment_is_seen_at_the_start_and_in_the_middle(removed, index):
    disk = ledger(4)
    del disk.live[files(disk)[removed]]
    failure = verify(DATA, disk).failure
    assert (index, "entries are missing before this segment") == (failure.index, failure.reason)


def test_another_ledger_json_does_not_fit():
    disk = ledger()
    change(disk, identity_path(DATA), disk.read(identity_path(DATA)).replace(b"bylaw-", b"other-"))
    assert "it does not belong to this ledger.json" == verify(DATA, disk).failure.reason


def test_segments_without_ledger_json_fail():
    disk = ledger()
    del disk.live[identity_path(DATA)]
    assert "is missing" == verify(DATA, disk).failure.reason


def test_a_write_under_way_is_a_note():
    disk = ledger(3, 10**6)
    path = files(disk)[0]
    content = disk.read(path)
    whole = content + encode_frame([b"{}"], 7, 1, 1, bytes(32))[0]
    for cut in range(1, len(whole) - len(content)):
        report = verify(DATA, change(disk, path, content + whole[len(content) : len(content) + cut]))
        assert (True, 1) == (report.ok, len(report.notes)), cut
    report = verify(DATA, change(disk, path, content + bytes(500)))
    assert (True, f"unfinished tail of 500 bytes at offset {len(content)}") == (
        report.ok,
        report.notes[0][:43],
    )


def with_leaves(*leaves: dict | bytes) -> FakeDisk:
    """A ledger of a writer that does not check what it is given."""
    disk = ledger(0, 10**6)
    path = files(disk)[0]
    content = disk.read(path)
    before = frames_of(content)[-1]
    encoded = [leaf if isinstance(leaf, bytes) else orjson.dumps(leaf) for leaf in leaves]
    frame, _ = encode_frame(encoded, 1, 9, 1, before.link)
    return change(disk, path, content + frame)


def leaf(kind: str, exchange: str, seq: int, **fields) -> dict:
    head = {"v": 1, "type": kind, "exchange": exchange, "nonce": "00", "at_us": 1, "mono_us": 1}
    return {**head, "boot": "b", "worker": "w", "seq": seq, **fields}


@pytest.mark.parametrize(
    ("index", "reason", "leaves"),
    [
        (2, "worker w (boot b): sequence 3 where 2 belongs",
         [leaf("intent", "a", 1), leaf("outcome", "a", 3)]),
        (1, "worker w (boot b): sequence 2 where 1 belongs", [leaf("intent", "a", 2)]),
        (1, "outcome of exchange a, but no intent", [leaf("outcome", "a", 1)]),
        (3, "a second outcome of exchange a",
         [leaf("intent", "a", 1), leaf("outcome", "a", 2), leaf("outcome", "a", 3, forwarded=False)]),
        (1, "not a JSON object", [b"[]"]),
        (1, "its 'nonce' is missing or of the wrong type", [leaf("intent", "a", 1, nonce=5)]),
        (1, "schema 2; this version reads 1", [leaf("intent", "a", 1, v=2)]),
        (1, "a malformed gap", [leaf("gap", "", 1, worker="writer")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(index, reason, leaves):
    failure = verify(DATA, with_leaves(*leaves)).failure
    assert (index, reason) == (failure.index, failure.reason)


def test_a_leaf_that_is_not_json_is_named():
    failure = verify(DATA, with_leaves(leaf("intent", "a", 1), b"{nonsense")).failure
    assert (2, "not JSON") == (failure.index, failure.reason[:8])


def test_an_outcome_that_went_nowhere_needs_no_intent():
    assert verify(DATA, with_leaves(leaf("outcome", "a", 1, forwarded=False))).ok


def test_an_admitted_gap_is_a_note():
    gap = leaf("gap", "", 1, worker="writer", boot="x", of_boot="b", of_worker="w", from_seq=2, to_seq=4)
    report = verify(DATA, with_leaves(leaf("intent", "a", 1), gap, leaf("outcome", "a", 5)))
    assert (True, ["worker w (boot b): entries 2 to 4 were lost; a gap entry says so"]) == (
        report.ok,
        report.notes,
    )


def test_an_outcome_after_abandoned_is_a_note():
    abandoned = leaf("abandoned", "a", 1, worker="writer", boot="x")
    report = verify(DATA, with_leaves(leaf("intent", "a", 1), abandoned, leaf("outcome", "a", 2)))
    assert (True, 1) == (report.ok, len(report.notes))


def test_without_strict_mode_an_outcome_stands_alone():
    disk, source = FakeDisk(), Source()
    Writer(disk, DATA, "final", StillClock()).append([source.make("outcome", "a")])
    assert verify(DATA, disk).ok


def test_where_there_is_no_ledger_there_is_nothing_to_verify():
    with pytest.raises(FileNotFoundError):
        verify(DATA, FakeDisk())


def test_a_cursor_gives_each_entry_once_while_a_writer_runs():
    disk, source = FakeDisk(), Source()
    writer, cursor, found = Writer(disk, DATA, "strict", StillClock(), 700), Cursor(DATA, disk), []
    for number in range(6):
        writer.append(source.pairs(number, 1))
        while part := cursor.advance():
            found += part
    assert list(entries(DATA, disk)) == found
    assert list(range(len(found))) == [numbered.number for numbered in found]


class Racing(FakeDisk):
    """Something happens just before a directory is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.before_names = lambda: None

    def names(self, path: Path) -> list[str]:
        action, self.before_names = self.before_names, lambda: None
        action()
        return super().names(path)


def test_a_cursor_misses_nothing_when_a_segment_ends_while_it_looks():
    disk, source = Racing(), Source()
    writer, cursor = Writer(disk, DATA, "strict", StillClock(), 10_000), Cursor(DATA, disk)
    found = cursor.advance()
    disk.before_names = lambda: [writer.append(source.pairs(number * 20, 20)) for number in range(3)]
    while part := cursor.advance():
        found += part
    assert list(entries(DATA, disk)) == found
    assert 1 < len(files(disk))
