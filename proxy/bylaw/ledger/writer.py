"""The writer: the only code that appends to a ledger.

Law of this module: plain and synchronous, one thread at a time. When `append` returns in mode `strict` or
`final`, the records are durable; in `async` they are with the kernel and `sync` is due within 50 ms. When
it raises `Refused`, none of them is written and the same records may be given again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bylaw.clock import Clock
from bylaw.errors import ConfigError, Place
from bylaw.ledger.disk import Disk
from bylaw.ledger.entry import Entry, role_of
from bylaw.ledger.failures import LedgerLocked
from bylaw.ledger.layout import SEGMENT_BYTES, ensure_identity, ledger_dir, quarantine_dir, wal_dir
from bylaw.ledger.recovery import Recovered, Torn, recover
from bylaw.ledger.state import WRITER, Record, Stream
from bylaw.ledger.wal import Wal

MODES: Final = frozenset({"strict", "final", "async"})
RECORDS_MAX: Final = 4096
"""Records in one frame."""


class Writer:
    """Owns the ledger in `data_dir`.

    Args:
        disk: the wall to the file system.
        data_dir: the data directory of the proxy.
        mode: `strict`, `final` or `async`.
        clock: where time comes from.
        segment_bytes: size from which on a new segment is begun.

    Raises:
        LedgerLocked: another writer runs.
        LedgerDamaged: see `recovery`.
        Refused: no room even for the `boot` entry.
        Poisoned, OSError: the disk failed.
    """

    def __init__(
        self, disk: Disk, data_dir: Path, mode: str, clock: Clock, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"ledger mode {mode!r}; there are {', '.join(sorted(MODES))}")
        self._disk, self._data_dir, self._clock = disk, data_dir, clock
        self._stream: Stream = (secrets.token_hex(8), WRITER)
        self._make_dirs()
        try:
            disk.lock(ledger_dir(data_dir))
        except BlockingIOError as error:
            message = "another process writes to this ledger"
            raise LedgerLocked(message, Place(str(ledger_dir(data_dir)))) from error
        try:
            self._start(mode, segment_bytes)
        except BaseException:
            disk.unlock()
            raise

    def _make_dirs(self) -> None:
        for path in (wal_dir(self._data_dir), quarantine_dir(self._data_dir)):
            self._disk.make_dir(path)
        for path in (self._data_dir, ledger_dir(self._data_dir)):
            self._disk.sync_dir(path)
        # A parent that we may not read is not one in which we made the data directory.
        with suppress(PermissionError):
            self._disk.sync_dir(self._data_dir.parent)

    def _start(self, mode: str, segment_bytes: int) -> None:
        genesis = ensure_identity(self._disk, self._data_dir, self._clock.wall_us())
        end = recover(self._disk, self._data_dir, genesis, self._stream[0])
        self.state, self.mode, self._boot = end.state, mode, end.boot + 1
        self._wal = Wal(
            self._disk,
            self._data_dir,
            end.chain,
            path=end.path,
            offset=end.offset,
            segment_bytes=segment_bytes,
        )
        try:
            self._tell_of_start(end)
        except BaseException:
            self._wal.close()
            raise

    def _tell_of_start(self, end: Recovered) -> None:
        notes: list[tuple[str, str, Mapping[str, Any]]] = [
            ("boot", "", {"mode": self.mode, "start": self._boot})
        ]
        notes += [("recovered", "", torn._asdict()) for torn in end.torn]
        self.state.mode = self.mode
        self._append_own(notes)
        self._wal.sync()
        self._mark_told(end.torn)

    def _mark_told(self, torn: Sequence[Torn]) -> None:
        where = quarantine_dir(self._data_dir)
        for one in torn:
            self._disk.rename(where / one.name, (where / one.name).with_suffix(".kept"))
        if torn:
            self._disk.sync_dir(where)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._wal.chain.next_index

    @property
    def unsynced(self) -> bool:
        """Whether something is written that a loss of power would take."""
        return self._wal.unsynced

    def append(self, records: Sequence[Record]) -> None:
        """Append one batch as one frame.

        Args:
            records: at most `RECORDS_MAX`, each the next of its stream.

        Raises:
            Refused: nothing was written; try again later.
            Poisoned: the disk failed; this object is of no more use.
        """
        self._make_room()
        self._append_frame(records)
        self._sync_by_mode()

    def abandon(self, stream: Stream) -> int:
        """Close the open intents of a stream whose worker is gone; how many there were."""
        exchanges = self.state.intents_of(stream)
        fields = {"of_boot": stream[0], "of_worker": stream[1], "reason": "worker_gone"}
        for at in range(0, len(exchanges), RECORDS_MAX):
            part = exchanges[at : at + RECORDS_MAX]
            self._append_own([("abandoned", exchange, fields) for exchange in part])
        self._sync_by_mode()
        return len(exchanges)

    def record_gap(self, stream: Stream, to_seq: int) -> None:
        """Say that entries of this stream up to `to_seq` are not here, though the worker saw them
        acknowledged.

        That happens in mode `async` when the disk fails, and when an old copy of the ledger is put back.
        """
        seen = self.state.streams.get(stream, 0)
        if seen >= to_seq:
            return
        fields = {"of_boot": stream[0], "of_worker": stream[1], "from_seq": seen + 1, "to_seq": to_seq}
        self._append_own([("gap", "", fields)])
        self._sync_by_mode()
        self.state.streams[stream] = to_seq

    def _sync_by_mode(self) -> None:
        if self.mode != "async":
            self._wal.sync()

    def sync(self) -> None:
        """Make everything written durable."""
        self._wal.sync()

    def close(self) -> None:
        """Let go of the ledger."""
        self._wal.close()
        self._disk.unlock()

    def _append_own(self, notes: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        self._make_room()
        self._append_frame(self._records(notes))

    def _make_room(self) -> None:
        self._wal.begin_segment_if_full()
        if self._wal.offset == 0 and self._wal.chain.next_index:
            self._append_frame(self._records([("carry", "", fields) for fields in self.state.carry()]))
            # Were both unfinished at once, the next frame behind this one would look like damage.
            self._wal.sync()

    def _append_frame(self, records: Sequence[Record]) -> None:
        self._wal.write([record.leaf for record in records], self._clock.wall_us(), self._boot)
        for record in records:
            self.state.apply(record.stream, record.seq, record.role, record.exchange)

    def _records(self, notes: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[Record]:
        boot, worker = self._stream
        seq = self.state.streams.get(self._stream, 0)
        at_us, mono_us = self._clock.wall_us(), self._clock.monotonic_ns() // 1000
        return [
            Record(
                self._stream, number, role_of(kind), exchange,
                Entry(kind, exchange, fields).encode(at_us, mono_us, boot, worker, number),
            )
            for number, (kind, exchange, fields) in enumerate(notes, seq + 1)
        ]  # fmt: skip
