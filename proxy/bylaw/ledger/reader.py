"""Reads a ledger for people and exporters, also while a writer runs.

Law of this module: only whole frames are read; an unfinished tail is silently left for the next time.
Nothing is proved here, see `verify`; an entry that is written and not yet durable may show.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bylaw.ledger.disk import Disk, RealDisk
from bylaw.ledger.frame import Frame, FrameError, parse_frame
from bylaw.ledger.layout import Segment, segments


class Numbered(NamedTuple):
    """An entry and its index in the ledger."""

    number: int
    entry: dict[str, Any]


def frames(data: bytes) -> Iterator[Frame]:
    """The whole frames of a segment, up to the first that is not."""
    offset = 0
    while offset < len(data):
        try:
            frame = parse_frame(data, offset)
        except FrameError:
            return
        yield frame
        offset = frame.end


def entries(data_dir: Path, disk: Disk | None = None) -> Iterator[Numbered]:
    """All entries, in order."""
    cursor = Cursor(data_dir, disk)
    while found := cursor.advance():
        yield from found


def last_entries(data_dir: Path, count: int) -> tuple[list[Numbered], Cursor]:
    """The last `count` entries, and a cursor behind them; reads no more segments than it must."""
    disk = RealDisk()
    found: list[Numbered] = []
    listed = segments(disk, data_dir)
    cursor = Cursor(data_dir, disk)
    for segment in reversed(listed):
        data = disk.read(segment.path)
        whole = list(frames(data))
        if segment is listed[-1]:
            cursor.segment, cursor.offset = segment, whole[-1].end if whole else 0
        wanted: list[Frame] = []
        missing = count - len(found)
        while whole and missing > 0:
            wanted.append(whole.pop())
            missing -= len(wanted[-1].leaves)
        found[:0] = chain.from_iterable(map(_numbered, reversed(wanted)))
        if len(found) >= count:
            break
    return found[len(found) - count :] if count < len(found) else found, cursor


class Cursor:
    """A place in the ledger that moves on as entries are written.

    Args:
        data_dir: the data directory of the proxy.
        disk: where it is.
    """

    def __init__(self, data_dir: Path, disk: Disk | None = None) -> None:
        self._data_dir, self._disk = data_dir, disk or RealDisk()
        self.segment: Segment | None = None
        self.offset = 0

    def advance(self) -> list[Numbered]:
        """What has come since the last call, at most the rest of one segment; empty at the end."""
        while True:
            found = self._rest_of_segment()
            later = [] if found else self._later_segments()
            if not later:
                return found
            # The writer may have finished this segment after we read it and before we saw the next.
            found = self._rest_of_segment()
            if found:
                return found
            self.segment, self.offset = later[0], 0

    def _rest_of_segment(self) -> list[Numbered]:
        if self.segment is None:
            return []
        whole = list(frames(self._disk.read(self.segment.path, self.offset)))
        self.offset += whole[-1].end if whole else 0
        return list(chain.from_iterable(map(_numbered, whole)))

    def _later_segments(self) -> list[Segment]:
        here = -1 if self.segment is None else self.segment.first_index
        return [segment for segment in segments(self._disk, self._data_dir) if segment.first_index > here]


def _numbered(frame: Frame) -> list[Numbered]:
    return [
        Numbered(number, orjson.loads(leaf)) for number, leaf in enumerate(frame.leaves, frame.first_index)
    ]
