"""The wall between the ledger and the operating system.

Law of this module: every effect on storage goes through `Disk` and `File`, so that tests can lose power
between any two calls. No retry and no interpretation of errors here: an `OSError` goes up as it came.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file."""

    def write_at(self, offset: int, data: bytes | memoryview) -> int:
        """Write at `offset`; the number of bytes taken, perhaps fewer than given."""
        ...

    def sync(self) -> None:
        """Return when the content and the length are on the disk (`fdatasync`)."""
        ...

    def settle(self) -> None:
        """Sync, then forget cached pages, so that the next read tells what the disk holds.

        After a failed flush the cache keeps pages that the disk never got; recovery must not believe them.
        """
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def close(self) -> None:
        """Give the handle back."""
        ...


class Disk(Protocol):
    """A tree of directories and files."""

    def make_dir(self, path: Path) -> None:
        """Create the directory and its parents where missing, for the owner only."""
        ...

    def names(self, path: Path) -> list[str]:
        """The names in a directory, sorted; none if there is no such directory."""
        ...

    def read(self, path: Path, offset: int = 0) -> bytes:
        """A file, from `offset` to its end."""
        ...

    def create(self, path: Path) -> File:
        """A new, empty file; an error if the name is taken."""
        ...

    def open(self, path: Path) -> File:
        """An existing file."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name in the same directory, replacing what had it."""
        ...

    def sync_dir(self, path: Path) -> None:
        """Return when the names in this directory are on the disk."""
        ...

    def lock(self, path: Path) -> None:
        """Hold this directory until `unlock` or the end of the process.

        Raises:
            BlockingIOError: another process holds it.
        """
        ...

    def unlock(self) -> None:
        """Let go of the directory."""
        ...


class RealFile:
    """A file descriptor."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write_at(self, offset: int, data: bytes | memoryview) -> int:
        return os.pwrite(self._fd, data, offset)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def settle(self) -> None:
        os.fdatasync(self._fd)
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        os.close(self._fd)


class RealDisk:
    """The machine's file system."""

    def __init__(self) -> None:
        self._lock_fd = -1

    def make_dir(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def read(self, path: Path, offset: int = 0) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()

    def create(self, path: Path) -> RealFile:
        return RealFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: Path) -> RealFile:
        return RealFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def sync_dir(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        self._lock_fd = fd

    def unlock(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def write_all(file: File, offset: int, data: bytes) -> None:
    """Write all of `data`, however many calls that takes.

    Raises:
        OSError: the disk's own.
    """
    view = memoryview(data)
    while view:
        taken = file.write_at(offset, view)
        if taken <= 0:
            raise OSError(errno.EIO, "the disk took nothing and named no reason")
        offset, view = offset + taken, view[taken:]
