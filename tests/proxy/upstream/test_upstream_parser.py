"""Bytes to replies, without sockets: whole, cut everywhere, and malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.upstream.framing import MalformedReply
from bylaw.upstream.parser import HEAD_BYTES_MAX, ReplyParser

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\nX-Case: a  B\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TO_CLOSE = OK + b"\r\nuntil the end"

WHOLE = [
    (HELLO, "GET", b"hello"),
    (CHUNKED, "GET", b"hello world"),
    (INTERIM + HELLO, "POST", b"hello"),
    (TO_CLOSE, "GET", b"until the end"),
    (b"HTTP/1.0 200 OK\r\n\r\nold", "GET", b"old"),
    (OK + b"Content-Length: 5\r\n\r\n", "HEAD", b""),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", b""),
    (OK + b"Content-Length: 0\r\n\r\n", "GET", b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "POST", b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", b""),
    (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", "GET", b"hi"),
]


def parse(parts, method="GET", upgrade=False, ended=True):
    """(status, reason, headers, length, keeps, body, done) after feeding the parts."""
    parser = ReplyParser()
    parser.start(method, upgrade)
    for part in parts:
        parser.feed(part)
    if ended:
        parser.end()
    head = parser.head
    seen = (head.status, head.reason, list(head.headers), head.length, head.keep_s) if head else None
    return seen, b"".join(parser.pieces), parser.done


@pytest.mark.parametrize(("raw", "method", "body"), WHOLE)
def test_every_framing_gives_its_body(raw, method, body):
    _, got, done = parse([raw], method)
    assert (body, True) == (got, done)


@pytest.mark.parametrize(("raw", "method", "body"), WHOLE)
def test_every_split_in_two_gives_the_same(raw, method, body):
    whole = parse([raw], method)
    assert [whole] * (len(raw) - 1) == [parse([raw[:i], raw[i:]], method) for i in range(1, len(raw))]


@pytest.mark.parametrize(("raw", "method", "body"), WHOLE)
def test_byte_by_byte_gives_the_same(raw, method, body):
    assert parse([raw], method) == parse([bytes([b]) for b in raw], method)


def test_headers_come_raw_in_order_and_case():
    head, _, _ = parse([OK + b"B: 2\r\na:1\r\nB: \xff x\r\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n"])
    expected = [
        (b"B", b"2"),
        (b"a", b"1"),
        (b"B", b"\xff x"),
        (b"Set-Cookie", b"c"),
        (b"Content-Length", b"0"),
    ]
    assert (200, "OK", expected) == head[:3]


def test_trailers_are_dropped():
    head, _, _ = parse([CHUNKED])
    assert [(b"Transfer-Encoding", b"Chunked")] == head[2]


MALFORMED_HEADS = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.7 200 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + HELLO,
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Content-Length: 5, 5\r\n\r\nhello",
    OK + b"Content-Length: +5\r\n\r\nhello",
    OK + b"Content-Length: 0x5\r\n\r\nhello",
    OK + b"Content-Length: \r\n\r\nhello",
    OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    OK + b"Transfer-Encoding: gzip\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    OK + b"Transfer-Encoding: xchunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    OK + b"X: a\r\n b\r\n\r\n",
    OK + b"X: a\r\n\tb\r\n\r\n",
    OK + b" X: a\r\n\r\n",
    OK + b"X : a\r\n\r\n",
    OK + b": a\r\n\r\n",
    OK + b"X\r\n\r\n",
    OK + b"X: a\x00b\r\n\r\n",
    OK + b"X: a\x7fb\r\n\r\n",
    OK + b"X: a\rb\r\n\r\n",
    OK + b"X: a\nY: b\r\n\r\n",
    OK + b"".join(b"X-%d: y\r\n" % i for i in range(257)) + b"\r\n",
    OK + b"X: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n",
    OK + b"X: " + b"y" * HEAD_BYTES_MAX,
]


@pytest.mark.parametrize("raw", MALFORMED_HEADS, ids=lambda raw: repr(raw[:60]))
def test_an_ambiguous_or_broken_head_is_refused(raw):
    with pytest.raises(MalformedReply):
        parse([raw])


@pytest.mark.parametrize("raw", [h for h in MALFORMED_HEADS if len(h) < 200], ids=lambda raw: repr(raw[:60]))
def test_a_broken_head_is_refused_byte_by_byte_too(raw):
    with pytest.raises(MalformedReply):
        parse([bytes([b]) for b in raw])


def test_a_head_at_its_limits_is_accepted():
    fields = b"".join(b"X-%d: y\r\n" % i for i in range(255))
    filler = b"F: " + b"f" * (HEAD_BYTES_MAX - len(OK + fields) - len(b"F: \r\n\r\n")) + b"\r\n\r\n"
    head, _, _ = parse([OK + fields + filler])
    assert 256 == len(head[2])


@pytest.mark.parametrize(
    "chunks",
    [
        b"g\r\n", b"-1\r\n", b"+5\r\n", b"0x5\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \r\nhello\r\n", b"\r\n",
        b"5\nhello\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloX\r\n", b"fffffffffffffffff\r\n",
        b"0\r\nT: a\r\n b\r\n\r\n", b"0\r\nT : a\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("cut", [1, 10**6])
def test_broken_chunks_are_refused(chunks, cut):
    raw = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    with pytest.raises(MalformedReply):
        parse([raw[i : i + cut] for i in range(0, len(raw), cut)])


@pytest.mark.parametrize(
    "flood", [b"1;" + b"x" * 1000, b"0\r\n" + b"T: x\r\n" * 200], ids=["extension", "trailer"]
)
def test_what_is_not_delivered_is_bounded(flood):
    parser = ReplyParser()
    parser.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n" + flood)
    with pytest.raises(MalformedReply):
        for _ in range(HEAD_BYTES_MAX // 600):
            parser.feed(flood[-600:])


@pytest.mark.parametrize("raw", [HELLO, CHUNKED, OK + b"Content-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("extra", [b"H", b"garbage", HELLO, b"\x00"])
def test_bytes_after_a_reply_are_surplus_and_not_body(raw, extra):
    _, body, _ = parse([raw])
    for parts in ([raw + extra], [raw, extra]):
        parser = ReplyParser()
        for part in parts:
            parser.feed(part)
        assert (body, True, True) == (b"".join(parser.pieces), parser.done, parser.surplus)


@pytest.mark.parametrize("raw", [HELLO, CHUNKED])
def test_a_reply_that_ends_early_is_not_whole(raw):
    assert [False] * (len(raw) - 1) == [parse([raw[:i]])[2] for i in range(1, len(raw))]


@pytest.mark.parametrize(
    ("head", "keep_s"),
    [
        (OK, float("inf")),
        (OK + b"Connection: Keep-Alive\r\n", float("inf")),
        (OK + b"Connection: x, Close\r\n", 0.0),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", 0.0),
        (OK + b"Keep-Alive: timeout=5, max=100\r\n", 4.5),
        (OK + b"Keep-Alive: max=100, Timeout=0\r\n", 0.0),
        (OK + b"Keep-Alive: timeout=soon\r\n", float("inf")),
    ],
)
def test_how_long_a_connection_may_be_kept(head, keep_s):
    assert keep_s == parse([head + b"Content-Length: 0\r\n\r\n"])[0][4]


def test_one_parser_reads_reply_after_reply():
    parser, bodies = ReplyParser(), []
    for raw, method in [
        (HELLO, "GET"),
        (OK + b"Content-Length: 5\r\n\r\n", "HEAD"),
        (CHUNKED, "GET"),
        (HELLO, "GET"),
    ]:
        parser.start(method, upgrade=False)
        parser.feed(raw)
        bodies.append(b"".join(parser.pieces))
        parser.pieces.clear()
    assert [b"hello", b"", b"hello world", b"hello"] == bodies


def test_after_a_wanted_101_bytes_pass_untouched():
    raw = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x00HTTP/1.1 raw"
    for i in range(1, len(raw)):
        _, body, done = parse([raw[:i], raw[i:]], upgrade=True, ended=False)
        assert (b"\x00HTTP/1.1 raw", False) == (body, done)


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20), st.booleans())
def test_garbage_is_refused_or_unfinished_and_never_another_exception(noise, cuts, after_head):
    raw = (OK + b"Transfer-Encoding: chunked\r\n\r\n" if after_head else b"HTTP/1.") + noise
    parser = ReplyParser()
    try:
        for cut in [*cuts, len(raw)]:
            part, raw = raw[:cut], raw[cut:]
            parser.feed(part)
    except MalformedReply:
        return
    assert parser.done or len(b"".join(parser.pieces)) <= len(noise)
