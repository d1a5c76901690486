"""Header fields on both sides: which never cross, and the head of a reply as a value.

Law of this module: it knows fields, no exchange.
"""

from __future__ import annotations

from dataclasses import dataclass

from bylaw.stages.ports import RawHeaders

# RFC 9110 7.6.1, plus what each connection makes for itself.
HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect", b"http2-settings",
    }
)  # fmt: skip
# Statements about the exact bytes of a body; false as soon as a guard has changed it.
ABOUT_THE_BYTES = frozenset(
    {
        b"content-encoding",
        b"content-md5",
        b"digest",
        b"content-digest",
        b"repr-digest",
        b"etag",
        b"x-amz-content-sha256",
    }
)


@dataclass(slots=True)
class Head:
    """Status line and fields of a reply.

    Args:
        length: of the body; None if unknown (chunked).
    """

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    length: int | None


def find(headers: RawHeaders, name: bytes) -> bytes | None:
    """The value of the first field of this name (lower case)."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def connection_named(headers: RawHeaders) -> frozenset[bytes]:
    """Fields that the Connection header names as hop-by-hop."""
    named: set[bytes] = set()
    for key, value in headers:
        if key.lower() == b"connection":
            named.update(token.strip().lower() for token in value.split(b","))
    return frozenset(named)
