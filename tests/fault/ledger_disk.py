"""A disk in memory that loses power, fails, fills up: the ledger's wall, on the other side.

Law of this module: nothing counts as durable that was not synced, and after a failed sync the cache lies, as
on Linux.
Every state is a function of a seed.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

from bylaw.ledger.entry import Entry, role_of
from bylaw.ledger.state import Record

SECTOR = 64
"""Smaller than a real one, so that small frames span several."""

Plan = Callable[[int, str], "OSError | str | None"]


class Crash(BaseException):
    """The machine stops here."""


class Inode:
    def __init__(self, content: bytes = b"") -> None:
        self.disk = bytearray(content)
        self.cache = bytearray(content)
        self.dirty: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes | None) -> None:
        apply(self.cache, offset, data)
        self.dirty.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.dirty:
            apply(self.disk, offset, data)
        self.dirty.clear()

    def copy(self) -> Inode:
        twin = Inode()
        twin.disk, twin.cache, twin.dirty = self.disk[:], self.cache[:], self.dirty[:]
        return twin

    def after_power_loss(self, rng: random.Random) -> Inode:
        content = self.disk[:]
        for offset, data in self.dirty:
            lose(content, offset, data, rng)
        return Inode(bytes(content))


def apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def lose(content: bytearray, offset: int, data: bytes | None, rng: random.Random) -> None:
    """Apply an unsynced write as a disk may: not, whole, cut off, some sectors, garbage, blank."""
    fate = rng.choice(("lost", "whole", "cut", "sectors", "garbage", "blank"))
    if data is None:
        if fate != "lost":
            apply(content, offset, data)
        return
    if fate == "whole":
        apply(content, offset, data)
    elif fate == "cut":
        apply(content, offset, data[: rng.randrange(len(data))])
    elif fate == "blank":
        apply(content, offset, bytes(len(data)))
    elif fate in {"sectors", "garbage"}:
        apply(content, offset, bytes(len(data)))
        for at in range(0, len(data), SECTOR):
            if rng.random() < 0.7:
                apply(content, offset + at, data[at : at + SECTOR])
            elif fate == "garbage":
                apply(content, offset + at, rng.randbytes(len(data[at : at + SECTOR])))


class FakeFile:
    def __init__(self, disk: FakeDisk, inode: Inode) -> None:
        self._disk, self._inode = disk, inode

    def write_at(self, offset: int, data: bytes | memoryview) -> int:
        short = self._disk.call("write") == "short"
        taken = bytes(data)[: max(1, len(data) // 2)] if short else bytes(data)
        self._inode.write(offset, taken)
        return len(taken)

    def sync(self) -> None:
        try:
            self._disk.call("sync")
        except OSError:
            self._inode.dirty.clear()
            raise
        self._inode.sync()

    def settle(self) -> None:
        self.sync()
        self._inode.cache = self._inode.disk[:]

    def truncate(self, size: int) -> None:
        self._disk.call("truncate")
        self._inode.write(size, None)

    def close(self) -> None:
        pass


class FakeDisk:
    """Args: plan: asked at each call (number, name): an error to raise, "short", or None."""

    def __init__(self, plan: Plan = lambda number, name: None) -> None:
        self.plan, self.calls, self.locked = plan, 0, False
        self.live: dict[Path, Inode] = {}
        self.firm: dict[Path, Inode] = {}
        self.renamed: list[tuple[Path, Path]] = []

    def call(self, name: str) -> str | None:
        self.calls += 1
        answer = self.plan(self.calls, name)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def make_dir(self, path: Path) -> None:
        self.call("make_dir")

    def names(self, path: Path) -> list[str]:
        return sorted(name.name for name in self.live if name.parent == path)

    def read(self, path: Path, offset: int = 0) -> bytes:
        if path not in self.live:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return bytes(self.live[path].cache[offset:])

    def create(self, path: Path) -> FakeFile:
        self.call("create")
        if path in self.live:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        self.live[path] = Inode()
        return FakeFile(self, self.live[path])

    def open(self, path: Path) -> FakeFile:
        return FakeFile(self, self.live[path])

    def rename(self, old: Path, new: Path) -> None:
        self.call("rename")
        self.live[new] = self.live.pop(old)
        self.renamed.append((old, new))

    def sync_dir(self, path: Path) -> None:
        self.call("sync_dir")
        for name in [name for name in self.firm if name.parent == path]:
            del self.firm[name]
        self.firm.update({name: inode for name, inode in self.live.items() if name.parent == path})
        self.renamed = [pair for pair in self.renamed if pair[0].parent != path]

    def lock(self, path: Path) -> None:
        if self.locked:
            raise BlockingIOError
        self.locked = True

    def unlock(self) -> None:
        self.locked = False

    def after_kill(self) -> FakeDisk:
        """What the next process finds: all that was written, synced or not."""
        twin = FakeDisk()
        copies = {id(inode): inode.copy() for inode in [*self.live.values(), *self.firm.values()]}
        twin.live = {path: copies[id(inode)] for path, inode in self.live.items()}
        twin.firm = {path: copies[id(inode)] for path, inode in self.firm.items()}
        twin.renamed = self.renamed[:]
        return twin

    def after_power_loss(self, rng: random.Random) -> FakeDisk:
        """What the machine finds when it is on again."""
        names = dict(self.firm)
        before = {new: old for old, new in self.renamed}
        for path, inode in self.live.items():
            if path not in names and rng.random() < 0.5:
                names.pop(before.get(path, path), None)
                names[path] = inode
        twin = FakeDisk()
        twin.live = {path: inode.after_power_loss(rng) for path, inode in names.items()}
        twin.firm = dict(twin.live)
        return twin


class StillClock:
    """A clock that moves by a millisecond each time it is read."""

    def __init__(self) -> None:
        self.now_us = 1_790_000_000_000_000

    def wall_us(self) -> int:
        self.now_us += 1000
        return self.now_us

    def monotonic_ns(self) -> int:
        return self.now_us * 1000

    def today(self):
        raise NotImplementedError


class Source:
    """Makes records of one worker, in sequence."""

    def __init__(self, worker: str = "w0", boot: str = "b0") -> None:
        self.stream, self.seq = (boot, worker), 0

    def make(self, kind: str, exchange: str, **fields) -> Record:
        self.seq += 1
        leaf = Entry(kind, exchange, fields).encode(1, 1, *self.stream, self.seq)
        return Record(self.stream, self.seq, role_of(kind), exchange, leaf)

    def pairs(self, first: int, count: int, size: int = 0) -> list[Record]:
        """`count` exchanges, each with intent and outcome."""
        found = []
        for number in range(first, first + count):
            exchange = f"{self.stream[1]}-{number}"
            found.append(self.make("intent", exchange, pad="x" * size))
            found.append(self.make("outcome", exchange, decision="allow"))
        return found
