"""Refuses requests that two HTTP implementations could frame differently (RFC 9112 section 11.2, CWE-444).

Law of this module: it accepts less than the parser in front of it, never more. What passes here has exactly one
reading of where it ends and whom it is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bylaw.errors import ClientError

SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", b"content-encoding"})
HOST = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=:\[\]]*")
TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")
ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
LENGTH = re.compile(rb"[0-9]{1,18}")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def bad(code: str, message: str) -> ClientError:
    """400: the message is malformed or ambiguous."""
    return ClientError(400, code, message)


def index_fields(raw: Sequence[tuple[bytes, bytes]], fields_max: int) -> dict[bytes, bytes]:
    """Header fields by lower-case name; of repeated fields the first.

    Raises:
        ClientError: too many fields (431), a field repeated that must be single, a control character.
    """
    if len(raw) > fields_max:
        raise ClientError(431, "too_many_headers", f"more than {fields_max} header fields")
    fields: dict[bytes, bytes] = {}
    for key, value in raw:
        name = key.lower()
        if name not in fields:
            fields[name] = value
        elif name in SINGLE:
            raise bad("ambiguous_framing", f"the header field {name.decode('latin-1')} is repeated")
        if CONTROL.search(value):
            raise bad("bad_header", "a header field holds a control character")
    return fields


def check_framing(fields: dict[bytes, bytes], minor: int) -> None:
    """Exactly one way to tell where the body ends (RFC 9112 6.1 to 6.3).

    Args:
        fields: header fields by lower-case name.
        minor: minor version of HTTP/1.

    Raises:
        ClientError: both framings, a coding besides chunked, chunked in HTTP/1.0, an odd length.
    """
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise bad("ambiguous_framing", "both Content-Length and Transfer-Encoding")
        if minor == 0:
            raise bad("ambiguous_framing", "Transfer-Encoding in an HTTP/1.0 request")
        if coding.lower() != b"chunked":
            raise bad("unknown_transfer_coding", "the only transfer coding accepted is a single chunked")
    elif length is not None and LENGTH.fullmatch(length) is None:
        raise bad("ambiguous_framing", "Content-Length is not a plain number")


def check_host(fields: dict[bytes, bytes], minor: int) -> None:
    """One well-formed Host in HTTP/1.1 (RFC 9112 3.2)."""
    host = fields.get(b"host")
    if host is None:
        if minor >= 1:
            raise bad("no_host", "the Host header field is missing")
    elif HOST.fullmatch(host) is None:
        raise bad("bad_host", "the Host header field is malformed")


def origin_form(method: str, target: str) -> str:
    """The request target as path and query.

    Raises:
        ClientError: CONNECT, a fragment, white space or non-ASCII characters, an unknown form.
    """
    if method == "CONNECT":
        raise ClientError(405, "method_not_allowed", "this proxy is no tunnel")
    if target == "*" and method == "OPTIONS":
        return target
    absolute = ABSOLUTE.match(target)
    if absolute is not None:
        target = target[absolute.end() :] or "/"
        target = target if target.startswith("/") else "/" + target
    if TARGET.fullmatch(target) is None:
        raise bad("bad_target", "the request target is malformed")
    return target
