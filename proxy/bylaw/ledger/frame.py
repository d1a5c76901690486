"""The frames of a segment: one frame is one batch, written whole or not at all.

Law of this module: pure functions over bytes; a frame that parses is exactly what was written (CRC-32 against
accidents), and its `link`, carried by the next frame as `prev`, commits to every leaf so far (SHA-256 against
people). All integers are big-endian:

    header = "BYL1" | u32 body_len | u64 first_index | u32 count | u64 wall_us | u32 boot | 32B prev
    frame = header | u32 crc32(header || body) | body
    body = count x (u32 len | u8 kind | bytes), kind 1: leaf
    link = SHA256(header || SHA256(0x00 || leaf) ...), the leaf hash of RFC 6962
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

from bylaw.ledger.entry import LEAF_BYTES_MAX

MAGIC: Final = b"BYL1"
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
LEAF_ITEM: Final = 1

_HEADER: Final = struct.Struct(">4sIQIQI32s")
_CRC: Final = struct.Struct(">I")
_ITEM: Final = struct.Struct(">IB")
HEAD_BYTES: Final = _HEADER.size + _CRC.size


class FrameError(ValueError):
    """The bytes at `offset` are no frame, or not the next one.

    Args:
        offset: where in the segment.
        reason: what is wrong.
        short: the file ends before the frame does.
        index: the first entry concerned, if known.
    """

    def __init__(self, offset: int, reason: str, *, short: bool = False, index: int | None = None) -> None:
        self.offset, self.reason, self.short, self.index = offset, reason, short, index
        super().__init__(f"offset {offset}: {reason}")


class Frame(NamedTuple):
    """A parsed frame; `end` is the offset behind it, `boot` counts the starts of the writer."""

    offset: int
    end: int
    first_index: int
    wall_us: int
    boot: int
    prev: bytes
    link: bytes
    leaves: list[bytes]


def encode_frame(
    leaves: Sequence[bytes], first_index: int, wall_us: int, boot: int, prev: bytes
) -> tuple[bytes, bytes]:
    """The bytes of a frame, and its link."""
    parts: list[bytes] = []
    hashes: list[bytes] = []
    for leaf in leaves:
        parts += (_ITEM.pack(len(leaf), LEAF_ITEM), leaf)
        hashes.append(sha256(b"\0" + leaf).digest())
    body = b"".join(parts)
    assert leaves and len(body) <= BODY_BYTES_MAX
    header = _HEADER.pack(MAGIC, len(body), first_index, len(leaves), wall_us, boot, prev)
    frame = b"".join((header, _CRC.pack(crc32(body, crc32(header))), body))
    return frame, sha256(header + b"".join(hashes)).digest()


def parse_frame(data: bytes, offset: int) -> Frame:
    """The frame at `offset`.

    Raises:
        FrameError: there is none.
    """
    if len(data) - offset < HEAD_BYTES:
        raise FrameError(offset, "the file ends inside a frame's head", short=True)
    magic, body_len, first_index, count, wall_us, boot, prev = _HEADER.unpack_from(data, offset)
    if magic != MAGIC:
        raise FrameError(offset, "no frame begins here (bad magic)")
    if body_len > BODY_BYTES_MAX:
        raise FrameError(
            offset, f"the frame says it has {body_len} bytes, more than any can", index=first_index
        )
    start, end = offset + HEAD_BYTES, offset + HEAD_BYTES + body_len
    if end > len(data):
        raise FrameError(offset, "the file ends inside a frame", short=True, index=first_index)
    header, body = data[offset : offset + _HEADER.size], data[start:end]
    if _CRC.unpack_from(data, start - _CRC.size)[0] != crc32(body, crc32(header)):
        raise FrameError(offset, f"checksum mismatch in the frame of {count} entries", index=first_index)
    leaves = _leaves(body, count, offset, first_index)
    link = sha256(header + b"".join(sha256(b"\0" + leaf).digest() for leaf in leaves)).digest()
    return Frame(offset, end, first_index, wall_us, boot, prev, link, leaves)


def _leaves(body: bytes, count: int, offset: int, first_index: int) -> list[bytes]:
    leaves: list[bytes] = []
    at = 0
    while at < len(body):
        if at + _ITEM.size > len(body):
            break
        size, kind = _ITEM.unpack_from(body, at)
        at += _ITEM.size + size
        if kind != LEAF_ITEM or size > LEAF_BYTES_MAX or at > len(body):
            raise FrameError(offset, "malformed entry", index=first_index + len(leaves))
        leaves.append(body[at - size : at])
    if at != len(body) or len(leaves) != count or not count:
        raise FrameError(offset, f"{len(leaves)} entries where the frame says {count}", index=first_index)
    return leaves


class Chain:
    """Where the next frame must continue.

    Args:
        next_index: index of the next entry.
        link: link of the frame before; of the first frame, SHA-256 of `ledger.json`.
    """

    __slots__ = ("link", "next_index")

    def __init__(self, next_index: int, link: bytes) -> None:
        self.next_index, self.link = next_index, link

    def accept(self, frame: Frame) -> None:
        """Move on by one frame.

        Raises:
            FrameError: it is not the next one.
        """
        if frame.first_index != self.next_index:
            reason = f"entry {frame.first_index} follows where entry {self.next_index} belongs"
            raise FrameError(frame.offset, reason, index=self.next_index)
        if frame.prev != self.link:
            raise FrameError(
                frame.offset, "the link to the frame before does not hold", index=frame.first_index
            )
        self.advance(frame)

    def advance(self, frame: Frame) -> None:
        """Move on without a check: the frame is where the trust begins."""
        self.next_index, self.link = frame.first_index + len(frame.leaves), frame.link
