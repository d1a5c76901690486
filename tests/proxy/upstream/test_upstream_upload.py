"""Request bodies: chunked or counted, with back-pressure, and replies that come before the end."""

import asyncio
import socket
import threading
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_kit import answer_and_wait, fetch, on_both_loops, pieces, read_all, read_request, until

from bylaw.errors import ClientError, UpstreamError
from bylaw.limits import Limits
from bylaw.upstream import UpstreamClient

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"


def echo(seen):
    async def script(reader, writer):
        while True:
            seen.append(await read_request(reader))
            writer.write(HELLO)

    return script


@pytest.mark.parametrize(
    ("length", "framing"), [(7, b"Content-Length: 7"), (None, b"Transfer-Encoding: chunked")]
)
@on_both_loops
async def test_an_iterator_body_arrives_whole_and_the_connection_is_kept(kit, length, framing):
    seen = []
    server, client = await kit.pair(echo(seen))
    for _ in range(2):
        await read_all(await client.open("POST", "/", [], pieces(b"abc", b"", b"defg"), length))
    assert ([(framing, b"abcdefg")] * 2, 1) == (
        [(h.split(b"\r\n")[-1], b) for h, b in seen],
        server.connections,
    )


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
@on_both_loops
async def test_a_bytes_body_of_any_size_arrives_whole(kit, size):
    seen = []
    _, client = await kit.pair(echo(seen))
    body = bytes(range(256)) * (size // 256 + 1)
    assert (200, b"hello") == await fetch(client, "POST", body[:size])
    assert body[:size] == seen[0][1]
    assert 1 == client.resting


@pytest.mark.parametrize("parts", [(b"abc",), (b"abcdef", b"g")])
@on_both_loops
async def test_a_body_that_is_not_as_long_as_declared_is_cut_off(kit, parts):
    got = []

    async def script(reader, writer):
        got.append(await reader.read())

    _, client = await kit.pair(script)
    with pytest.raises(ClientError, match="body_length"):
        await client.open("POST", "/", [], pieces(*parts), 5)
    await until(lambda: got != [])
    assert len(got[0].partition(b"\r\n\r\n")[2]) <= 5


@on_both_loops
async def test_the_error_of_the_body_comes_out_of_open_and_the_server_sees_no_end(kit):
    got = []

    async def script(reader, writer):
        while data := await reader.read(1000):
            got.append(data)

    async def broken():
        yield b"abc"
        await until(lambda: b"abc" in b"".join(got))
        raise ClientError(408, "too_slow", "the body came too slowly")

    server, client = await kit.pair(script)
    with pytest.raises(ClientError, match="too_slow"):
        await client.open("POST", "/", [], broken(), None)
    await until(server.tasks[0].done)
    assert (True, {}, 0) == (b"".join(got).endswith(b"\r\n3\r\nabc\r\n"), client.tally.errors, client.in_use)


@on_both_loops
async def test_a_refusal_before_the_end_stops_the_sending(kit):
    asked = []

    async def endless():
        while True:
            asked.append(1)
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        while await reader.read(100_000):
            pass

    server, client = await kit.pair(script)
    reply = await client.open("POST", "/", [], endless(), None)
    count = len(asked)
    await asyncio.sleep(0.02)
    assert (413, b"big", count) == (reply.status, await read_all(reply), len(asked))
    await until(server.tasks[0].done)
    assert (0, 0) == (client.resting, client.in_use)


@on_both_loops
async def test_a_refusal_while_the_server_reads_nothing_is_delivered(kit):
    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        await asyncio.sleep(5)

    _, client = await kit.pair(script)
    assert (413, b"big") == await fetch(client, "POST", b"x" * 20_000_000)
    assert 0 == client.resting


@on_both_loops
async def test_a_refusal_is_delivered_though_the_server_has_closed_with_a_reset(kit):
    closed, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def server():
        peer, _ = listener.accept()
        peer.recv(10)
        peer.sendall(TOO_LARGE)
        peer.close()  # bytes were left unread: the kernel sends a reset
        closed.set()

    async def body():
        yield bytes(100_000)
        closed.wait(1)  # blocks the event loop on purpose: reply and reset wait in the kernel
        while True:
            yield bytes(100_000)

    thread = threading.Thread(target=server, daemon=True)
    thread.start()
    client = kit.connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
    reply = await client.open("POST", "/", [], body(), None)
    assert (413, b"big") == (reply.status, await read_all(reply))
    thread.join()
    listener.close()


@on_both_loops
async def test_an_early_success_lets_the_body_go_on(kit):
    release = asyncio.Event()
    seen = []

    async def slow():
        yield b"abc"
        await release.wait()
        yield b"def"

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        seen.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"2\r\nok\r\n0\r\n\r\n")
        await reader.read()

    _, client = await kit.pair(script)
    reply = await client.open("POST", "/", [], slow(), None)
    release.set()
    assert (200, b"ok") == (reply.status, await read_all(reply))
    assert ([b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"], 1) == (seen, client.resting)


@on_both_loops
async def test_a_body_that_breaks_after_an_early_head_fails_the_reply(kit):
    async def broken():
        await asyncio.sleep(0.02)
        raise ClientError(400, "bad_body", "the body is malformed")
        yield b""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 9\r\n\r\n")
        await reader.read()

    _, client = await kit.pair(script)
    reply = await client.open("POST", "/", [], broken(), None)
    with pytest.raises(ClientError, match="bad_body"):
        await read_all(reply)


@on_both_loops
async def test_a_server_that_reads_nothing_stops_the_body_within_bounds(kit):
    given_out = []

    async def endless():
        while True:
            given_out.append(65_536)
            yield bytes(65_536)

    async def script(reader, writer):
        await asyncio.sleep(5)

    _, client = await kit.pair(script)
    tracemalloc.start()
    task = asyncio.create_task(client.open("POST", "/", [], endless(), None))
    await asyncio.sleep(0.1)
    before = sum(given_out)
    await asyncio.sleep(0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    task.cancel()
    assert before == sum(given_out)
    assert peak < 2_000_000


@on_both_loops
async def test_cancelling_an_upload_stops_the_body_and_is_seen_by_the_server(kit):
    stopped = []

    async def endless():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            stopped.append(True)

    server, client = await kit.pair(answer_and_wait())
    task = asyncio.create_task(client.open("POST", "/", [], endless(), None))
    await until(lambda: server.connections == 1)
    await asyncio.sleep(0.01)
    task.cancel()
    await until(lambda: server.tasks[0].done() and stopped == [True])


@on_both_loops
async def test_a_server_that_closes_in_the_middle_of_an_upload_is_a_reset(kit):
    async def endless():
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    async def script(reader, writer):
        await reader.readexactly(5000)

    _, client = await kit.pair(script)
    with pytest.raises(UpstreamError, match="upstream_reset"):
        await client.open("POST", "/", [], endless(), None)


@pytest.mark.parametrize("length", [3, 5])
async def test_a_wrong_length_of_a_bytes_body_is_a_bug(length):
    with pytest.raises(AssertionError):
        await UpstreamClient("http://127.0.0.1:1", Limits()).open("POST", "/", [], b"body", length)


TOKENS = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=10).map(lambda s: b"x" + s.encode())
VALUES = st.binary(max_size=20).map(lambda v: v.translate(None, bytes(range(32)) + b"\x7f").strip())
HEADERS = st.lists(st.tuples(TOKENS, VALUES), max_size=8)
PARTS = st.lists(st.binary(max_size=2000), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(HEADERS, PARTS, st.booleans(), HEADERS, PARTS, st.booleans())
def test_headers_and_bodies_go_there_and_back_byte_exact(out, sent, count, back, returned, chunked):
    """Generated headers and bodies, counted and chunked, in both directions."""
    body = b"".join(returned)
    frame = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = OK + b"".join(n + b": " + v + b"\r\n" for n, v in back) + frame + b"\r\n\r\n"
    coded = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in returned if p) + b"0\r\n\r\n"
    seen = []

    @on_both_loops
    async def scenario(kit):
        async def script(reader, writer):
            seen.append(await read_request(reader))
            writer.write(head + (coded if chunked else body))

        _, client = await kit.pair(script)
        reply = await client.open("POST", "/", out, pieces(*sent), sum(map(len, sent)) if count else None)
        got = await read_all(reply)
        assert (body, back) == (got, list(reply.headers)[:-1])

    scenario(run=asyncio.run)
    lines = seen[0][0].split(b"\r\n")[2:-1]
    assert ([n + b": " + v for n, v in out], b"".join(sent)) == (lines, seen[0][1])


@on_both_loops
async def test_an_interim_reply_during_an_upload_changes_nothing(kit):
    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(HELLO)
        await reader.read()

    _, client = await kit.pair(script)
    assert b"hello" == await read_all(await client.open("POST", "/", [], pieces(b"a", b"b"), None))
    assert 1 == client.resting
