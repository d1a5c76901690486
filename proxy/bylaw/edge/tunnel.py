"""Raw bytes both ways between a client and a provider after 101 Switching Protocols.

Law of this module: nothing is read or changed; memory is bounded by back-pressure in both directions; when one
side ends, both do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from aiohttp.http_websocket import WebSocketReader

from bylaw.stages.ports import TunnelEnd

HIGH_WATER = 64 * 1024
Send = Callable[[bytes], Awaitable[None]]


class ClientBytes:
    """What the client sends after the switch; aiohttp feeds it like a payload parser."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._data = bytearray()
        self._more = asyncio.Event()
        self._eof = False
        self._paused = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp; never ends the connection by itself."""
        self._data += data
        self._more.set()
        if len(self._data) > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp when the client has gone."""
        self._eof = True
        self._more.set()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while not self._data and not self._eof:
            self._more.clear()
            await self._more.wait()
        data = bytes(self._data)
        self._data.clear()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data


async def relay_both(request: web.BaseRequest, client_write: Send, upstream: TunnelEnd) -> None:
    """Relay until either side ends.

    Args:
        request: whose connection becomes the client's end.
        client_write: coroutine function that sends bytes to the client with back-pressure.
        upstream: the provider's end; closed on return.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    client = ClientBytes(transport)
    request.protocol.set_parser(cast("WebSocketReader", client))
    up = asyncio.ensure_future(_up(client, upstream))
    down = asyncio.ensure_future(_down(upstream, client_write))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        upstream.close()
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _up(client: ClientBytes, upstream: TunnelEnd) -> None:
    while data := await client.read():
        await upstream.write(data)


async def _down(upstream: TunnelEnd, client_write: Send) -> None:
    while data := await upstream.read():
        await client_write(data)
