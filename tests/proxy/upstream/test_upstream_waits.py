"""Every wait has its limit, and no limit runs while nobody waits."""

import asyncio
import time

import pytest
from upstream_kit import fetch, on_both_loops, pieces, read_all, read_request, until

from bylaw.errors import UpstreamError

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


async def fails_with(work, within_s=1.0):
    """Status and code of the error, which must come in time."""
    begin = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        await work
    assert time.monotonic() - begin < within_s
    return caught.value.status, caught.value.code


async def silent(reader, writer):
    await reader.read()
    await asyncio.sleep(5)


@on_both_loops
async def test_no_head_in_time(kit):
    _, client = await kit.pair(silent, first_byte_ms_max=50)
    assert (504, "upstream_timeout") == await fails_with(fetch(client))
    assert ({"upstream_timeout": 1}, 0) == (client.tally.errors, client.in_use)


@on_both_loops
async def test_a_head_that_trickles_does_not_move_the_limit(kit):
    async def trickle(reader, writer):
        await read_request(reader)
        for byte in OK + b"X: " + b"y" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    _, client = await kit.pair(trickle, first_byte_ms_max=80)
    assert (504, "upstream_timeout") == await fails_with(fetch(client))


@on_both_loops
async def test_silence_in_the_body(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: 9\r\n\r\nhello")
        await reader.read()

    _, client = await kit.pair(script, idle_ms_max=50)
    assert (504, "upstream_idle_timeout") == await fails_with(fetch(client))


@on_both_loops
async def test_chunk_extensions_that_trickle_count_as_silence(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n1;")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    _, client = await kit.pair(script, idle_ms_max=80)
    assert (504, "upstream_idle_timeout") == await fails_with(fetch(client))


@on_both_loops
async def test_a_body_may_take_longer_than_the_limit_of_silence(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.04)
            writer.write(b"x")
        await reader.read()

    _, client = await kit.pair(script, idle_ms_max=250, first_byte_ms_max=250)
    assert (200, b"x" * 10) == await fetch(client)


@on_both_loops
async def test_the_limit_of_silence_does_not_run_while_nobody_reads(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: 10\r\n\r\nhello")
        await asyncio.sleep(0.2)
        writer.write(b"world")
        await reader.read()

    _, client = await kit.pair(script, idle_ms_max=150)
    reply = await client.open("GET", "/", [], b"", 0)
    await asyncio.sleep(0.3)
    assert b"helloworld" == await read_all(reply)


@on_both_loops
async def test_the_wait_for_the_head_begins_when_the_body_was_sent(kit):
    async def slow():
        for _ in range(10):
            await asyncio.sleep(0.04)
            yield b"x"

    async def script(reader, writer):
        await read_request(reader)
        writer.write(HELLO)
        await reader.read()

    _, client = await kit.pair(script, first_byte_ms_max=250, idle_ms_max=250)
    assert b"hello" == await read_all(await client.open("POST", "/", [], slow(), None))


@on_both_loops
async def test_the_wait_for_the_head_does_not_run_while_the_server_still_reads(kit):
    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        left = 20_000_000
        while left > 0:
            left -= len(await reader.read(400_000))
            await asyncio.sleep(0.008)
        writer.write(HELLO)
        await reader.read()

    _, client = await kit.pair(script, first_byte_ms_max=300)
    assert (200, b"hello") == await fetch(client, "POST", bytes(20_000_000))


@pytest.mark.parametrize("streamed", [True, False])
@on_both_loops
async def test_a_server_that_stops_reading_the_body(kit, streamed):
    async def script(reader, writer):
        await asyncio.sleep(5)

    _, client = await kit.pair(script, idle_ms_max=50)
    body = bytes(20_000_000)
    work = client.open("POST", "/", [], pieces(*[body] * 3) if streamed else body, None)
    assert (504, "upstream_idle_timeout") == await fails_with(work)


@on_both_loops
async def test_a_server_that_reads_for_a_while_and_then_stops(kit):
    async def script(reader, writer):
        for _ in range(5):
            await reader.read(4_000_000)
            await asyncio.sleep(0.03)
        await asyncio.sleep(5)

    _, client = await kit.pair(script, idle_ms_max=100)
    work = client.open("POST", "/", [], bytes(40_000_000), None)
    assert (504, "upstream_idle_timeout") == await fails_with(work, within_s=2)


@on_both_loops
async def test_a_server_that_takes_a_large_body_and_never_answers(kit):
    async def script(reader, writer):
        while await reader.read(400_000):
            await asyncio.sleep(0)

    _, client = await kit.pair(script, first_byte_ms_max=100)
    assert (504, "upstream_timeout") == await fails_with(fetch(client, "POST", bytes(20_000_000)), within_s=2)


@on_both_loops
async def test_the_limit_of_silence_does_not_run_while_the_body_of_the_request_is_awaited(kit):
    async def slow():
        yield b"abc"
        await asyncio.sleep(0.55)
        yield b"def"

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 2\r\n\r\n")
        await reader.readuntil(b"0\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"ok")
        await reader.read()

    _, client = await kit.pair(script, idle_ms_max=200)
    assert b"ok" == await read_all(await client.open("POST", "/", [], slow(), None))


@on_both_loops
async def test_a_connection_at_rest_closes_after_its_time(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Keep-Alive: timeout=1\r\nContent-Length: 5\r\n\r\nhello")
        await reader.read()

    server, client = await kit.pair(script)
    begin = time.monotonic()
    await fetch(client)
    await until(server.tasks[0].done, within_s=2)
    assert (0, True) == (client.resting, 0.4 < time.monotonic() - begin < 0.9)


@on_both_loops
async def test_a_timer_of_an_earlier_exchange_never_hits_a_later_one(kit):
    async def script(reader, writer):
        for _ in range(9):
            await read_request(reader)
            await asyncio.sleep(0.1)
            writer.write(HELLO)

    server, client = await kit.pair(script, first_byte_ms_max=250, idle_ms_max=250)
    assert [(200, b"hello")] * 6 == [await fetch(client) for _ in range(6)]
    assert 1 == server.connections
