"""The head of a request: verbatim, and nothing in it can end a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.errors import ClientError
from bylaw.upstream.head import encode_head


def encode(method="POST", target=b"/v1/x?a=b%20c", headers=(), length=3):
    return encode_head(method, target, b"api.example.com", headers, length)


def test_a_head_byte_for_byte():
    expected = (
        b"POST /v1/x?a=b%20c HTTP/1.1\r\nHost: api.example.com\r\nb: 2\r\nA: 1\r\nb:   \xff\r\n"
        b"Content-Length: 3\r\n\r\n"
    )
    assert expected == encode(headers=[(b"b", b"2"), (b"A", b"1"), (b"b", b"  \xff")])


@pytest.mark.parametrize(
    ("method", "length", "framing"),
    [
        ("GET", 0, b""),
        ("DELETE", 0, b""),
        ("HEAD", 0, b""),
        ("POST", 0, b"Content-Length: 0\r\n"),
        ("PUT", 0, b"Content-Length: 0\r\n"),
        ("GET", 7, b"Content-Length: 7\r\n"),
        ("POST", None, b"Transfer-Encoding: chunked\r\n"),
        ("GET", None, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_framing_follows_method_and_length(method, length, framing):
    start = method.encode() + b" / HTTP/1.1\r\nHost: api.example.com\r\n"
    assert start + framing + b"\r\n" == encode(method, b"/", (), length)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"X", b"a\r\nEvil: 1"), (b"X", b"a\nEvil: 1"), (b"X", b"a\rb"), (b"X", b"a\0b"), (b"X", b"a\r\n"),
        (b"X\r\nEvil", b"1"), (b"X:", b"1"), (b"X ", b"1"), (b" X", b"1"), (b"", b"1"), (b"X\xe4", b"1"),
    ],
)  # fmt: skip
def test_a_header_that_could_be_read_as_two_is_refused(name, value):
    for _ in range(2):  # the second time a name might be known
        with pytest.raises(ClientError) as caught:
            encode(headers=[(b"Good", b"1"), (name, value)])
        assert (400, "bad_header") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize(
    "target", [b"", b"x", b"*", b"http://evil/", b"/a b", b"/a\r\nEvil: 1", b"/\t", b"/\x7f", b"/\0"]
)
def test_a_target_that_could_end_the_line_is_refused(target):
    with pytest.raises(ClientError, match="bad_target"):
        encode(target=target)


@pytest.mark.parametrize("method", ["", "GET ", "GE\r\nT", "G\xe4T", "CONNECT", "\ud800"])
def test_a_method_that_is_no_token_or_connect_is_refused(method):
    with pytest.raises(ClientError, match="bad_method"):
        encode(method)


@pytest.mark.parametrize("name", [b"host", b"Content-Length", b"TRANSFER-ENCODING"])
def test_framing_headers_of_the_caller_are_a_bug(name):
    for _ in range(2):
        with pytest.raises(AssertionError, match="made by the upstream client"):
            encode(headers=[(name, b"1")])


def test_more_names_than_are_remembered_are_still_checked():
    for i in range(2000):
        encode(headers=[(b"X-%d" % i, b"1")])
    with pytest.raises(ClientError, match="bad_header"):
        encode(headers=[(b"Never seen", b"1")])


NAMES = st.binary(min_size=1, max_size=12)
VALUES = st.binary(max_size=30)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=20))
def test_whatever_is_accepted_has_exactly_the_lines_that_were_given(headers, target):
    try:
        head = encode(target=b"/" + target, headers=headers)
    except (ClientError, AssertionError):
        return
    lines = head.split(b"\r\n")
    assert [n + b": " + v for n, v in headers] == lines[2:-3]
    assert (b"POST", b"/" + target, b"HTTP/1.1") == tuple(lines[0].split(b" "))
    assert head.count(b"\n") == head.count(b"\r") == len(headers) + 4
