"""Large replies in bounded memory."""

import asyncio
import tracemalloc

import pytest
from upstream_kit import on_both_loops, read_request

OK = b"HTTP/1.1 200 OK\r\n"
MIB = 1024 * 1024


def counted(total):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % total)
        for _ in range(total // MIB):
            writer.write(bytes(MIB))
            await writer.drain()
        await reader.read()

    return script


def in_tiny_chunks(total):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(total // 10_000):
            writer.write(b"a\r\n0123456789\r\n" * 1000)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    return script


@pytest.mark.parametrize(
    "script", [counted(32 * MIB), in_tiny_chunks(2_000_000)], ids=["counted", "tiny chunks"]
)
@on_both_loops
async def test_a_slow_reader_of_a_large_reply_holds_little_memory(kit, script):
    _, client = await kit.pair(script)
    reply = await client.open("GET", "/", [], b"", 0)
    total, largest = 0, 0
    tracemalloc.start()
    async for piece in reply.chunks():
        total, largest = total + len(piece), max(largest, len(piece))
        await asyncio.sleep(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (True, True) == (total in {32 * MIB, 2_000_000}, largest <= 64 * 1024 + 256 * 1024)
    assert peak < 6 * MIB  # the scripted server's own buffers are in it
    assert 1 == client.resting


@on_both_loops
async def test_a_reply_that_nobody_reads_stops_the_server(kit):
    sent = []

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"\r\n")
        while True:
            writer.write(bytes(MIB))
            await writer.drain()
            sent.append(MIB)

    _, client = await kit.pair(script)
    reply = await client.open("GET", "/", [], b"", 0)
    await asyncio.sleep(0.15)
    before = len(sent)
    await asyncio.sleep(0.1)
    assert before == len(sent)
    reply.release()


@on_both_loops
async def test_a_server_that_has_closed_already_loses_nothing_of_its_reply(kit):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % MIB + bytes(MIB))

    _, client = await kit.pair(script)
    reply = await client.open("GET", "/", [], b"", 0)
    await asyncio.sleep(0.05)
    assert MIB == sum([len(piece) async for piece in reply.chunks()])
