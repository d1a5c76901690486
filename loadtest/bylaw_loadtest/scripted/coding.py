"""Content codings of a reply, flushed after each event so that a stream stays a stream."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli
import zstandard

from bylaw_loadtest.scripted.script_fields import Encoding


class Coder(Protocol):
    """An incremental compressor."""

    def event(self, data: bytes) -> bytes:
        """Code one event and everything before it."""

    def end(self) -> bytes:
        """The end of the coded body."""


class _Deflate:
    def __init__(self, wbits: int) -> None:
        self._coder = zlib.compressobj(6, zlib.DEFLATED, wbits)

    def event(self, data: bytes) -> bytes:
        return self._coder.compress(data) + self._coder.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._coder.flush()


class _Brotli:
    def __init__(self) -> None:
        self._coder = brotli.Compressor(quality=4)

    def event(self, data: bytes) -> bytes:
        return bytes(self._coder.process(data) + self._coder.flush())

    def end(self) -> bytes:
        return bytes(self._coder.finish())


class _Zstandard:
    def __init__(self) -> None:
        self._coder = zstandard.ZstdCompressor().compressobj()

    def event(self, data: bytes) -> bytes:
        return self._coder.compress(data) + self._coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._coder.flush()


_CODERS: dict[str, Callable[[], Coder]] = {
    "gzip": lambda: _Deflate(31),
    "deflate": lambda: _Deflate(15),
    "br": _Brotli,
    "zstd": _Zstandard,
}


def coded(events: list[bytes], encoding: Encoding) -> list[bytes]:
    """The events in a content coding, one piece an event; the end of the coding is part of the last."""
    if encoding == "none" or not events:
        return events
    coder = _CODERS[encoding]()
    pieces = [coder.event(event) for event in events]
    pieces[-1] += coder.end()
    return pieces
