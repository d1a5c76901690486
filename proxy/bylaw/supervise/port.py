"""Keeping the port that the workers share.

Law of this module: the supervisor holds the address for as long as it lives, so that a restarted worker finds
it; it never listens on it, so that no connection is ever given to a process that does not accept.
"""

from __future__ import annotations

import socket
import time

from bylaw.errors import ConfigError

PATIENCE_S = 2.0
"""Workers of a supervisor that was killed a moment ago still hold the address for an instant."""


def reserve(host: str, port: int) -> socket.socket:
    """Bind, do not listen.

    Args:
        host: name or address, IPv4 or IPv6.
        port: 0 for any free port; `getsockname()[:2]` then tells which.

    Returns:
        A bound socket with SO_REUSEPORT; keep it open.

    Raises:
        ConfigError: no such address, no right to it, or somebody else uses it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if port:
            _refuse_company(family, address)
        return _bind(family, address, socket.SO_REUSEPORT)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _refuse_company(family: int, address: tuple[object, ...]) -> None:
    """Bind once without SO_REUSEPORT: with it, two Bylaws would share a port, and callers, without a word."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _bind(family, address, socket.SO_REUSEADDR).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _bind(family: int, address: tuple[object, ...], option: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
