"""The head of a request as bytes (RFC 9112, sections 3 and 5).

Law of this module: names and values go out verbatim, in the given order and case, and nothing in them can
end a line. `Host`, `Content-Length` and `Transfer-Encoding` are made here and only here, because a second
copy of a framing header is how requests are smuggled (RFC 9112, section 11.2).
"""

from __future__ import annotations

from bylaw.errors import ClientError
from bylaw.stages.ports import RawHeaders

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_IN_TARGET = bytes(range(0x21)) + b"\x7f"
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})
# RFC 9110, section 8.6: these say "no content" with a length of zero, others by saying nothing.
_EXPECT_BODY = frozenset({"POST", "PUT", "PATCH"})
# Names that were found good; bounded, because callers choose names.
_KNOWN_MAX = 1024
_known: set[bytes] = set()


def encode_head(method: str, target: bytes, host: bytes, headers: RawHeaders, length: int | None) -> bytes:
    """A request head, blank line included.

    Args:
        method: HTTP method.
        target: origin-form target, base path included.
        host: value of `Host`.
        headers: end-to-end headers (and `Connection: Upgrade`, if an upgrade is asked for).
        length: length of the body in bytes; None: chunked.

    Raises:
        ClientError: 400, a method, target, name or value that cannot be sent.
        AssertionError: the caller set a header that is made here.
    """
    lines = [b"%b %b HTTP/1.1\r\nHost: %b" % (_method(method), _target(target), host)]
    for name, value in headers:
        if name not in _known:
            _learn(name)
        lines.append(name + b": " + value)
    if length is None:
        lines.append(b"Transfer-Encoding: chunked")
    elif length or method in _EXPECT_BODY:
        lines.append(b"Content-Length: %d" % length)
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    # The first line brings one line end of its own, the last one too: any more came out of a value.
    if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1 or b"\0" in head:
        raise ClientError(400, "bad_header", "a header value contains a line break or a NUL")
    return head


def _method(method: str) -> bytes:
    name = method.encode("utf-8", "replace")
    # A 2xx reply to CONNECT has no body but a tunnel: there is no such thing on this side.
    if not _is_token(name) or method == "CONNECT":
        raise ClientError(400, "bad_method", "this method cannot be passed on")
    return name


def _target(target: bytes) -> bytes:
    if not target.startswith(b"/") or len(target.translate(None, _NOT_IN_TARGET)) != len(target):
        raise ClientError(400, "bad_target", "the request target is not a path of visible characters")
    return target


def _learn(name: bytes) -> None:
    if not _is_token(name):
        raise ClientError(400, "bad_header", "a header name is not a token")
    if name.lower() in _FRAMING:
        raise AssertionError(f"{name!r} is made by the upstream client")
    if len(_known) < _KNOWN_MAX:
        _known.add(name)


def _is_token(name: bytes) -> bool:
    return name != b"" and not name.translate(None, _TOKEN)
