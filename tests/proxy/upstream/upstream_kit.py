"""A scripted raw TCP server, the only fake here, at the wall where the provider stands, and its client."""

from __future__ import annotations

import asyncio
import functools
import inspect
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import uvloop

from bylaw.limits import Limits
from bylaw.upstream import Reply, UpstreamClient

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Counts its connections and runs the script on each."""

    script: Script
    scheme: str = "http"
    connections: int = 0
    port: int = 0
    tasks: list[asyncio.Task] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            await self.script(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def stop(self, server: asyncio.Server) -> None:
        server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Kit:
    """Servers and clients that end with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack

    async def serve(self, script: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer:
        scripted = ScriptedServer(script, scheme="https" if tls else "http")
        server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, ssl=tls)
        scripted.port = server.sockets[0].getsockname()[1]
        self.stack.push_async_callback(scripted.stop, server)
        return scripted

    def connect(
        self, url: str, *, ca_file: str | None = None, name: str = "", **limits: int
    ) -> UpstreamClient:
        client = UpstreamClient(url, Limits(**limits), ca_file=ca_file, name=name)
        self.stack.push_async_callback(client.close)
        return client

    async def pair(self, script: Script, **limits: int) -> tuple[ScriptedServer, UpstreamClient]:
        server = await self.serve(script)
        return server, self.connect(server.url, **limits)


def on_both_loops(scenario):
    """A test of an `async def scenario(kit, ...)`, once on asyncio and once on uvloop, 10 s at most."""

    async def main(arguments):
        async with asyncio.timeout(10), AsyncExitStack() as stack:
            await scenario(Kit(stack), **arguments)

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    @functools.wraps(scenario)
    def test(run, **arguments):
        run(main(arguments))

    signature = inspect.signature(scenario)
    own = [p for name, p in signature.parameters.items() if name != "kit"]
    run = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY)
    test.__signature__ = signature.replace(parameters=[*own, run], return_annotation=None)
    return test


def answer(*replies: bytes) -> Script:
    """One reply after each request, then close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await read_request(reader)
            writer.write(reply)
            await writer.drain()

    return script


def answer_and_wait(*replies: bytes) -> Script:
    """One reply after each request, then wait for the client to close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(*replies)(reader, writer)
        await reader.read()

    return script


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head (without its blank line) and body of one request."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    body = b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            body = await reader.readexactly(int(line.split(b":")[1]))
        if line == b"transfer-encoding: chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
    return head, body


async def fetch(client: UpstreamClient, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    """Status and whole body of one exchange."""
    reply = await client.open(method, "/v1/x", [], body, None)
    return reply.status, await read_all(reply)


async def read_all(reply: Reply) -> bytes:
    """The whole body."""
    try:
        return b"".join([piece async for piece in reply.chunks()])
    finally:
        reply.release()


async def until(condition: Callable[[], bool], within_s: float = 1.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.001)


async def pieces(*parts: bytes):
    """An async iterator."""
    for part in parts:
        yield part
