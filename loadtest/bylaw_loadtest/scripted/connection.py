"""One client connection of the scripted server: httptools in, prepared bytes out.

Invariant: requests of a connection are answered one after the other, in order; a request is in the log from
the moment its head is complete.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from typing import Protocol, cast

import httptools

from bylaw_loadtest.scripted import websocket
from bylaw_loadtest.scripted.player import Player
from bylaw_loadtest.scripted.reply import Ending, simple
from bylaw_loadtest.scripted.request import Request, RequestLog
from bylaw_loadtest.scripted.routes import Upload, reply_to
from bylaw_loadtest.scripted.script import Script

_LINGER_ZERO = struct.pack("ii", 1, 0)
_BODY_BYTES_MAX = 64 * 1024 * 1024


class Server(Protocol):
    """What a connection needs of its server."""

    script: Script
    requests: RequestLog
    connections: set[Connection]


class Connection(asyncio.Protocol):
    """Parses requests and plays replies.

    Args:
        server: the script and the log.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, Upload | None, bool]] = deque()
        self._answering: Request | None = None
        self._player: Player | None = None
        self._echo: websocket.WebSocketEcho | None = None
        self._keep_alive = True
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._player is not None:
            self._player.stop()
        for request in (self._answering, self._reading, *(waiting for waiting, _, _ in self._waiting)):
            if request is not None:
                request.disconnected_s = time.monotonic()

    def abort(self) -> None:
        """The server stops."""
        self._transport.abort()

    def pause_writing(self) -> None:
        if self._player is not None:
            self._player.pause()

    def resume_writing(self) -> None:
        if self._player is not None:
            self._player.resume()

    def data_received(self, data: bytes) -> None:
        if self._echo is not None:
            self._echo.feed(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserCallbackError:
            raise  # our own bug, not the client's
        except httptools.HttpParserError:
            self._refuse(400)

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._upload: Upload | None = None
        self._reading: Request | None = None

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, self._target, self._headers, self._parser.get_http_version())
        self._reading = request
        if not request.target.startswith(b"/_requests"):
            self._server.requests.add(request)
        if request.path == "/upload":
            self._upload = Upload()
        if (request.header(b"expect") or b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        assert self._reading is not None
        self._reading.body_bytes += len(data)
        if self._upload is not None:
            self._upload.take(data)
        elif self._reading.body_bytes <= _BODY_BYTES_MAX:
            self._body.append(data)
        else:
            self._refuse(413)

    def on_message_complete(self) -> None:
        request = self._reading
        assert request is not None
        self._reading = None
        self._server.requests.complete(request, b"".join(self._body))
        if self._parser.should_upgrade() and websocket.accepts(request):
            self._open_websocket(request)
            return
        self._waiting.append((request, self._upload, self._parser.should_keep_alive()))
        if self._answering is None:
            self._answer_next()
        else:
            self._transport.pause_reading()

    # replies

    def _answer_next(self) -> None:
        request, upload, self._keep_alive = self._waiting.popleft()
        self._answering = request
        reply = reply_to(request, self._server.script, self._server.requests, upload)
        if reply.whole is None:
            self._player = Player(self._transport, reply, self._answered)
            self._player.start()
            return
        self._transport.write(reply.whole)
        self._answered(reply.ending)

    def _answered(self, ending: Ending) -> None:
        assert self._answering is not None
        self._answering.replied_s = time.monotonic()
        self._answering = self._player = None
        if ending == "rst":
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._transport.abort()
        elif ending == "fin" or not self._keep_alive:
            self._transport.close()
        elif self._waiting:
            self._answer_next()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _open_websocket(self, request: Request) -> None:
        self._answering = request
        self._transport.write(websocket.opening(request))
        self._echo = websocket.WebSocketEcho(self._transport)

    def _refuse(self, status: int) -> None:
        refusal = simple(Script(status=status), b"{}")
        self._transport.write(refusal.whole or b"")
        self._transport.close()
