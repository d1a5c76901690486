"""Where a reply ends (RFC 9112, section 6.3), from its head alone.

Law of this module: a length is believed only if nothing else in the head contradicts it. What a lenient
parser might read differently is refused, also where the RFC lets a client repair it, for this proxy sits
between two parsers and neither must see another message than it did.
"""

from __future__ import annotations

from dataclasses import dataclass

from bylaw.stages.ports import RawHeaders

HEADERS_MAX = 256
# A server closes at its timeout by its own clock: be earlier.
_KEEP_MARGIN_S = 0.5
_CONTROLS = frozenset(map(chr, range(0x20))) - {"\t"} | {"\x7f"}


class MalformedReply(ValueError):
    """The reply breaks framing; the text is safe to show and holds nothing of the reply."""


@dataclass(slots=True)
class ReplyHead:
    """The head of a final reply.

    Args:
        status: 101 or 200 to 999.
        reason: reason phrase, possibly empty.
        headers: raw, in order and case.
        length: declared length of the body, None if it is not known in advance. For HEAD and 304 it is the
            length of the body that is not there.
        chunked: the body comes in chunks.
        keep_s: how long the connection may wait for the next request; 0: it may not.
    """

    status: int
    reason: str
    headers: RawHeaders
    length: int | None = None
    chunked: bool = False
    keep_s: float = float("inf")


def read_head(status: int, reason: bytes, headers: RawHeaders, http11: bool) -> ReplyHead:
    """Judge the framing that a parsed head declares.

    Args:
        status: status code.
        reason: reason phrase as received.
        headers: raw headers.
        http11: False for HTTP/1.0, which keeps no connection and knows no transfer coding.

    Raises:
        MalformedReply: too many headers, or framing that is ambiguous.
    """
    if len(headers) > HEADERS_MAX:
        raise MalformedReply("too many headers")
    if not 101 <= status <= 999:
        raise MalformedReply("status code out of range")
    head = ReplyHead(status, _reason(reason), headers)
    if not http11:
        head.keep_s = 0.0
    for name, value in headers:
        # Only four names matter here, and their lengths tell most others apart for free.
        size = len(name)
        if size in (10, 14, 17):
            _read_field(head, name.lower(), value)
    if head.chunked and (head.length is not None or not http11):
        raise MalformedReply("transfer coding with a length, or in HTTP/1.0")
    if status == 204:
        head.length = 0
    return head


def _read_field(head: ReplyHead, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        _read_length(head, value.strip(b" \t"))
    elif name == b"transfer-encoding":
        if head.chunked or value.strip(b" \t").lower() != b"chunked":
            raise MalformedReply("a transfer coding other than chunked")
        head.chunked = True
    elif name == b"connection":
        if b"close" in [token.strip(b" \t") for token in value.lower().split(b",")]:
            head.keep_s = 0.0
    elif name == b"keep-alive":
        head.keep_s = min(head.keep_s, _keep_seconds(value))


def _read_length(head: ReplyHead, value: bytes) -> None:
    if head.length is not None or not value.isdigit() or len(value) > 19:
        raise MalformedReply("a length that is repeated or no number")
    head.length = int(value)


def _keep_seconds(value: bytes) -> float:
    for field in value.lower().split(b","):
        key, _, number = field.strip(b" \t").partition(b"=")
        if key == b"timeout" and number.isdigit() and len(number) < 10:
            return max(0.0, int(number) - _KEEP_MARGIN_S)
    return float("inf")


def _reason(reason: bytes) -> str:
    text = reason.decode("latin-1")
    if not text.isprintable() and any(c in _CONTROLS for c in text):
        raise MalformedReply("control characters in the reason phrase")
    return text
