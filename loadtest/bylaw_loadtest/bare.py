"""The baseline of every ratio: the least that a proxy of aiohttp can do; `python -m bylaw_loadtest.bare`.

`web.Server` and one tuned `ClientSession`, bodies streamed both ways, nothing decoded, nothing looked at. Its
cost is what Bylaw's is divided by, so it must stay as it is: a slower baseline would flatter every ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import sys

import aiohttp
import uvloop
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host")
)
_GC_THRESHOLD = 50_000


class BarePassThrough:
    """A running pass-through.

    Args:
        upstream: base address, without a path.
        port: 0: any free one.
    """

    def __init__(self, upstream: str, port: int = 0) -> None:
        self._upstream, self._port = upstream.rstrip("/"), port

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> BarePassThrough:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        server = web.Server(self._pass, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pass(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._relayed(request)
        except aiohttp.ClientConnectionError as error:
            return web.Response(status=502, text=str(error))

    async def _relayed(self, request: web.BaseRequest) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            URL(self._upstream + request.raw_path, encoded=True),
            headers=[
                (name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP
            ],
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as reply:
            response = web.StreamResponse(status=reply.status, reason=reply.reason)
            for name, value in reply.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for piece in reply.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


async def _serve(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with BarePassThrough(arguments.upstream, arguments.port) as proxy:
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        print(json.dumps({"event": "listening", "data": proxy.url}), flush=True)
        await stopped.wait()


def main() -> int:
    """Run as a process; the first line on stdout tells the address as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bylaw_loadtest.bare", description="An aiohttp pass-through that looks at nothing."
    )
    parser.add_argument("--upstream", required=True, help="e.g. http://127.0.0.1:4040")
    parser.add_argument("--port", type=int, default=0, help="0: any free port (default)")
    uvloop.run(_serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
