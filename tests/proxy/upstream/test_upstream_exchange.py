"""Exchanges over real sockets: each framing, reuse, and connections that end at the wrong moment."""

import asyncio
import socket
import threading
import time

import pytest
from upstream_kit import answer, answer_and_wait, fetch, on_both_loops, pieces, read_all, read_request, until

from bylaw.errors import ClientError, UpstreamError

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
FRAMINGS = {
    "length": HELLO,
    "chunked": CHUNKED,
    "close": OK + b"\r\nhello",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HELLO,
}


@pytest.mark.parametrize("raw", FRAMINGS.values(), ids=FRAMINGS)
@on_both_loops
async def test_each_framing_gives_the_body(kit, raw):
    _, client = await kit.pair(answer(raw))
    assert (200, b"hello") == await fetch(client)


@pytest.mark.parametrize("raw", FRAMINGS.values(), ids=FRAMINGS)
@on_both_loops
async def test_a_reply_that_trickles_in_byte_by_byte_is_the_same(kit, raw):
    async def trickle(reader, writer):
        await read_request(reader)
        for byte in raw:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    _, client = await kit.pair(trickle)
    assert (200, b"hello") == await fetch(client)


@on_both_loops
async def test_the_request_arrives_byte_exact_under_the_base_path(kit):
    seen = []

    async def script(reader, writer):
        seen.append(await read_request(reader))
        writer.write(HELLO)

    server = await kit.serve(script)
    client = kit.connect(server.url + "/base/")
    reply = await client.open("POST", "/v1/x?q=%C3%A4", [(b"x-A", b"1"), (b"X-a", b"\xff")], b"body", 4)
    await read_all(reply)
    head = (
        b"POST /base/v1/x?q=%%C3%%A4 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nx-A: 1\r\nX-a: \xff\r\n"
        b"Content-Length: 4" % server.port
    )
    assert [(head, b"body")] == seen


@on_both_loops
async def test_the_reply_keeps_raw_headers_status_reason_and_length(kit):
    _, client = await kit.pair(answer(b"HTTP/1.1 299 So so\r\nB: 1\r\na: \xff\r\nContent-Length: 0\r\n\r\n"))
    reply = await client.open("GET", "/", [], b"", 0)
    reply.release()
    headers = [(b"B", b"1"), (b"a", b"\xff"), (b"Content-Length", b"0")]
    assert (299, "So so", headers, 0) == (reply.status, reply.reason, list(reply.headers), reply.length)


@pytest.mark.parametrize(
    ("method", "raw", "length"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n", 5),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", None),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 0),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 5),
    ],
)
@on_both_loops
async def test_a_reply_without_a_body_ends_at_once_and_the_connection_is_kept(kit, method, raw, length):
    server, client = await kit.pair(answer_and_wait(raw, HELLO))
    reply = await client.open(method, "/", [], b"", 0)
    assert (length, b"") == (reply.length, await read_all(reply))
    assert ((200, b"hello"), 1) == (await fetch(client), server.connections)


@on_both_loops
async def test_one_connection_carries_many_exchanges(kit):
    server, client = await kit.pair(answer_and_wait(HELLO, CHUNKED, HELLO))
    assert [(200, b"hello")] * 3 == [await fetch(client) for _ in range(3)]
    assert (1, 1, 2, 0, 1) == (
        server.connections, client.tally.opened, client.tally.reused, client.in_use, client.resting,
    )  # fmt: skip


@on_both_loops
async def test_a_whole_reply_that_nobody_reads_keeps_its_connection(kit):
    server, client = await kit.pair(answer_and_wait(HELLO, CHUNKED))
    (await client.open("GET", "/", [], b"", 0)).release()
    assert ((200, b"hello"), 1) == (await fetch(client), server.connections)


@pytest.mark.parametrize(
    "raw",
    [
        HELLO + b"garbage",
        HELLO + HELLO,
        CHUNKED + b"H",
        OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nKeep-Alive: timeout=0\r\n\r\nhello",
    ],
)
@on_both_loops
async def test_a_connection_with_surplus_bytes_or_a_last_reply_is_not_used_again(kit, raw):
    server, client = await kit.pair(answer_and_wait(raw))
    assert [(200, b"hello")] * 2 == [await fetch(client), await fetch(client)]
    assert (2, 0) == (server.connections, client.tally.reused)


@on_both_loops
async def test_bytes_at_rest_close_the_connection(kit):
    async def script(reader, writer):
        await answer(HELLO)(reader, writer)
        await asyncio.sleep(0.01)
        writer.write(HELLO)
        await reader.read()

    server, client = await kit.pair(script)
    await fetch(client)
    await until(lambda: client.resting == 0)
    assert ((200, b"hello"), 2) == (await fetch(client), server.connections)


@on_both_loops
async def test_a_close_that_the_event_loop_has_not_seen_yet_costs_no_exchange(kit):
    closed, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def server():
        for _ in range(20):
            peer, _ = listener.accept()
            peer.recv(65536)
            peer.sendall(HELLO)
            time.sleep(0.001)
            peer.close()
            closed.set()

    thread = threading.Thread(target=server, daemon=True)
    thread.start()
    client = kit.connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
    results = []
    for _ in range(20):
        results.append(await fetch(client, "POST", b"pay"))
        closed.wait(1)  # blocks the event loop on purpose: the close waits in the kernel
        closed.clear()
    thread.join()
    listener.close()
    assert ([(200, b"hello")] * 20, 0) == (results, client.tally.reused)


@on_both_loops
async def test_a_request_whose_bytes_left_is_never_sent_twice(kit):
    requests = []

    async def script(reader, writer):
        await answer(HELLO)(reader, writer)
        requests.append(await read_request(reader))

    server, client = await kit.pair(script)
    await fetch(client)
    with pytest.raises(UpstreamError) as caught:
        await fetch(client, "POST", b"pay")
    assert (502, "upstream_reset", 1, 1) == (
        caught.value.status, caught.value.code, len(requests), server.connections,
    )  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 2",
        OK + b"Content-Length: 6\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello",
    ],
)
@on_both_loops
async def test_an_early_close_is_never_a_clean_end(kit, raw):
    _, client = await kit.pair(answer(raw))
    with pytest.raises(UpstreamError) as caught:
        await fetch(client)
    assert (502, "upstream_reset", {"upstream_reset": 1}, 0) == (
        caught.value.status, caught.value.code, client.tally.errors, client.in_use,
    )  # fmt: skip


@on_both_loops
async def test_a_reset_is_an_error_also_where_the_close_would_end_the_body(kit):
    async def script(reader, writer):
        await answer(OK + b"\r\nhello")(reader, writer)
        await asyncio.sleep(0.02)
        writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: RST
        writer.transport.abort()
        await asyncio.sleep(0.01)

    _, client = await kit.pair(script)
    got = []
    reply = await client.open("GET", "/", [], b"", 0)
    with pytest.raises(UpstreamError, match="upstream_reset"):
        async for piece in reply.chunks():
            got.append(piece)
    assert [b"hello"] == got


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-x\r\n", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nsecret"]
)
@on_both_loops
async def test_a_malformed_head_is_an_error_at_once_and_shows_nothing_of_the_reply(kit, raw):
    _, client = await kit.pair(answer_and_wait(raw))
    with pytest.raises(UpstreamError) as caught:
        await fetch(client)
    assert (502, "upstream_malformed") == (caught.value.status, caught.value.code)
    assert "secret" not in str(caught.value) and "SSH" not in str(caught.value)


@on_both_loops
async def test_what_came_before_a_broken_chunk_is_delivered_and_then_it_fails(kit):
    _, client = await kit.pair(
        answer_and_wait(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n")
    )
    reply, got = await client.open("GET", "/", [], b"", 0), []
    with pytest.raises(UpstreamError, match="upstream_malformed"):
        async for piece in reply.chunks():
            got.append(piece)
    assert ([b"hello"], 0) == (got, client.in_use)


@on_both_loops
async def test_pieces_of_one_tick_come_as_one_and_later_ones_at_once(kit):
    go = asyncio.Event()

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n")
        await go.wait()
        writer.write(b"1\r\nc\r\n0\r\n\r\n")

    _, client = await kit.pair(script)
    reply, got = await client.open("GET", "/", [], b"", 0), []
    async for piece in reply.chunks():
        got.append(piece)
        go.set()
    assert [b"ab", b"c"] == got


@on_both_loops
async def test_the_connection_that_rested_shortest_is_used_first(kit):
    numbers = iter(range(9))

    async def script(reader, writer):
        number = next(numbers)
        while True:
            await read_request(reader)
            writer.write(OK + b"Content-Length: 1\r\n\r\n%d" % number)

    _, client = await kit.pair(script)
    first, second = [await client.open("GET", "/", [], b"", 0) for _ in range(2)]
    assert [b"0", b"1"] == [await read_all(first), await read_all(second)]
    assert [(200, b"1")] * 3 == [await fetch(client) for _ in range(3)]


@on_both_loops
async def test_the_pool_is_bounded(kit):
    async def script(reader, writer):
        for _ in range(9):
            await read_request(reader)
            await asyncio.sleep(0.02)
            writer.write(HELLO)

    server, client = await kit.pair(script, pool_max=2)
    await asyncio.gather(*(fetch(client) for _ in range(4)))
    assert (4, 2, 0) == (server.connections, client.resting, client.in_use)
    await fetch(client)
    assert (4, 1, 2) == (server.connections, client.tally.reused, client.resting)


@on_both_loops
async def test_an_early_release_is_seen_by_the_server(kit):
    closed = []

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: 100\r\n\r\nhello")
        closed.append(await reader.read())

    _, client = await kit.pair(script)
    reply = await client.open("GET", "/", [], b"", 0)
    reply.release()
    reply.release()
    await until(lambda: closed == [b""])
    assert (0, 0, {}) == (client.in_use, client.resting, client.tally.errors)


@on_both_loops
async def test_closing_the_generator_is_seen_by_the_server(kit):
    closed = []

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        closed.append(await reader.read())

    _, client = await kit.pair(script)
    chunks = (await client.open("GET", "/", [], b"", 0)).chunks()
    assert b"hello" == await anext(chunks)
    await chunks.aclose()
    await until(lambda: closed == [b""])


@pytest.mark.parametrize("stage", ["head", "body"])
@on_both_loops
async def test_cancelling_is_seen_by_the_server(kit, stage):
    closed, started = [], asyncio.Event()

    async def script(reader, writer):
        await read_request(reader)
        if stage == "body":
            writer.write(OK + b"Content-Length: 9\r\n\r\n")
        started.set()
        closed.append(await reader.read())

    _, client = await kit.pair(script)
    task = asyncio.create_task(fetch(client))
    await started.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    await until(lambda: closed == [b""])
    assert (True, {}, 0) == (task.cancelled(), client.tally.errors, client.in_use)


@on_both_loops
async def test_a_released_reply_never_touches_its_connection_again(kit):
    _, client = await kit.pair(answer_and_wait(HELLO, OK + b"Content-Length: 6\r\n\r\nsecond"))
    first = await client.open("GET", "/", [], b"", 0)
    chunks = first.chunks()
    assert b"hello" == await anext(chunks)
    first.release()
    second = await client.open("GET", "/", [], b"", 0)
    assert [] == [piece async for piece in chunks] + [piece async for piece in first.chunks()]
    assert b"second" == await read_all(second)


@on_both_loops
async def test_a_release_under_a_reader_that_has_not_woken_yet_closes_the_connection(kit):
    _, client = await kit.pair(answer_and_wait(OK + b"Content-Length: 5\r\n\r\nhel"))
    reply = await client.open("GET", "/", [], b"", 0)
    chunks = reply.chunks()
    assert b"hel" == await anext(chunks)
    reading = asyncio.create_task(anext(chunks, None))
    await asyncio.sleep(0)
    reply._connection.data_received(b"lo")  # the end comes, and before the reader runs:
    reply.release()
    assert 0 == client.resting
    await asyncio.wait([reading])


@on_both_loops
async def test_close_fails_what_still_runs_and_refuses_what_comes(kit):
    _, client = await kit.pair(answer_and_wait(b""))
    task = asyncio.create_task(fetch(client))
    await until(lambda: client.in_use == 1)
    await asyncio.sleep(0.01)
    await client.close()
    for attempt in (task, fetch(client)):
        with pytest.raises(UpstreamError, match="upstream_reset"):
            await attempt
    assert (0, {}) == (client.in_use, client.tally.errors)


@on_both_loops
async def test_a_bad_request_opens_no_connection(kit):
    server, client = await kit.pair(answer(HELLO))
    with pytest.raises(ClientError, match="bad_header"):
        await client.open("GET", "/", [(b"X", b"a\r\nEvil: 1")], b"", 0)
    assert 0 == server.connections


@on_both_loops
async def test_proxies_of_the_environment_are_not_used(kit, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    _, client = await kit.pair(answer(HELLO))
    assert (200, b"hello") == await fetch(client)


@on_both_loops
async def test_an_empty_iterator_body_of_length_zero_is_no_body(kit):
    seen = []

    async def script(reader, writer):
        seen.append(await read_request(reader))
        writer.write(HELLO)
        await reader.read()

    _, client = await kit.pair(script)
    await read_all(await client.open("GET", "/", [], pieces(), 0))
    assert (1, True) == (client.resting, seen[0][0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1"))
