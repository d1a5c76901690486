"""The data plane: aiohttp's server in front of the corridor.

Law of this module: `handler_cancellation` is on, so that a client that leaves cancels its exchange; a head that
does not arrive in time closes the connection; a malformed message gets a proper HTTP/1.1 answer and a close.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from bylaw.edge.inbound import HttpInbound
from bylaw.edge.outbound import HttpOutbound, Sent
from bylaw.errors import ClientError
from bylaw.serve import corridor
from bylaw.stages.problem import phrase
from bylaw.stages.services import Services

SWEEP_S = 1.0
QUIET_POLL_S = 0.02
CUT_S = 1.0
NEVER = -1.0


class Connection(web.RequestHandler):
    """One client connection; knows since when it waits for the rest of a head.

    `waiting_since` is loop time, 0.0 while idle, `NEVER` while an exchange runs.
    """

    __slots__ = ("waiting_since",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.waiting_since = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.waiting_since == 0.0:
            self.waiting_since = self._loop.time()
        super().data_received(data)

    def cut(self) -> None:
        """End the exchange that runs on this connection, if one does."""
        if self.waiting_since == NEVER and self._task_handler is not None:
            self._task_handler.cancel()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A message that the parser refuses: 400 in plain JSON, then close."""
        malformed(request, ClientError(400, "malformed_http", "the HTTP message is malformed"))
        return Sent(keep=False)


class DataPlane:
    """Serves the corridor on sockets that the caller opened."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.sent = {True: Sent(keep=True), False: Sent(keep=False)}
        limits = services.limits
        self.server = _Server(
            self.handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=limits.keepalive_s,
            max_line_size=limits.head_bytes_max,
            max_field_size=limits.head_bytes_max,
            lingering_time=1.0,
            tcp_keepalive=True,
        )
        self._sweeper: asyncio.TimerHandle | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One exchange."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.waiting_since = NEVER
        try:
            inbound = HttpInbound(request, self.services.limits)
        except ClientError as error:
            malformed(request, error)
            return self.sent[False]
        outbound = HttpOutbound(request, self.services.limits, close=self.services.draining)
        try:
            await corridor(self.services, inbound, outbound)
        finally:
            connection.waiting_since = 0.0
        keep = outbound.ended and not outbound.close and (inbound.length == 0 or request.content.is_eof())
        return self.sent[keep]

    def start_sweeping(self) -> None:
        """Close connections whose head does not arrive within `read_ms_max`."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self.services.limits.read_ms_max / 1000
        for connection in self.server.connections:
            if isinstance(connection, Connection) and 0.0 < connection.waiting_since < oldest:
                connection.force_close()
        self._sweeper = loop.call_later(SWEEP_S, self.start_sweeping)

    async def drain(self, drain_s: float) -> None:
        """Let running exchanges finish, at most `drain_s`; idle connections close at once."""
        self.services.draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.server.pre_shutdown()
        await self._quiet(drain_s)
        # aiohttp's own shutdown would wait twice as long as it is told before it cuts anything.
        self.services.cutting = True
        for connection in self.server.connections:
            if isinstance(connection, Connection):
                connection.cut()
        await self.server.shutdown(CUT_S)

    async def _quiet(self, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while self.services.in_flight and loop.time() < end:  # noqa: ASYNC110 - nobody signals the end on the hot path
            await asyncio.sleep(QUIET_POLL_S)


class _Server(web.Server):
    """aiohttp's server with our connections."""

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


def malformed(request: web.BaseRequest, error: ClientError) -> None:
    """Answer a message that never reached the corridor."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return
    body = json.dumps(
        {"error": {"message": error.message, "type": "invalid_request_error", "code": error.code}}
    ).encode()
    head = (
        b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        % (error.status, phrase(error.status).encode(), len(body))
    )  # fmt: skip
    transport.write(head + (b"" if request.method == "HEAD" else body))
