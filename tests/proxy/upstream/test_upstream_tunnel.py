"""101 Switching Protocols: raw bytes both ways."""

import asyncio

import pytest
from upstream_kit import fetch, on_both_loops, read_request, until

from bylaw.errors import UpstreamError

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ASK = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]


async def echo(reader, writer):
    await read_request(reader)
    writer.write(SWITCH + b"first")
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write(b"last")


@on_both_loops
async def test_bytes_pass_both_ways_until_both_ends_have_closed(kit):
    _, client = await kit.pair(echo)
    reply = await client.open("GET", "/", ASK, b"", 0)
    tunnel = reply.upgrade()
    reply.release()  # means nothing any more
    got = [await tunnel.read()]
    await tunnel.write(b"\x81\x00\r\n\r\n")
    got.append(await tunnel.read())
    tunnel.write_eof()
    got += [await tunnel.read(), await tunnel.read()]
    tunnel.close()
    await until(lambda: client.in_use == 0)
    assert (101, [b"first", b"\x81\x00\r\n\r\n", b"last", b""]) == (reply.status, got)
    assert (0, {}) == (client.resting, client.tally.errors)


@on_both_loops
async def test_megabytes_pass_both_ways_with_back_pressure(kit):
    _, client = await kit.pair(echo)
    tunnel = (await client.open("GET", "/", ASK, b"", 0)).upgrade()
    total = 0

    async def send():
        for _ in range(200):
            await tunnel.write(bytes(50_000))
        tunnel.write_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        while data := await tunnel.read():
            total += len(data)
            assert len(data) <= 64 * 1024 + 256 * 1024
    tunnel.close()
    assert len(b"first" + b"last") + 10_000_000 == total


@on_both_loops
async def test_the_upstream_may_close_its_half_first(kit):
    got = []

    async def script(reader, writer):
        await read_request(reader)
        writer.write(SWITCH)
        writer.write_eof()
        got.append(await reader.readexactly(5))

    _, client = await kit.pair(script)
    tunnel = (await client.open("GET", "/", ASK, b"", 0)).upgrade()
    assert b"" == await tunnel.read()
    await tunnel.write(b"after")
    await until(lambda: got == [b"after"])
    tunnel.close()


@on_both_loops
async def test_closing_wakes_a_reader_and_is_seen_by_the_server(kit):
    server, client = await kit.pair(echo)
    tunnel = (await client.open("GET", "/", ASK, b"", 0)).upgrade()
    await tunnel.read()
    reading = asyncio.create_task(tunnel.read())
    await asyncio.sleep(0)
    tunnel.close()
    with pytest.raises(UpstreamError, match="upstream_reset"):
        await reading
    with pytest.raises(UpstreamError, match="upstream_reset"):
        await tunnel.write(b"x")
    await until(server.tasks[0].done)


@on_both_loops
async def test_a_tunnel_without_traffic_ends_and_with_traffic_in_one_direction_does_not(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(SWITCH)
        await reader.read()

    _, client = await kit.pair(script, idle_ms_max=250)
    tunnel = (await client.open("GET", "/", ASK, b"", 0)).upgrade()
    reading = asyncio.create_task(tunnel.read())
    for _ in range(8):
        await asyncio.sleep(0.05)
        await tunnel.write(b"ping")
    assert not reading.done()
    with pytest.raises(UpstreamError, match="upstream_idle_timeout"):
        await reading


@on_both_loops
async def test_a_101_that_nobody_asked_for_is_malformed(kit):
    _, client = await kit.pair(echo)
    with pytest.raises(UpstreamError, match="upstream_malformed"):
        await fetch(client)


@on_both_loops
async def test_an_upgrade_that_is_declined_is_an_ordinary_reply(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 426 No\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    _, client = await kit.pair(script)
    reply = await client.open("GET", "/", ASK, b"", 0)
    body = [piece async for piece in reply.chunks()]
    with pytest.raises(AssertionError, match="only a 101"):
        reply.upgrade()
    assert (426, [b"no"], 1) == (reply.status, body, client.resting)
