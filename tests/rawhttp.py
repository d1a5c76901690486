"""Raw sockets for tests: what a client sends and gets, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

Pairs = Sequence[tuple[str, str]]


def request(method: str, target: str, headers: Pairs = (), body: bytes | None = None) -> bytes:
    """A request with exactly these fields, Host first; Content-Length is added for a body."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Answer:
    """One parsed response."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes, *, whole: bool) -> None:
        self.status, self.headers, self.body, self.whole = status, headers, body, whole

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> object:
        import json

        return json.loads(self.body)


class Wire:
    """One client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Wire:
        return cls(*await asyncio.open_connection(*address, limit=2**22))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head_only: bool = False, timeout_s: float = 15) -> Answer:
        """The next final response; interim ones are skipped."""
        async with asyncio.timeout(timeout_s):
            while True:
                status, headers = await self.head()
                if status >= 200 or status == 101:
                    break
            body, whole = await self._body(status, {k.lower(): v for k, v in headers}, head_only)
        return Answer(status, headers, body, whole=whole)

    async def head(self) -> tuple[int, list[tuple[str, str]]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head[:-4].split("\r\n")
        return int(lines[0].split(" ")[1]), [tuple(line.split(": ", 1)) for line in lines[1:]]  # type: ignore[misc]

    async def _body(self, status: int, fields: dict[str, str], head_only: bool) -> tuple[bytes, bool]:
        if head_only or status in {101, 204, 304}:
            return b"", True
        if "content-length" in fields:
            length = int(fields["content-length"])
            try:
                return await self.reader.readexactly(length), True
            except asyncio.IncompleteReadError as error:
                return error.partial, False
        if fields.get("transfer-encoding") == "chunked":
            return await self._chunked()
        return await self.reader.read(), True

    async def _chunked(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while True:
                size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
                data = await self.reader.readexactly(size + 2)
                body += data[:-2]
                if size == 0:
                    return body, True
        except (asyncio.IncompleteReadError, ConnectionError):
            return body, False

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def exchange(address: tuple[str, int], data: bytes, *, head_only: bool = False) -> Answer:
    """Send bytes on a connection of their own and read one response."""
    wire = await Wire.open(address)
    try:
        await wire.send(data)
        return await wire.answer(head_only=head_only)
    finally:
        await wire.close()
