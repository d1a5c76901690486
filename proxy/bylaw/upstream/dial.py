"""From a name to a connected socket.

Law of this module: addresses of both families race (Happy Eyeballs, RFC 8305), so that a broken IPv6 path
costs a quarter of a second and not the whole time limit. Not left to the event loop, because uvloop tries
addresses one after the other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest

ATTEMPT_DELAY_S = 0.25  # RFC 8305, section 8: recommended "Connection Attempt Delay"

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]


async def dial(host: str, port: int) -> socket.socket:
    """A connected non-blocking TCP socket, Nagle's algorithm off.

    Args:
        host: name or address.
        port: TCP port.

    Raises:
        OSError: the name is unknown, or no address could be reached: the error of the last attempt.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses: list[Address] = [(family, sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[misc]
    if len(addresses) == 1:
        return await _connect(addresses[0])
    return await _race(interleave(addresses))


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Families in turn, beginning with the resolver's first choice (RFC 8305, section 4)."""
    first = [a for a in addresses if a[0] == addresses[0][0]]
    others = [a for a in addresses if a[0] != addresses[0][0]]
    return [a for a in chain.from_iterable(zip_longest(first, others)) if a is not None]


async def _race(addresses: Sequence[Address]) -> socket.socket:
    running: set[asyncio.Task[socket.socket]] = set()
    failure: OSError = OSError("no address")
    left = list(addresses)
    try:
        while left or running:
            if left:
                running.add(asyncio.create_task(_connect(left.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=ATTEMPT_DELAY_S if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner, failure = _harvest(done, failure)
            if winner is not None:
                return winner
    finally:
        for task in running:
            task.add_done_callback(_close_late)
            task.cancel()
    raise failure


def _harvest(
    done: set[asyncio.Task[socket.socket]], failure: OSError
) -> tuple[socket.socket | None, OSError]:
    """The first socket, the others closed; and the last error."""
    winner: socket.socket | None = None
    for task in done:
        error = task.exception()
        if isinstance(error, OSError):
            failure = error
        elif error is not None:
            raise error
        elif winner is None:
            winner = task.result()
        else:
            task.result().close()
    return winner, failure


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(address: Address) -> socket.socket:
    family, sockaddr = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock
