"""From the files that some earlier writer left to the end of the log.

Law of this module: what recovery keeps is on the disk, not merely in the page cache. What it takes away is
only an unfinished last batch, which nobody was told to be durable, and even that is kept in quarantine
first. A whole frame behind a broken one is damage: recovery touches nothing and a person must look.
Recovery may be interrupted and repeated at any point.

In mode `async` several frames may be unfinished at once: whole frames behind a broken one count as
unfinished too if they were all written within `ASYNC_TAIL_US` of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from bylaw.errors import Place
from bylaw.ledger.disk import Disk, write_all
from bylaw.ledger.failures import LedgerDamaged
from bylaw.ledger.frame import Chain, FrameError, parse_frame
from bylaw.ledger.layout import Segment, quarantine_dir, segments
from bylaw.ledger.state import State
from bylaw.ledger.tail import frames_after

ASYNC_TAIL_US: Final = 2_000_000


class Torn(NamedTuple):
    """An unfinished tail in quarantine that no entry tells of yet."""

    name: str
    bytes: int
    sha256: str


@dataclass(slots=True)
class Recovered:
    """The end of the log: where the next frame goes and what the writer must remember."""

    chain: Chain
    path: Path | None = None
    offset: int = 0
    boot: int = 0
    state: State = field(default_factory=State)
    torn: list[Torn] = field(default_factory=list)


def recover(disk: Disk, data_dir: Path, genesis: bytes, boot_id: str) -> Recovered:
    """Find the end of the log, and cut off an unfinished batch.

    Args:
        disk: where the ledger is.
        data_dir: the data directory of the proxy.
        genesis: link of the first frame.
        boot_id: name of this attempt, part of the names in quarantine.

    Raises:
        LedgerDamaged: the files are not what a writer can have left.
        OSError: the disk failed.
    """
    found = segments(disk, data_dir)
    end = Recovered(Chain(0, genesis))
    if found:
        for segment in found[-2:]:
            _settle(disk, segment)
        first = _first_to_read(disk, found)
        if first:
            _walk(disk, found[first - 1], end, anchor=True, last=False)
        for number in range(first, len(found)):
            _walk(disk, found[number], end, last=number == len(found) - 1, quarantine=(data_dir, boot_id))
    end.torn = _untold(disk, quarantine_dir(data_dir))
    return end


def _settle(disk: Disk, segment: Segment) -> None:
    file = disk.open(segment.path)
    try:
        file.settle()
    finally:
        file.close()


def _first_to_read(disk: Disk, found: list[Segment]) -> int:
    # Each segment but the first begins with the state so far, unless power went before that was written.
    last = len(found) - 1
    try:
        parse_frame(disk.read(found[last].path), 0)
    except FrameError:
        return max(0, last - 1)
    return last


def _walk(
    disk: Disk,
    segment: Segment,
    end: Recovered,
    *,
    last: bool,
    anchor: bool = False,
    quarantine: tuple[Path, str] | None = None,
) -> None:
    """Read one segment; `anchor`: only for its end, trusting its first frame."""
    data, at = disk.read(segment.path), 0
    if anchor:
        end.chain.next_index = segment.first_index
    elif segment.first_index != end.chain.next_index:
        raise _damaged(segment, 0, f"begins with entry {segment.first_index}, not {end.chain.next_index}")
    while at < len(data):
        try:
            frame = parse_frame(data, at)
            end.chain.advance(frame) if anchor and at == 0 else end.chain.accept(frame)
        except FrameError as error:
            _check_torn(segment, data, error, end.state, last=last)
            assert quarantine is not None
            _set_aside(disk, segment.path, data, at, _quarantined(quarantine, segment, at))
            break
        end.boot = frame.boot
        if not anchor:
            _observe(segment, at, frame.leaves, end.state)
        at = frame.end
    end.path, end.offset = segment.path, at


def _observe(segment: Segment, at: int, leaves: list[bytes], state: State) -> None:
    try:
        for leaf in leaves:
            entry: Any = orjson.loads(leaf)
            state.observe(entry)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(segment, at, f"an entry that is not readable: {error!r}") from error


def _check_torn(segment: Segment, data: bytes, error: FrameError, state: State, *, last: bool) -> None:
    if not last:
        raise _damaged(segment, error.offset, f"{error.reason}, and there are later segments")
    try:
        parse_frame(data, error.offset)
    except FrameError:
        pass
    else:
        raise _damaged(segment, error.offset, error.reason)
    behind = frames_after(data, error.offset)
    if not behind:
        return
    times = [frame.wall_us for frame in behind]
    if state.mode != "async" or max(times) - min(times) > ASYNC_TAIL_US:
        where = f"{error.reason}, and a whole frame follows at offset {behind[0].offset}"
        raise _damaged(segment, error.offset, where)


def _damaged(segment: Segment, offset: int, reason: str) -> LedgerDamaged:
    message = (
        f"offset {offset}: {reason}. This is damage, not an interrupted write: keep a copy and inspect it"
    )
    return LedgerDamaged(message, Place(str(segment.path)))


def _quarantined(where: tuple[Path, str], segment: Segment, offset: int) -> Path:
    data_dir, boot_id = where
    return quarantine_dir(data_dir) / f"{segment.path.stem}-{offset:x}-{boot_id}.torn"


def _set_aside(disk: Disk, path: Path, data: bytes, offset: int, into: Path) -> None:
    copy = disk.create(into)
    try:
        write_all(copy, 0, data[offset:])
        copy.sync()
    finally:
        copy.close()
    disk.sync_dir(into.parent)
    file = disk.open(path)
    try:
        file.truncate(offset)
        file.sync()
    finally:
        file.close()


def _untold(disk: Disk, where: Path) -> list[Torn]:
    found: list[Torn] = []
    for name in disk.names(where):
        if name.endswith(".torn"):
            raw = disk.read(where / name)
            found.append(Torn(name, len(raw), sha256(raw).hexdigest()))
    return found
