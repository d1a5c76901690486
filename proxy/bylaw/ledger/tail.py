"""What stands at the end of a segment where a frame should.

Law of this module: an interrupted write is told from damage by what it leaves behind. A write cut short
leaves a file that ends too early; lost power also leaves sectors that never arrived and read as zeros. JSON
and a frame's head hold no such run of zeros, so no flipped bit looks like that.
"""

from __future__ import annotations

import struct
from typing import Final

from bylaw.ledger.frame import HEAD_BYTES, MAGIC, Frame, FrameError, parse_frame

_SECTOR_BYTES: Final = 512
_BLANK: Final = bytes(8)


def frames_after(data: bytes, offset: int) -> list[Frame]:
    """Whole frames that begin anywhere behind `offset`, where none does."""
    found: list[Frame] = []
    at = data.find(MAGIC, offset + 1)
    while at >= 0:
        try:
            found.append(parse_frame(data, at))
            at = found[-1].end - 1
        except FrameError:
            pass
        at = data.find(MAGIC, at + 1)
    return found


def looks_torn(data: bytes, error: FrameError) -> bool:
    """Whether what `error` is about can only be an interrupted write."""
    rest = data[error.offset :]
    if error.short:
        return not _is_whole_but_for_its_length(rest)
    return rest.startswith(_BLANK) or rest.endswith(_BLANK) or _has_blank_sector(data, error.offset)


def _is_whole_but_for_its_length(rest: bytes) -> bool:
    if len(rest) < HEAD_BYTES:
        return False
    mended = rest[:4] + struct.pack(">I", len(rest) - HEAD_BYTES) + rest[8:]
    try:
        parse_frame(mended, 0)
    except FrameError:
        return False
    return True


def _has_blank_sector(data: bytes, offset: int) -> bool:
    blank = bytes(_SECTOR_BYTES)
    first = -(-offset // _SECTOR_BYTES) * _SECTOR_BYTES
    return any(data[at : at + _SECTOR_BYTES] == blank for at in range(first, len(data), _SECTOR_BYTES))
