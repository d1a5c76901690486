"""The pooled client of one provider.

Law of this module: a request leaves at most once. A kept connection that turns out to be closed before
anything was written is replaced; after the first byte nothing is ever repeated, because the provider may
have acted, and billed, already (RFC 9110, section 9.2.2).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

from bylaw.limits import Limits
from bylaw.stages.ports import RawHeaders
from bylaw.upstream.connection import Connection
from bylaw.upstream.dial import dial
from bylaw.upstream.head import encode_head
from bylaw.upstream.origin import read_url, tls_context
from bylaw.upstream.pool import Pool
from bylaw.upstream.reply import Reply
from bylaw.upstream.tally import Tally
from bylaw.upstream.terms import Terms


class UpstreamClient:
    """Implements `bylaw.stages.ports.Upstream` over HTTP/1.1; made for one event loop.

    Args:
        url: base URL, http or https; its path is put in front of each target.
        limits: time limits and the size of the pool.
        name: how messages call the upstream; empty: its host.
        ca_file: PEM file of the authorities to trust instead of the system's.

    Raises:
        ConfigError: a URL or a file that cannot be used.
    """

    def __init__(self, url: str, limits: Limits, *, name: str = "", ca_file: str | None = None) -> None:
        self._origin = read_url(url)
        self._tls = tls_context(ca_file) if self._origin.secure else None
        self._terms = Terms(name or self._origin.host, limits)
        self._pool = Pool(limits.pool_max)

    @property
    def tally(self) -> Tally:
        """Counters for metrics."""
        return self._terms.tally

    @property
    def in_use(self) -> int:
        """Connections that carry an exchange now."""
        return self._pool.in_use

    @property
    def resting(self) -> int:
        """Connections that are kept for the next exchange."""
        return self._pool.resting

    async def open(
        self,
        method: str,
        target: str,
        headers: RawHeaders,
        body: bytes | AsyncIterator[bytes],
        length: int | None,
    ) -> Reply:
        """Send a request and wait for the head of its reply; see `bylaw.stages.ports.Upstream.open`.

        A reply with status 400 or more that comes before the body was sent ends the sending. With any
        other status the body goes on being sent while the reply is read. `Connection` and `Upgrade`
        headers are passed on, and only a request that has `Upgrade` may be answered 101.

        Raises:
            UpstreamError: 502 `upstream_unreachable`, `upstream_reset`, `upstream_malformed`; 504
                `upstream_connect_timeout`, `upstream_timeout`, `upstream_idle_timeout`.
            ClientError: 400, a method, target or header that cannot be sent.
        """
        if isinstance(body, bytes):
            assert length is None or length == len(body), "the declared length is not the body's"
            length = len(body)
        elif length == 0:
            body = b""
        path = self._origin.prefix + target.encode("utf-8", "surrogateescape")
        head = encode_head(method, path, self._origin.authority, headers, length)
        upgrade = b"\r\nupgrade:" in head.lower()
        connection = self._pool.take()
        if connection is None:
            connection = await self._connect()
        else:
            self._terms.tally.reused += 1
        try:
            reply_head = await connection.exchange(method, upgrade, head, body, length)
        except BaseException:
            connection.abort()
            raise
        return Reply(connection, reply_head)

    async def close(self) -> None:
        """Abort all connections; exchanges that still run fail with `upstream_reset`."""
        self._pool.close()
        await asyncio.sleep(0)  # lets the event loop tell the connections

    async def _connect(self) -> Connection:
        terms = self._terms
        try:
            async with asyncio.timeout(terms.connect_s):
                connection = await self._handshake()
        except TimeoutError:
            raise terms.error("upstream_connect_timeout") from None
        except ssl.SSLError as error:
            raise terms.error("upstream_unreachable", _tls_reason(error)) from None
        except OSError:
            raise terms.error("upstream_unreachable") from None
        if connection.gone:  # accepted and closed at once
            raise terms.error("upstream_reset")
        if not self._pool.add(connection):
            connection.abort()
            raise terms.given_up()
        terms.tally.opened += 1
        return connection

    async def _handshake(self) -> Connection:
        sock = await dial(self._origin.host, self._origin.port)
        # From here on the event loop owns the socket and closes it, also when this is cancelled.
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._terms, sock, self._pool.rest, self._pool.forget),
            sock=sock,
            ssl=self._tls,
            server_hostname=self._origin.host if self._tls else None,
            ssl_handshake_timeout=self._terms.connect_s if self._tls else None,
        )
        return protocol


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    return "no agreement on TLS"
