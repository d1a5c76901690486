"""Content codings (RFC 9110 section 8.4), undone incrementally and within bounds.

Law of this module: output is produced in small steps and counted before more is made, so a decompression bomb
costs at most its bound; what does not end properly is an error. This file alone of its room needs more than
the standard library: `brotli` and `zstandard`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from bylaw.wire.errors import WireError

CODINGS_MAX = 2
_STEP = 65_536
# A zstd block of four bytes can make 128 KiB (RFC 8878), so its input is taken in pieces this small.
_ZSTD_STEP = 64
_ZSTD_WINDOW_MAX = 8 * 1024 * 1024
_RATIO_FREE = 65_536


KNOWN_CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"identity"})
"""What `decoder` undoes, as tokens of Accept-Encoding."""


class Decoder(Protocol):
    """Undoes the codings of one body."""

    def feed(self, data: bytes) -> bytes:
        """Decoded bytes.

        Raises:
            WireError: `too_large`, `bomb`, `invalid_coding`.
        """
        ...

    def finish(self) -> bytes:
        """The last decoded bytes.

        Raises:
            WireError: `truncated`: the coded body is not complete.
        """
        ...


class _Stage(Protocol):
    complete: bool

    def steps(self, data: bytes) -> Iterator[bytes]: ...


class _Zlib:
    """gzip of any number of members (RFC 1952), or deflate with and without zlib header (RFC 1950, 1951)."""

    def __init__(self, gzip: bool) -> None:
        self._gzip = gzip
        self._engine = zlib.decompressobj(31) if gzip else None
        self._head = b""
        self.complete = False

    def steps(self, data: bytes) -> Iterator[bytes]:
        data = self._begin(data)
        while data:
            if self.complete:
                data = self._again(data)
                if not data:
                    return
            assert self._engine is not None
            yield self._engine.decompress(data, _STEP)
            while self._engine.unconsumed_tail:
                yield self._engine.decompress(self._engine.unconsumed_tail, _STEP)
            # Output may still wait inside after the last input byte was taken.
            while not self._engine.eof and (rest := self._engine.decompress(b"", _STEP)):
                yield rest
            self.complete = self._engine.eof
            data = self._engine.unused_data if self.complete else b""

    def _begin(self, data: bytes) -> bytes:
        if self._engine is not None or not data:
            return data
        self._head += data
        if len(self._head) < 2:
            return b""
        first, second = self._head[0], self._head[1]
        zlib_header = first & 0x0F == 8 and (first << 8 | second) % 31 == 0
        self._engine = zlib.decompressobj(15 if zlib_header else -15)
        return self._head

    def _again(self, data: bytes) -> bytes:
        """After the end: another gzip member, or the zero bytes that some tools pad with."""
        if not self._gzip or data[0] not in {0, 0x1F}:
            raise WireError("invalid_coding", "bytes follow the end of the coded body")
        if data[0] == 0:
            if data.strip(b"\0"):
                raise WireError("invalid_coding", "bytes follow the end of the coded body")
            return b""
        self._engine = zlib.decompressobj(31)
        self.complete = False
        return data


class _Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        self._engine = brotli.Decompressor()
        self.complete = False

    def steps(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        if self.complete:
            raise WireError("invalid_coding", "bytes follow the end of the coded body")
        out = self._engine.process(data, output_buffer_limit=_STEP)
        # Ready for more input does not mean that no output waits.
        while out or not self._engine.can_accept_more_data():
            yield out
            out = b"" if self._engine.is_finished() else self._engine.process(b"", output_buffer_limit=_STEP)
        self.complete = self._engine.is_finished()


class _Zstd:
    """RFC 8878, any number of frames."""

    def __init__(self) -> None:
        self._engine = self._fresh()
        self.complete = False

    @staticmethod
    def _fresh() -> zstandard.ZstdDecompressionObj:
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX).decompressobj(write_size=_STEP)

    def steps(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_STEP):
            piece = data[start : start + _ZSTD_STEP]
            while piece:
                if self.complete:
                    self._engine, self.complete = self._fresh(), False
                yield self._engine.decompress(piece)
                self.complete = self._engine.eof
                piece = self._engine.unused_data if self.complete else b""


_STAGES: dict[str, Callable[[], _Stage]] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}


class _Bounded:
    """One coding undone, its output counted."""

    def __init__(self, stage: _Stage, bytes_max: int, ratio_max: int) -> None:
        self._stage = stage
        self._bytes_max = bytes_max
        self._ratio_max = ratio_max
        self._taken = self._made = 0

    def feed(self, data: bytes) -> bytes:
        self._taken += len(data)
        out: list[bytes] = []
        try:
            for piece in self._stage.steps(data):
                out.append(piece)
                self._count(len(piece))
        except (zlib.error, brotli.error, zstandard.ZstdError):
            raise WireError("invalid_coding", "the body is not what its content coding says") from None
        return b"".join(out)

    def _count(self, size: int) -> None:
        self._made += size
        if self._made > self._bytes_max:
            raise WireError("too_large", "the decoded body is larger than allowed")
        if self._made > _RATIO_FREE and self._made > self._ratio_max * self._taken:
            raise WireError("bomb", "the body expands more than allowed")

    def finish(self) -> bytes:
        if self._taken and not self._stage.complete:
            raise WireError("truncated", "the coded body is not complete")
        return b""


class _Chain:
    """Several codings, the last applied undone first; none at all for `identity`."""

    def __init__(self, stages: list[_Bounded], bytes_max: int) -> None:
        self._stages = stages
        self._left = bytes_max

    def feed(self, data: bytes) -> bytes:
        for stage in self._stages:
            data = stage.feed(data)
        self._left -= len(data)
        if self._left < 0:
            raise WireError("too_large", "the body is larger than allowed")
        return data

    def finish(self) -> bytes:
        for stage in self._stages:
            stage.finish()
        return b""


def decoder(coding: str, bytes_max: int, ratio_max: int) -> Decoder:
    """A decoder for the value of a Content-Encoding field.

    Args:
        coding: e.g. `gzip` or `gzip, br`; empty for none.
        bytes_max: decoded bytes, of each coding.
        ratio_max: decoded bytes per coded byte, of each coding, once 64 KiB were made.

    Raises:
        WireError: `unknown_coding`, `too_many_codings`.
    """
    names = [name.strip().lower() for name in coding.split(",") if name.strip()]
    names = [name for name in names if name != "identity"]
    if len(names) > CODINGS_MAX:
        raise WireError("too_many_codings", "the body is coded too many times")
    if not all(name in _STAGES for name in names):
        raise WireError("unknown_coding", "the content coding is not supported")
    stages = [_Bounded(_STAGES[name](), bytes_max, ratio_max) for name in reversed(names)]
    return _Chain(stages, bytes_max)
