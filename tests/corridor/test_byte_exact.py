"""Bytes that no rule touches arrive as they left, in both directions, whatever they are."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rawhttp import Wire
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES, EXAMPLES_SLOW = 60, 500
Pairs = list[tuple[bytes, bytes]]

# Each connection makes these anew (RFC 9110 7.6.1), or Bylaw does.
OF_THE_CONNECTION = {
    b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect", b"http2-settings", b"content-encoding",
    b"accept-encoding", b"server-timing", b"content-type",
}  # fmt: skip


@dataclass
class Message:
    """What stood on the wire: start line, end-to-end fields, body without its framing."""

    start: bytes
    fields: Pairs
    body: bytes

    @classmethod
    async def read(cls, reader: asyncio.StreamReader, *, until_close: bool = False) -> Message:
        lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        fields = [
            (name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines[1:])
        ]
        framing = {name.lower(): value for name, value in fields}
        if framing.get(b"transfer-encoding") == b"chunked":
            body = await chunks(reader)
        elif b"content-length" in framing:
            body = await reader.readexactly(int(framing[b"content-length"]))
        else:
            body = await reader.read() if until_close else b""
        return cls(lines[0], [f for f in fields if is_end_to_end(f[0])], body)


def is_end_to_end(name: bytes) -> bool:
    low = name.lower()
    return low not in OF_THE_CONNECTION and not low.startswith(b"bylaw-")


async def chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@dataclass
class Origin:
    """A provider that keeps what it was sent and sends what it was told to, byte for byte."""

    pieces: list[bytes] = field(default_factory=list)
    got: Message | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.got = await Message.read(reader)
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


class Bench:
    """Two proxies in front of the origin: one without rules, one whose rules look at all and find nothing."""

    def __init__(self, origin: Origin, none: Proxy, default: Proxy) -> None:
        self.origin = origin
        self.proxies = {"no rules": none, "default": default}

    async def cross(self, name: str, sent: bytes, pieces: list[bytes]) -> tuple[Message, Message]:
        """One exchange: what the provider got, and what the client got."""
        self.origin.pieces, self.origin.got = pieces, None
        wire = await Wire.open(self.proxies[name].address)
        try:
            async with asyncio.timeout(10):
                await wire.send(sent)
                reply = await Message.read(wire.reader, until_close=True)
        finally:
            await wire.close()
        assert self.origin.got is not None, reply
        return self.origin.got, reply


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(start: Start) -> AsyncIterator[Bench]:
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, limit=2**22)
    url, law = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "{default: [ZZ]}"
    none = start.file("none.yaml", "policy: none\nsummary: No steps.\nsteps: []\n")
    policies = f"{{packs: [], profile: {none}}}"
    yield Bench(
        origin, await start(url, policies=policies, jurisdictions=law), await start(url, jurisdictions=law)
    )
    server.close()


# --- what is generated ---------------------------------------------------------------------------------------

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NAMES = st.one_of(
    st.sampled_from([b"X-A", b"x-a", b"X-a", b"Cookie", b"Set-Cookie", b"X-Trace.Id", b"Via", b"Date"]),
    st.text(TOKEN, min_size=1, max_size=20).map(str.encode),
).filter(is_end_to_end)
VALUES = st.one_of(
    st.sampled_from(
        [b"", b"a, b;q=0.5", b'"quoted \\" text"', b"caf\xe9", b"\xff\xfe \x80", b"a\tb", b"=;,:"]
    ),
    st.lists(st.integers(0x21, 0x7E) | st.integers(0x80, 0xFF) | st.sampled_from([0x20, 0x09]), max_size=40)
    .map(bytes)
    .map(lambda value: value.strip(b" \t")),
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
SEGMENTS = st.lists(
    st.text("abcXYZ019-_~!$&'()*+,;=:@", max_size=6)
    | st.sampled_from(["%20", "%C3%A9", "%e2%82%ac", "%2F", "a.b"]),
    max_size=4,
)
QUERIES = st.text("abcXYZ019-._~!$&'()*+,;=:@/?[]{}|^<>\"`%20", max_size=30)
TARGETS = st.builds(lambda s, q: ("/raw/" + "/".join(s) + (f"?{q}" if q else "")).encode(), SEGMENTS, QUERIES)


class Patterned(bytes):
    """A long body, told by its length."""

    def __repr__(self) -> str:
        return f"patterned({len(self)})"


def patterned(size: int) -> bytes:
    return Patterned((bytes(range(256)) * (size // 256 + 1))[:size])


METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PURGE", b"PROPFIND"])
BODIES = st.one_of(st.binary(max_size=300), st.integers(0, 200_000).map(patterned))
CUTS = st.lists(st.sampled_from([1, 2, 7, 64, 700, 5000]) | st.integers(1, 5000), min_size=1, max_size=6)
STATUSES = st.sampled_from([200, 201, 203, 206, 299, 301, 400, 404, 418, 429, 500, 503, 599])
REASONS = st.sampled_from([b"OK", b"", b"I'm a teapot", b"Fa\xe7on", b"Two  spaces"])


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces: the first hundred of these sizes, used in turn, then the rest."""
    found, at = [], 0
    for _, size in zip(range(100), itertools.cycle(sizes), strict=False):
        found.append(bytes(data[at : at + size]))
        at += size
    return [piece for piece in [*found, bytes(data[at:])] if piece]


def framed(head: bytes, fields: Pairs, body: bytes, framing: str, sizes: list[int]) -> list[bytes]:
    """A message in pieces; `framing` is `length`, `chunked` or `close`."""
    lines = [head, *(b"%b: %b" % pair for pair in fields)]
    parts = cut(body, sizes)
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    return [b"\r\n".join([*lines, b"", b""]), *parts]


def request_of(
    method: bytes, target: bytes, fields: Pairs, body: bytes, framing: str, sizes: list[int]
) -> bytes:
    return b"".join(
        framed(b"%b %b HTTP/1.1\r\nHost: localhost" % (method, target), fields, body, framing, sizes)
    )


REQUESTS = st.tuples(METHODS, TARGETS, FIELDS, BODIES, st.sampled_from(["length", "chunked"]), CUTS)
REPLIES = st.tuples(STATUSES, REASONS, FIELDS, BODIES, st.sampled_from(["length", "chunked", "close"]), CUTS)

SPACE = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n  "])
LETTERS = st.one_of(
    st.characters(min_codepoint=0x20, blacklist_categories=["Cs"], blacklist_characters='"\\'),
    st.sampled_from(["\\n", "\\/", "\\\\", '\\"', "\\u00e9", "\\u0000", "\\ud83d\\ude00", "\\u0041", "\x7f"]),
)
STRINGS = st.lists(LETTERS, max_size=12).map(lambda letters: '"' + "".join(letters) + '"')
NUMBERS = st.one_of(
    st.sampled_from(
        ["0", "-0", "1.10", "1E5", "1e+05", "-0.0e-7", "12345678901234567890", "0.1000000000000000055"]
    ),
    st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)
SCALARS = st.one_of(STRINGS, NUMBERS, st.sampled_from(["true", "false", "null"]))


def array(items: list[str], space: str) -> str:
    return f"[{space}" + f"{space},".join(items) + f"{space}]"


def mapping(pairs: list[tuple[str, str]], space: str) -> str:
    return (
        f"{{{space}" + f",{space}".join(f"{key}{space}:{space}{value}" for key, value in pairs) + f"{space}}}"
    )


def extras(values: list[str]) -> list[tuple[str, str]]:
    return [(f'"x_{number}\\u005f"', value) for number, value in enumerate(values)]


JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(array, st.lists(inner, max_size=3), SPACE),
        st.builds(lambda values, space: mapping(extras(values), space), st.lists(inner, max_size=3), SPACE),
    ),
    max_leaves=6,
)


def shuffled(space: str, more: list[str], **known: str) -> st.SearchStrategy[str]:
    """An object of these members and others, in any order."""
    members = [*((f'"{key}"', value) for key, value in known.items()), *extras(more)]
    return st.permutations(members).map(lambda pairs: mapping(pairs, space))


@st.composite
def prompts(draw: st.DrawFn) -> bytes:
    space, some = draw(SPACE), st.lists(JSON, max_size=2)
    messages = [
        draw(shuffled(space, [], role='"user"', content=text))
        for text in draw(st.lists(STRINGS, min_size=1, max_size=3))
    ]
    body = draw(
        shuffled(space, draw(some), model='"m"', messages=array(messages, space), temperature=draw(NUMBERS))
    )
    return (draw(SPACE) + body + draw(SPACE)).encode()


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    space, some = draw(SPACE), st.lists(JSON, max_size=2)
    message = draw(shuffled(space, [], role='"assistant"', content=draw(STRINGS)))
    choice = draw(shuffled(space, draw(some), index="0", message=message, finish_reason='"stop"'))
    whole = draw(
        shuffled(space, draw(some), id='"c"', object='"chat.completion"', choices=array([choice], space))
    )
    return (draw(SPACE) + whole + draw(SPACE)).encode()


END = st.sampled_from(["\n", "\r\n", "\r"])
ASIDES = st.sampled_from(["", ": ping", "id: 7", "retry: 10", "event: message", ":", "odd"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    end, out = draw(END), ""
    texts = draw(st.lists(STRINGS, min_size=1, max_size=5))
    for number, text in enumerate(texts):
        space = draw(st.sampled_from(["", " "]))
        delta = draw(shuffled(space, [], content=text))
        reason = '"stop"' if number == len(texts) - 1 else "null"
        choice = draw(shuffled(space, [], index="0", delta=delta, finish_reason=reason))
        chunk = draw(shuffled(space, draw(st.lists(SCALARS, max_size=1)), id='"c"', choices=f"[{choice}]"))
        aside = draw(ASIDES)
        out += (aside + end if aside else "") + "data:" + draw(st.sampled_from(["", " "])) + chunk + end + end
    return (out + f"data: [DONE]{end}{end}").encode()


def law(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, database=None, print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip


async def check_raw(bench: Bench, given_request: tuple[Any, ...], given_reply: tuple[Any, ...]) -> None:
    method, target, fields, body, *_ = given_request
    status, reason, reply_fields, reply_body, framing, sizes = given_reply
    head = b"HTTP/1.1 %d %b" % (status, reason)
    pieces = framed(head, reply_fields, reply_body, framing, sizes)
    got, reply = await bench.cross("no rules", request_of(*given_request), pieces)
    assert Message(b"%b %b HTTP/1.1" % (method, target), fields, body) == got
    assert Message(head, reply_fields, reply_body) == reply


@given(given_request=REQUESTS, given_reply=REPLIES)
@law(EXAMPLES)
async def test_a_raw_exchange_crosses_as_it_is(bench, given_request, given_reply) -> None:
    await check_raw(bench, given_request, given_reply)


@pytest.mark.slow
@given(given_request=REQUESTS, given_reply=REPLIES)
@law(EXAMPLES_SLOW)
async def test_many_raw_exchanges_cross_as_they_are(bench, given_request, given_reply) -> None:
    await check_raw(bench, given_request, given_reply)


CHAT = b"/v1/chat/completions"


async def check_chat(
    bench: Bench, name: str, prompt: bytes, kind: bytes, body: bytes, cuts: list[int]
) -> None:
    fields = [(b"X-Kept", b"1"), (b"Content-Type", b"application/json")]
    data = request_of(b"POST", CHAT, fields, prompt, "length", cuts)
    pieces = framed(b"HTTP/1.1 200 OK", [(b"Content-Type", kind)], body, "chunked", cuts)
    got, reply = await bench.cross(name, data, pieces)
    assert (b"POST %b HTTP/1.1" % CHAT, prompt, fields[:1]) == (got.start, got.body, got.fields)
    assert (b"HTTP/1.1 200 OK", body) == (reply.start, reply.body)


NAMED = pytest.mark.parametrize("name", ["no rules", "default"])


@NAMED
@given(prompt=prompts(), answer=answers(), cuts=CUTS)
@law(EXAMPLES // 2)
async def test_json_that_no_rule_touches_is_byte_identical(bench, name, prompt, answer, cuts) -> None:
    await check_chat(bench, name, prompt, b"application/json", answer, cuts)


@NAMED
@given(stream=streams(), cuts=CUTS)
@law(EXAMPLES // 2)
async def test_a_stream_that_no_rule_touches_is_byte_identical(bench, name, stream, cuts) -> None:
    prompt = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
    await check_chat(bench, name, prompt, b"text/event-stream", stream, cuts)


@pytest.mark.slow
@given(prompt=prompts(), answer=answers(), cuts=CUTS)
@law(EXAMPLES_SLOW)
async def test_much_json_that_no_rule_touches_is_byte_identical(bench, prompt, answer, cuts) -> None:
    await check_chat(bench, "default", prompt, b"application/json", answer, cuts)


@pytest.mark.slow
@given(stream=streams(), cuts=CUTS)
@law(EXAMPLES_SLOW)
async def test_many_streams_that_no_rule_touches_are_byte_identical(bench, stream, cuts) -> None:
    prompt = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
    await check_chat(bench, "default", prompt, b"text/event-stream", stream, cuts)
