"""Checks that a ledger holds, and names the first entry that does not.

Law of this module: it reads and never writes, and believes nothing that it did not check: segments follow
each other without a gap from entry 0 on; each frame's lengths and checksum; each frame's link to the one
before; each entry is JSON with the keys that all entries have; each worker's sequence numbers are
consecutive, or a `gap` entry admits what is missing; in mode `strict` each outcome has its intent; no
exchange has two outcomes.

What this does not prove: the chain is not signed yet. Whoever can write to the directory can rewrite all of
it, or cut off its end, and this check will not see it, until checkpoints are signed and kept elsewhere. It
finds accidents, and edits by somebody who did not recompute everything that follows.

An unfinished tail, which a crash leaves and the next start of the writer puts into quarantine, is a note
and not a failure, if it shows by itself: the file ends before the frame does, or a sector of it is still
blank. Memory: about 100 bytes an outcome.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bylaw.ledger.disk import Disk, RealDisk
from bylaw.ledger.failures import LedgerDamaged
from bylaw.ledger.frame import Chain, Frame, FrameError, parse_frame
from bylaw.ledger.layout import Segment, identity_path, read_identity, segments
from bylaw.ledger.pairing import Pairing
from bylaw.ledger.tail import frames_after, looks_torn

MISSING: Final = "entries are missing"
UNFINISHED: Final = (
    "unfinished tail of {size} bytes at offset {offset} of {name}: a write that is under way or was "
    "interrupted; nobody was told that it is durable"
)
PERHAPS_POWER: Final = (
    "it is the last frame: if the machine has just lost power, start the proxy once, which quarantines an "
    "unfinished write, and verify again"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """The first thing that does not hold.

    Args:
        file: which file.
        offset: offset of the frame in it.
        index: index of the first entry concerned; -1 if it is not about an entry.
        reason: what is wrong.
    """

    file: str
    offset: int
    index: int
    reason: str


@dataclass(slots=True)
class Report:
    """What was checked.

    Args:
        entries: entries that hold.
        frames: frames that hold.
        segments: files read.
        first_us: time of the first frame, microseconds since 1970; 0 if there is none.
        last_us: time of the last one.
        open_intents: exchanges begun and not finished; normal while the proxy runs.
        notes: what is worth knowing and no failure.
        failure: the first thing that does not hold, None if everything does.
    """

    entries: int = 0
    frames: int = 0
    segments: int = 0
    first_us: int = 0
    last_us: int = 0
    open_intents: int = 0
    notes: list[str] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.failure is None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, **asdict(self)}


def verify(data_dir: Path, disk: Disk | None = None) -> Report:
    """Check the ledger of a data directory.

    Args:
        data_dir: the data directory of the proxy.
        disk: where it is.

    Raises:
        FileNotFoundError: there is no ledger.
    """
    disk, report = disk or RealDisk(), Report()
    listed = segments(disk, data_dir)
    path = identity_path(data_dir)
    try:
        genesis = read_identity(disk, data_dir)[1]
    except (LedgerDamaged, FileNotFoundError) as error:
        if not listed and isinstance(error, FileNotFoundError):
            raise
        report.failure = Failure(str(path), 0, -1, getattr(error, "message", "is missing"))
        return report
    _Check(disk, report, Chain(0, genesis)).run(listed)
    return report


class _Check:
    def __init__(self, disk: Disk, report: Report, chain: Chain) -> None:
        self._disk, self._report, self._chain = disk, report, chain
        self._pairing = Pairing(report.notes.append)
        self._before: tuple[str, Frame] | None = None

    def run(self, listed: list[Segment]) -> None:
        for segment in listed:
            last = segment is listed[-1]
            if segment.first_index != self._chain.next_index:
                self._fail(segment, 0, self._chain.next_index, f"{MISSING} before this segment")
            else:
                self._segment(segment, self._disk.read(segment.path), last=last)
            if self._report.failure:
                break
        self._report.open_intents = self._pairing.open_intents

    def _segment(self, segment: Segment, data: bytes, *, last: bool) -> None:
        self._report.segments += 1
        at = 0
        while at < len(data) and not self._report.failure:
            try:
                frame = parse_frame(data, at)
            except FrameError as error:
                self._broken(segment, data, error, last=last)
                return
            self._frame(segment, frame)
            at = frame.end

    def _broken(self, segment: Segment, data: bytes, error: FrameError, *, last: bool) -> None:
        index = self._chain.next_index
        if not last or frames_after(data, error.offset):
            self._fail(segment, error.offset, index, error.reason)
        elif looks_torn(data, error):
            size, name = len(data) - error.offset, segment.path.name
            self._report.notes.append(UNFINISHED.format(size=size, offset=error.offset, name=name))
        else:
            self._fail(segment, error.offset, index, f"{error.reason}; {PERHAPS_POWER}")

    def _frame(self, segment: Segment, frame: Frame) -> None:
        try:
            self._chain.accept(frame)
        except FrameError as error:
            self._unlinked(segment, frame, error)
            return
        self._entries(segment, frame)
        self._before = (str(segment.path), frame)
        report = self._report
        report.frames, report.last_us = report.frames + 1, frame.wall_us
        report.first_us = report.first_us or frame.wall_us

    def _unlinked(self, segment: Segment, frame: Frame, error: FrameError) -> None:
        if frame.first_index != self._chain.next_index:
            self._fail(segment, frame.offset, self._chain.next_index, f"{MISSING} or doubled: {error.reason}")
        elif self._before is None:
            self._fail(segment, frame.offset, frame.first_index, "it does not belong to this ledger.json")
        else:
            file, before = self._before
            last = frame.first_index - 1
            reason = (
                f"the frame of entries {before.first_index} to {last} is not the one that the next links to"
            )
            self._report.failure = Failure(file, before.offset, before.first_index, reason)

    def _entries(self, segment: Segment, frame: Frame) -> None:
        for index, leaf in enumerate(frame.leaves, frame.first_index):
            reason = self._pairing.objection(leaf)
            if reason:
                self._fail(segment, frame.offset, index, reason)
                return
            self._report.entries += 1

    def _fail(self, segment: Segment, offset: int, index: int, reason: str) -> None:
        self._report.failure = Failure(str(segment.path), offset, index, reason)
