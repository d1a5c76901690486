"""Server-sent events: raw bytes kept, any cut, any line ending."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bylaw.wire.errors import WireError
from bylaw.wire.sse import SseDecoder

LINES = st.sampled_from(
    [
        "data: {}",
        "data:x",
        "data",
        "event: e",
        ": hi",
        "id: 7",
        "retry: 10",
        "foo: bar",
        "",
        "",
        "data: \u00e9\U0001f642",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=14).map(
    lambda rows: "".join(a + b for a, b in rows).encode()
)


def events(pieces) -> tuple[list[tuple], bytes]:
    decoder, found = SseDecoder(1 << 16), []
    for piece in pieces:
        decoder.feed(piece, found)
    return [(e.raw, e.data, e.name, e.ident, e.other) for e in found], decoder.tail


def dispatched(raw: bytes) -> list[bytes]:
    return [data for _, data, *_ in events([raw])[0] if data is not None]


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(0, 1 << 10), max_size=6), st.booleans())
def test_events_do_not_depend_on_the_cut_and_lose_no_byte(data, cuts, bom):
    data = b"\xef\xbb\xbf" * bom + data
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found, tail = events(data[i:j] for i, j in pairwise(bounds))
    single = events(data[i : i + 1] for i in range(len(data)))
    assert events([data]) == (found, tail) == single
    assert data == b"".join(raw for raw, *_ in found) + tail


def specified(data: bytes) -> list[bytes]:
    """WHATWG 9.2.6, line by line, as slowly as the text has it."""
    text = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    found, lines = [], []
    for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]:
        if not line:
            found += [b"\n".join(lines)] if lines else []
            lines = []
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return found


@settings(deadline=None)
@given(STREAMS, st.booleans())
def test_the_data_is_what_the_standard_dispatches(data, bom):
    data = b"\xef\xbb\xbf" * bom + data
    ours = dispatched(data)
    theirs = specified(data)
    # A blank line that ends in CR at the very end may still become CRLF: its event waits for `close`.
    assert ours == theirs or (ours == theirs[:-1] and data.endswith(b"\r"))


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data\n\n", [b""]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\rdata: b\n\r\ndata: c\n\n", [b"a\nb", b"c"]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"event: x\n\n", []),
        (b" data: a\n\n", []),
        (b"data: a", []),
        (b"data: a\n", []),
    ],
)
def test_grammar(raw, data):
    assert data == dispatched(raw)


def test_a_stream_of_bare_cr_does_not_wait_for_the_next_event():
    assert [b"a"] == dispatched(b"data: a\r\r")


def test_a_blank_line_of_crlf_is_kept_together():
    assert [b"data: a\r\n\r\n", b"data: b\r\n\r\n"] == [
        raw for raw, *_ in events([b"data: a\r\n\r", b"\ndata: b\r\n\r\n"])[0]
    ]


def test_reframing_keeps_every_line_and_its_end():
    raw = b'\xef\xbb\xbf: c\r\nevent: e\rdata: {\ndata:  "a": 1\r\nid: 3\ndata:}\r\n\r\n'
    decoder, found = SseDecoder(1 << 10), []
    decoder.feed(raw, found)
    (event,) = found
    assert raw == event.reframed(event.data)
    assert raw.replace(b": 1\r", b": 2\r") == event.reframed(event.data.replace(b"1", b"2"))
    assert raw.replace(b": c\r\n", b"") == event.reframed(event.data, comments=False)


@pytest.mark.parametrize("size", [65, 1000])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_an_event_is_bounded_whether_whole_or_not(size, step):
    decoder, found = SseDecoder(64), []
    data = b"data: ok\n\n" + b"data: " + b"x" * size + b"\n\n"
    with pytest.raises(WireError) as caught:
        for at in range(0, len(data), step):
            decoder.feed(data[at : at + step], found)
    assert ("event_too_large", [b"ok"]) == (caught.value.code, [event.data for event in found])


def test_what_is_left_at_close_is_read_as_an_event():
    decoder = SseDecoder(100)
    decoder.feed(b"data: a\n\nid: 1\ndata: b\n", [])
    assert b"id: 1\ndata: b\n" == decoder.tail
    event = decoder.close()
    assert event is not None and (b"b", b"1") == (event.data, event.ident)
    assert decoder.close() is None
