"""Who may use the control plane.

Law of this module: without a token nothing is told but whether the house lives and is ready, unless the
operator opened it on loopback. A browser on that machine reaches loopback too, with any page's script: an
open control plane therefore answers only those who call it by a loopback name (a page that had its own name
resolve to 127.0.0.1 calls it by that name), and no request that a browser says another site made.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from bylaw.errors import ClientError, ConfigError

TOKEN_CHARS_MIN = 16


@dataclass(frozen=True, slots=True)
class Admission:
    """The rule of one control plane.

    Args:
        host: where it listens: a name or an address.
        token: what callers must show as `Authorization: Bearer TOKEN`; None: nobody is let in.
        open: let everybody in; on loopback only.
        names: further values of the Host header to accept when open.

    Raises:
        ConfigError: open to more than this machine, or a token that can be guessed.
    """

    host: str
    token: str | None = field(default=None, repr=False)
    open: bool = False
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.open and not is_loopback(self.host):
            raise ConfigError(
                f"admin.open needs a loopback address, admin.listen is {self.host}: set admin.token"
            )
        if self.token is not None and (len(self.token) < TOKEN_CHARS_MIN or not self.token.isascii()):
            raise ConfigError(f"admin.token needs {TOKEN_CHARS_MIN} or more ASCII characters")

    def admit(self, headers: Mapping[str, str]) -> None:
        """Let a request to something that is not public in, or raise `ClientError` 401, 403 or 421.

        Args:
            headers: of the request; a mapping that ignores case.
        """
        if self.open:
            self.check_name(headers)
        elif self.token is None:
            raise ClientError(
                403, "admin_closed", "set admin.token, or admin.open: true on a loopback address"
            )
        elif not self._knows(headers.get("Authorization", "")):
            raise ClientError(401, "token_required", "send the admin token as `Authorization: Bearer TOKEN`")

    def check_name(self, headers: Mapping[str, str]) -> None:
        """Refuse what a page of another site may have sent to an open control plane."""
        name = name_of(headers.get("Host", ""))
        if not self.open:
            return
        if not (is_loopback(name) or name in self.names):
            raise ClientError(421, "wrong_host", "call the control plane by its loopback address")
        if headers.get("Sec-Fetch-Site", "none") in {"cross-site", "same-site"}:
            raise ClientError(403, "cross_site", "another site may not use the control plane")

    def _knows(self, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        known = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), (self.token or "").encode())
        return known and scheme.lower() == "bearer"


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def name_of(host: str) -> str:
    """The Host header (RFC 9110, section 7.2) without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
