"""Content codings: whatever the cut, the same bytes; bounded, complete, known."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bylaw.wire.coding import decoder
from bylaw.wire.errors import WireError


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


CODE = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "": bytes,
}
NAMES = pytest.mark.parametrize("name", list(CODE))
BOMBS = pytest.mark.parametrize("name", ["gzip", "deflate", "DEFLATE", "br", "zstd"])


def decode(name: str, data: bytes, cuts=(), bytes_max=1 << 20, ratio_max=1000) -> bytes:
    undo = decoder(name, bytes_max, ratio_max)
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    out = b"".join(undo.feed(data[i:j]) for i, j in pairwise(bounds))
    return out + undo.finish()


def code_of(name: str, data: bytes, **limits) -> str:
    with pytest.raises(WireError) as caught:
        decode(name, data, **limits)
    return caught.value.code


@NAMES
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300).map(lambda b: b * 7), cuts=st.lists(st.integers(0, 1 << 16), max_size=6))
def test_any_cut_decodes_to_the_same(name, data, cuts):
    assert data == decode(name, CODE[name](data), cuts)


@NAMES
def test_output_much_larger_than_its_input_comes_whole(name):
    data = bytes(1 << 20) + b"end"
    assert data == decode(name, CODE[name](data), [7], bytes_max=1 << 21, ratio_max=1 << 30)


def test_bytes_one_by_one():
    data = bytes(range(256)) * 20
    for name, code in CODE.items():
        coded = code(data)
        assert data == decode(name, coded, range(len(coded)))


def test_stacked_codings_are_undone_from_the_last():
    assert b"hello" * 50 == decode("gzip, br", brotli.compress(gzip.compress(b"hello" * 50)), [5, 9])


def test_several_gzip_members_and_their_padding():
    assert b"ab" == decode("gzip", gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", [3, 25])


def test_several_zstd_frames():
    assert b"ab" == decode("zstd", CODE["zstd"](b"a") + CODE["zstd"](b"b"), [5])


@BOMBS
def test_a_body_cut_short_is_an_error(name):
    coded = CODE[name](bytes(range(256)) * 9)
    assert {"truncated"} == {code_of(name, coded[:end]) for end in (1, len(coded) // 2, len(coded) - 1)}


@BOMBS
def test_an_empty_body_is_an_empty_body(name):
    assert b"" == decode(name, b"")


@BOMBS
def test_garbage_is_an_error(name):
    assert code_of(name, b"\x07\x07 this is not coded at all \xff\xff\xff") in {"invalid_coding", "truncated"}


@pytest.mark.parametrize("name", ["gzip", "deflate", "br"])
def test_bytes_after_the_end_are_an_error(name):
    assert "invalid_coding" == code_of(name, CODE[name](b"x") + b"smuggled")


@BOMBS
def test_a_bomb_is_told_by_its_ratio_and_never_allocated(name):
    coded = CODE[name](bytes(16 << 20))
    tracemalloc.start()
    try:
        assert "bomb" == code_of(name, coded, bytes_max=1 << 30, ratio_max=20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@BOMBS
def test_the_absolute_bound_holds(name):
    assert "too_large" == code_of(name, CODE[name](bytes(1 << 20)), bytes_max=1 << 19, ratio_max=1 << 30)


def test_the_bound_holds_without_a_coding():
    assert "too_large" == code_of("", bytes(11), bytes_max=10)


def test_a_small_body_may_expand_a_lot():
    assert bytes(60_000) == decode("gzip", gzip.compress(bytes(60_000)), ratio_max=2)


@pytest.mark.parametrize(
    ("name", "code"),
    [("compress", "unknown_coding"), ("gzip, foo", "unknown_coding"), ("gzip, br, gzip", "too_many_codings")],
)
def test_what_is_not_supported_is_refused(name, code):
    with pytest.raises(WireError) as caught:
        decoder(name, 10, 10)
    assert code == caught.value.code
