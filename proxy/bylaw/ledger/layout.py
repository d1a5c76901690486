"""Where the files of a ledger are.

Law of this module: a segment is named after the index of its first entry, so that sorting the names orders
the entries and a missing segment shows. `ledger.json` is written once and never again: the first frame
links to it.

    DATA_DIR/ledger/ledger.json                  format version, origin DATA_DIR/ledger/wal/<first index, 16
    hex>.wal DATA_DIR/ledger/quarantine/                  torn tails, `.torn` until an entry tells of them,
    then `.kept`
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from bylaw.errors import Place
from bylaw.ledger.disk import Disk, write_all
from bylaw.ledger.failures import LedgerDamaged

FORMAT: Final = 1
SEGMENT_BYTES: Final = 64 * 1024 * 1024
_SEGMENT_NAME: Final = re.compile(r"[0-9a-f]{16}\.wal")


class Segment(NamedTuple):
    """One file of the write-ahead log."""

    first_index: int
    path: Path


def ledger_dir(data_dir: Path) -> Path:
    """The directory of the ledger."""
    return data_dir / "ledger"


def wal_dir(data_dir: Path) -> Path:
    """The directory of the segments."""
    return data_dir / "ledger" / "wal"


def quarantine_dir(data_dir: Path) -> Path:
    """Where torn tails are kept."""
    return data_dir / "ledger" / "quarantine"


def identity_path(data_dir: Path) -> Path:
    """The file that says which ledger this is."""
    return data_dir / "ledger" / "ledger.json"


def segment_at(data_dir: Path, first_index: int) -> Segment:
    """The segment that begins with this entry."""
    return Segment(first_index, wal_dir(data_dir) / f"{first_index:016x}.wal")


def segments(disk: Disk, data_dir: Path) -> list[Segment]:
    """All segments in order."""
    folder = wal_dir(data_dir)
    names = [name for name in disk.names(folder) if _SEGMENT_NAME.fullmatch(name)]
    return [Segment(int(name[:16], 16), folder / name) for name in names]


def read_identity(disk: Disk, data_dir: Path) -> tuple[dict[str, Any], bytes]:
    """What `ledger.json` says, and the link of the first frame.

    Raises:
        LedgerDamaged: it is malformed or of a later format.
        FileNotFoundError: there is none.
    """
    path = identity_path(data_dir)
    raw = disk.read(path)
    try:
        identity = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise LedgerDamaged(f"not JSON: {error}", Place(str(path))) from error
    if not isinstance(identity, dict) or not isinstance(identity.get("origin"), str):
        raise LedgerDamaged("says no origin", Place(str(path)))
    if identity.get("format") != FORMAT:
        message = f"format {identity.get('format')!r}; this version reads {FORMAT}"
        raise LedgerDamaged(message, Place(str(path)))
    return identity, sha256(raw).digest()


def ensure_identity(disk: Disk, data_dir: Path, wall_us: int) -> bytes:
    """Create the ledger where there is none; the link of the first frame.

    Raises:
        LedgerDamaged: segments without `ledger.json`, or see `read_identity`.
    """
    path = identity_path(data_dir)
    if path.name not in disk.names(path.parent):
        if segments(disk, data_dir):
            raise LedgerDamaged("is missing, but there are segments", Place(str(path)))
        _write_identity(disk, path, wall_us)
    return read_identity(disk, data_dir)[1]


def _write_identity(disk: Disk, path: Path, wall_us: int) -> None:
    document = {"created_us": wall_us, "format": FORMAT, "origin": f"bylaw-{secrets.token_hex(8)}"}
    draft = path.with_name(f"ledger.json.{secrets.token_hex(4)}")
    file = disk.create(draft)
    raw = orjson.dumps(document)
    try:
        write_all(file, 0, raw)
        file.sync()
    finally:
        file.close()
    disk.rename(draft, path)
    disk.sync_dir(path.parent)
