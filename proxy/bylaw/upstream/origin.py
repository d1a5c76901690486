"""Which server a URL of the configuration means.

Law of this module: the URL is the operator's, so a mistake in it is a `ConfigError` at start; it holds no
credential, because it is shown in messages.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from bylaw.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A server and the base path under which its API lives.

    Args:
        host: name or address to connect to, without brackets.
        port: TCP port.
        secure: whether TLS is used.
        prefix: base path in front of each target, without a slash at its end.
        authority: value of the `Host` header.
    """

    host: str
    port: int
    secure: bool
    prefix: bytes
    authority: bytes


def read_url(url: str) -> Origin:
    """Take a base URL apart.

    Args:
        url: e.g. `https://api.openai.com` or `http://127.0.0.1:8000/base`.

    Raises:
        ConfigError: not http or https, no host, a bad port, or user info, query or fragment.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        name = host if ":" in host else host.encode("idna").decode("ascii")
        prefix = parts.path.rstrip("/").encode("ascii")
    except ValueError:
        raise ConfigError("an upstream's url has a host, port or path that cannot be read") from None
    if parts.scheme not in _PORTS or not host or port == 0:
        raise ConfigError(
            "an upstream's url looks like https://api.example.com or http://127.0.0.1:8000/base"
        )
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigError("an upstream's url holds no credentials, no query and no fragment")
    standard = _PORTS[parts.scheme]
    shown = f"[{name}]" if ":" in name else name
    authority = shown if port in {None, standard} else f"{shown}:{port}"
    return Origin(name, port or standard, parts.scheme == "https", prefix, authority.encode("ascii"))


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """TLS with verification of chain and name; there is no switch to turn it off.

    Args:
        ca_file: PEM file of the only authorities to trust; None: those of the system.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(
            f"ca_file {ca_file}: {error.strerror or 'not a PEM file of certificates'}"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
