"""The write-ahead log: appends frames to the current segment.

Law of this module: `write` either appends the whole frame or leaves the segment as it was (`Refused`), and
if it can promise neither it raises `Poisoned`, after which the object is dead. The name of a new segment is
durable before its first frame is.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bylaw.ledger.disk import Disk, File
from bylaw.ledger.failures import Poisoned, Refused
from bylaw.ledger.frame import Chain, encode_frame
from bylaw.ledger.layout import SEGMENT_BYTES, segment_at, wal_dir

_TRY_AGAIN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Wal:
    """The end of the log.

    Args:
        disk: where it is.
        data_dir: the data directory of the proxy.
        chain: where the next frame continues.
        path: the last segment, or None if there is none yet.
        offset: end of its last good frame.
        segment_bytes: size from which on a new segment is begun.
    """

    def __init__(
        self,
        disk: Disk,
        data_dir: Path,
        chain: Chain,
        *,
        path: Path | None = None,
        offset: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._disk, self._data_dir, self._segment_bytes = disk, data_dir, segment_bytes
        self._file: File | None = disk.open(path) if path else None
        self.chain, self.offset = chain, offset
        self.unsynced = False
        self.poison: str = ""

    def begin_segment_if_full(self) -> None:
        """Have a segment with room for a frame."""
        self._check()
        if self._file is None or self.offset >= self._segment_bytes:
            self.sync()
            self._begin_segment()

    def _begin_segment(self) -> None:
        path = segment_at(self._data_dir, self.chain.next_index).path
        try:
            fresh = self._disk.create(path)
        except OSError as error:
            raise Refused(f"cannot create {path.name}: {error.strerror}") from error
        if self._file is not None:
            self._file.close()
        self._file, self.offset = fresh, 0
        try:
            self._disk.sync_dir(wal_dir(self._data_dir))
        except OSError as error:
            raise self._poisoned("sync of the directory", error) from error

    def write(self, leaves: Sequence[bytes], wall_us: int, boot: int) -> None:
        """Append one frame; it is not durable before `sync`.

        Raises:
            Refused: no room; nothing has changed.
            Poisoned: the disk failed.
        """
        self._check()
        assert self._file is not None
        frame, link = encode_frame(leaves, self.chain.next_index, wall_us, boot, self.chain.link)
        view, done = memoryview(frame), 0
        while done < len(frame):
            try:
                taken = self._file.write_at(self.offset + done, view[done:])
            except OSError as error:
                raise self._rolled_back(done, error) from error
            if taken <= 0:
                raise self._rolled_back(done, OSError(errno.EIO, "took nothing"))
            done += taken
        self.offset += len(frame)
        self.chain.next_index, self.chain.link = self.chain.next_index + len(leaves), link
        self.unsynced = True

    def _rolled_back(self, done: int, error: OSError) -> Refused | Poisoned:
        assert self._file is not None
        if error.errno not in _TRY_AGAIN:
            return self._poisoned("write", error)
        try:
            # A read-only file system refuses this too, but then nothing was written either.
            if done:
                self._file.truncate(self.offset)
        except OSError as again:
            return self._poisoned("roll-back", again)
        return Refused(f"the disk takes nothing: {error.strerror}")

    def sync(self) -> None:
        """Make all written frames durable.

        Raises:
            Poisoned: the disk failed; a second attempt would lie.
        """
        self._check()
        if self._file is None or not self.unsynced:
            return
        try:
            self._file.sync()
        except OSError as error:
            raise self._poisoned("sync", error) from error
        self.unsynced = False

    def close(self) -> None:
        """Give the handle back, without a sync."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _check(self) -> None:
        if self.poison:
            raise Poisoned(self.poison)

    def _poisoned(self, what: str, error: OSError) -> Poisoned:
        self.poison = f"{what} failed: {error.strerror}"
        return Poisoned(self.poison)
