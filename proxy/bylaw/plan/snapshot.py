"""The operator's files, read once.

Law of this module: every worker sees the same bytes. A supervisor captures, hands the snapshot on as JSON,
and nobody reads a policy from disk again; what changes on disk in between cannot make two workers differ.
Secrets are not in a snapshot, only references to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bylaw.errors import ConfigError, Place
from bylaw.plan.source import SOURCE_BYTES_MAX, Node, parse

FILES_MAX = 2_000
SUFFIXES = frozenset({".yaml", ".yml"})


class Files(Protocol):
    """Where plans read from; a `Snapshot` is one."""

    def read(self, path: str) -> str:
        """The text of a file, by absolute path.

        Raises:
            ConfigError: there is no such file.
        """
        ...

    def listing(self, directory: str) -> tuple[str, ...]:
        """Absolute paths of the policy files of a directory, sorted.

        Raises:
            ConfigError: there is no such directory.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells cheaply that a file has changed: modification time, size, inode."""

    mtime_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files as they were at one moment.

    Args:
        config: absolute path of the configuration file; empty when there is none.
        files: text by absolute path.
        directories: sorted absolute paths of policy files, by absolute path of the directory.
        stamps: by absolute path; files that did not come from disk have none.
    """

    config: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)

    @classmethod
    def capture(
        cls, config: Path | None, directories: Iterable[Path] = (), files: Iterable[Path] = ()
    ) -> Snapshot:
        """Read the configuration, all policy files (.yaml, .yml) of `directories`, and other `files`.

        Raises:
            ConfigError: missing, unreadable, too large, too many, or not UTF-8.
        """
        listings = {_absolute(directory): _list(directory) for directory in directories}
        wanted = {_absolute(path) for path in ([config] if config else []) + list(files)}
        wanted.update(path for listing in listings.values() for path in listing)
        if len(wanted) > FILES_MAX:
            raise ConfigError(f"more than {FILES_MAX} policy files")
        read = {path: _read(path) for path in sorted(wanted)}
        return cls(
            _absolute(config) if config else "",
            {path: text for path, (text, _) in read.items()},
            listings,
            {path: stamp for path, (_, stamp) in read.items()},
        )

    def read(self, path: str) -> str:
        if path not in self.files:
            raise ConfigError("no such file", Place(path))
        return self.files[path]

    def listing(self, directory: str) -> tuple[str, ...]:
        if directory not in self.directories:
            raise ConfigError("no such directory", Place(directory))
        return self.directories[directory]

    def node(self, path: str) -> Node:
        """A file, parsed.

        Raises:
            ConfigError: no such file, or not YAML as `source` allows it.
        """
        return parse(self.read(path), path)

    def changed(self) -> bool:
        """Whether the files on disk say something else now, or cannot be read any more."""
        try:
            if any(_list(Path(directory)) != listing for directory, listing in self.directories.items()):
                return True
            return any(
                _stamp(Path(path).stat()) != stamp and _read(path)[0] != self.files[path]
                for path, stamp in self.stamps.items()
            )
        except (ConfigError, OSError):
            return True

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for a worker process."""
        stamps = {path: [stamp.mtime_ns, stamp.size, stamp.inode] for path, stamp in self.stamps.items()}
        directories = {directory: list(listing) for directory, listing in self.directories.items()}
        return {
            "config": self.config,
            "files": dict(self.files),
            "directories": directories,
            "stamps": stamps,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Snapshot:
        """The inverse of `to_json`."""
        return cls(
            data["config"],
            dict(data["files"]),
            {directory: tuple(listing) for directory, listing in data["directories"].items()},
            {path: Stamp(*stamp) for path, stamp in data["stamps"].items()},
        )


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - not resolve(): a Kubernetes ConfigMap swaps its symlinks


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _list(directory: Path) -> tuple[str, ...]:
    try:
        entries = [path for path in directory.iterdir() if path.suffix in SUFFIXES and path.name[0] != "."]
    except OSError as error:
        raise ConfigError(f"cannot be listed: {error.strerror}", Place(_absolute(directory))) from None
    return tuple(sorted(_absolute(path) for path in entries))


def _read(path: str) -> tuple[str, Stamp]:
    place = Place(path)
    try:
        with Path(path).open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            data = file.read(SOURCE_BYTES_MAX + 1)
        if len(data) > SOURCE_BYTES_MAX:
            raise ConfigError(f"larger than {SOURCE_BYTES_MAX} bytes", place)
        return data.decode("utf-8-sig"), stamp
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8", Place(path, line)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", place) from None
