"""One keep-alive connection of the load generator: a request at a time, four times for each.

A connection that breaks is opened again after a pause, so that a dead server does not turn the run into a
storm of connects.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from bylaw_loadtest.result import Sample

_RECONNECT_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send what.

    Args:
        host: an address.
        port: its port.
        request: head and body, ready to send.
    """

    host: str
    port: int
    request: bytes


class Run(Protocol):
    """Who uses the connection."""

    def ready(self, client: Client) -> None:
        """The connection can take a request."""

    def answered(self, sample: Sample) -> None:
        """A reply is complete; `ready` follows once the connection can take a request."""

    def failed(self, reason: str) -> None:
        """The request got no whole reply; `ready` follows once there is a connection again."""


async def connect(target: Target, run: Run) -> Client:
    """Open a connection; raises OSError."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(target, run), target.host, target.port)
    return client


class Client(asyncio.Protocol):
    """A connection; make it with `connect`."""

    def __init__(self, target: Target, run: Run) -> None:
        self._target, self._run = target, run
        self._scheduled_s = self._sent_s = self._first_byte_s = 0.0
        self._body_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._busy = False
        # Whether the run knows that it may send: told once after each connect, and after each reply.
        self._offered = True
        self._reconnecting: asyncio.Task[None] | None = None

    def send(self, scheduled_s: float) -> None:
        """Send the request that was due at `scheduled_s` of `time.perf_counter()`."""
        self._busy = True
        self._scheduled_s = scheduled_s
        if self._transport is not None:
            self._write(self._transport)

    def cancel(self) -> None:
        """Close for good."""
        self._offered = self._busy = False
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        if self._busy:
            self._busy = self._offered = False
            self._run.failed(f"connection lost: {exc or 'closed'}")
        self._reconnecting = asyncio.ensure_future(self._reconnect())

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # our own bug, not the server's
        except httptools.HttpParserError:
            self._abort()

    def on_body(self, data: bytes) -> None:
        """A part of the reply's body, from httptools."""
        if not self._body_bytes:
            self._first_byte_s = time.perf_counter()
        self._body_bytes += len(data)

    def on_message_complete(self) -> None:
        """The end of the reply, from httptools."""
        done_s = time.perf_counter()
        self._busy = False
        first_byte_s = self._first_byte_s or done_s
        status = self._parser.get_status_code()
        times = self._scheduled_s, self._sent_s, first_byte_s, done_s
        self._offered = self._parser.should_keep_alive()
        self._run.answered(Sample(*times, status, self._body_bytes))
        if self._offered:
            self._run.ready(self)
        else:
            self._abort()

    def _write(self, transport: asyncio.Transport) -> None:
        self._first_byte_s, self._body_bytes = 0.0, 0
        self._sent_s = time.perf_counter()
        transport.write(self._target.request)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _reconnect(self) -> None:
        loop = asyncio.get_running_loop()
        while self._transport is None:
            await asyncio.sleep(_RECONNECT_PAUSE_S)
            with suppress(OSError):
                await loop.create_connection(lambda: self, self._target.host, self._target.port)
        if self._busy:
            self._write(self._transport)
        elif not self._offered:
            self._offered = True
            self._run.ready(self)
