"""Addresses of a configuration: where we listen, whom we trust, where a provider is.

Law of this module: one spelling, one meaning; what could be read in two ways is refused, and the error says
how to write it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import urlsplit

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
URL_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")
DEFAULT_PORTS = {"http": 80, "https": 443}

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Args:
        host: name or IP address, IPv6 without brackets.
        port: 0 lets the system choose.
    """

    EXPECTED: ClassVar[str] = "HOST:PORT such as 127.0.0.1:8080 or [::1]:8080"

    host: str
    port: int

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `HOST:PORT`.

        Raises:
            ValueError: no host, no port, a port above 65535, an IPv6 address without brackets.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
            raise ValueError(f"`{text}` is not {cls.EXPECTED}")
        if not host:
            raise ValueError(f"`{text}` names no host; for all interfaces write 0.0.0.0{text} or [::]{text}")
        return cls(_host(host, text), int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = parse_ip(self.host)
        return address.is_loopback if address else self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Network:
    """A range of IP addresses in CIDR notation; a single address is a range of one."""

    EXPECTED: ClassVar[str] = "a network such as 10.0.0.0/8 or fd00::/8"

    range: ipaddress.IPv4Network | ipaddress.IPv6Network

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a network.

        Raises:
            ValueError: not one, or host bits are set (then it is unclear what was meant).
        """
        try:
            return cls(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(f"`{text}` is not {cls.EXPECTED}: {error}") from None

    def __contains__(self, address: Ip) -> bool:
        return address in self.range

    def __str__(self) -> str:
        return str(self.range)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where a provider is; the path of a request is put behind it.

    Args:
        scheme: `http` or `https`.
        host: name or IP address, IPv6 without brackets.
        port: never 0.
        path: empty, or begins and does not end with a slash.
    """

    EXPECTED: ClassVar[str] = "a URL such as https://api.example.com"

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a URL. It may hold a password, so errors do not repeat it.

        Raises:
            ValueError: not http or https; credentials, a query or a fragment in it; not plain ASCII.
        """
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError(f"this is not {cls.EXPECTED}") from None
        if parts.scheme not in DEFAULT_PORTS or not host or not text.isascii() or not text.isprintable():
            raise ValueError(f"this is not {cls.EXPECTED}; only http and https are spoken")
        if "@" in parts.netloc:
            raise ValueError("a URL holds no user or password here; the provider's key goes under `key`")
        if "?" in text or "#" in text:
            raise ValueError("a base URL has no query and no fragment")
        path = parts.path.rstrip("/")
        if not URL_PATH.fullmatch(path) or {".", ".."} & set(path.lower().replace("%2e", ".").split("/")):
            raise ValueError(
                "the path of this URL has an empty or a dot segment, or a character that needs escaping"
            )
        if port == 0:
            raise ValueError("port 0 cannot be connected to")
        return cls(
            parts.scheme,
            _host(f"[{host}]" if ":" in host else host, host),
            port or DEFAULT_PORTS[parts.scheme],
            path,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse_ip(text: str) -> Ip | None:
    """An IP address, or None. An IPv4 address mapped into IPv6 is the IPv4 address (RFC 4291, 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _host(host: str, text: str) -> str:
    if host[0] == "[" and host[-1] == "]":
        address = parse_ip(host[1:-1])
        if address is None or ":" not in host:
            raise ValueError(f"`{text}`: between brackets stands an IPv6 address")
        return host[1:-1]
    if ":" in host:
        raise ValueError(f"`{text}`: an IPv6 address stands in brackets, e.g. [::1]:8080")
    if not HOST.fullmatch(host) or len(host) > 253:
        raise ValueError(f"`{text}` does not name a host")
    if host.replace(".", "").isdigit() and parse_ip(host) is None:
        raise ValueError(f"`{text}` does not name a host: an IPv4 address has four numbers up to 255")
    return host
