"""The scripted model server on real sockets, in a test or as `python -m bylaw_loadtest.upstream`.

It speaks both dialects (`/v1/chat/completions`, `/v1/messages`, plain and SSE), lists models, embeds, echoes
WebSocket frames at `/v1/realtime`, counts `/upload`, sends `/download?bytes=N`, and echoes any other request
as JSON. What it answers is a `Script`; the request's own `X-Script` header overrides single fields of it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import uvloop

from bylaw_loadtest.scripted.connection import Connection
from bylaw_loadtest.scripted.request import Request, RequestLog
from bylaw_loadtest.scripted.routes import pattern
from bylaw_loadtest.scripted.script import Script, overlay_json, script_header
from bylaw_loadtest.scripted.script_fields import ScriptError, ToolCall

__all__ = ["Request", "Script", "ScriptError", "ScriptedUpstream", "ToolCall", "pattern", "script_header"]


class ScriptedUpstream:
    """A running scripted server.

    Args:
        script: what it answers; may be replaced while it runs.
        host: address to listen on.
        port: 0: any free one.
        requests_max: requests kept in `requests`.
        tls: serve HTTPS with this context.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        requests_max: int = 1000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script or Script()
        self.requests = RequestLog(requests_max)
        self.connections: set[Connection] = set()
        self._host, self._port, self._tls = host, port, tls

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Its base address, without a path."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), self._host, self._port, ssl=self._tls, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and abort every connection."""
        self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        await self.until(lambda: not self.connections)

    async def until(self, condition: Callable[[], object], timeout_s: float = 5) -> None:
        """Wait until a condition on `requests` holds; raises TimeoutError.

        Example: `await up.until(lambda: up.requests[0].disconnected_s)`.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not so within {timeout_s} s")
            await asyncio.sleep(0.002)

    async def __aenter__(self) -> ScriptedUpstream:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def _serve(arguments: argparse.Namespace) -> None:
    script = overlay_json(Script(), arguments.script.encode())
    upstream = ScriptedUpstream(
        script, host=arguments.host, port=arguments.port, requests_max=arguments.requests_max
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with upstream:
        gc.collect()
        gc.freeze()
        print(json.dumps({"event": "listening", "data": upstream.url, "port": upstream.port}), flush=True)
        await stopped.wait()


def main() -> int:
    """Run as a process; the first line on stdout tells the address as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bylaw_loadtest.upstream", description="A scripted model server in both dialects."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port (default)")
    parser.add_argument("--script", default="{}", help='JSON, e.g. \'{"words": 80, "chunk_delay_ms": 10}\'')
    parser.add_argument("--requests-max", type=int, default=1000, help="requests kept for GET /_requests")
    try:
        with suppress(KeyboardInterrupt):
            uvloop.run(_serve(parser.parse_args()))
    except (ScriptError, OSError) as error:
        print(f"upstream: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
