"""A reply as bytes: events, coding, framing and faults put together before the first byte leaves.

Invariant: nothing after this module decides anything; the player only writes pieces and waits between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http.client import responses
from typing import Literal

from bylaw_loadtest.scripted.coding import coded
from bylaw_loadtest.scripted.script import Script

Ending = Literal["keep", "fin", "rst"]
Head = tuple[tuple[str, str], ...]

JSON: Head = (("Content-Type", "application/json"),)
EVENTS: Head = (("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"))
_LENGTH_SURPLUS = 16


@dataclass(frozen=True, slots=True)
class Reply:
    """What the player writes.

    Args:
        head: status line and headers; empty when the fault comes before them.
        pieces: framed body, each written alone if there is a delay.
        ending: of the connection, once all is written.
        head_delay_s: silence before the head.
        piece_delay_s: silence between pieces.
        whole: everything in one, if nothing has to wait.
    """

    head: bytes
    pieces: Iterable[bytes]
    ending: Ending = "keep"
    head_delay_s: float = 0
    piece_delay_s: float = 0
    whole: bytes | None = None


def build(script: Script, events: list[bytes], headers: Head, *, http10: bool = False) -> Reply:
    """Turn events (one for a plain body) into a reply with the script's coding, framing, pace and faults.

    Args:
        script: coding, framing, pace and faults to apply.
        events: SSE events, or a single whole body.
        headers: those of the kind of reply, before the script's own.
        http10: the request was HTTP/1.0, which knows no chunks.
    """
    bodies = _pieces(script, events)
    count = _cut_at(script)
    framing = _framing(script, headers, http10)
    head = _head(script, headers, framing, sum(map(len, bodies)))
    pieces = _framed(script, bodies if count is None else bodies[:count], framing)
    if (count is not None and count < 0) or script.malformed == "garbage_head":
        head, pieces = (b"" if count is not None else b"\x00\xffNO/HTTP here\r\n\r\n"), []
    ending = _ending(script, framing)
    paced = script.first_delay_ms or script.chunk_delay_ms or ending == "rst"
    return Reply(
        head,
        tuple(pieces),
        ending,
        script.first_delay_ms / 1000,
        script.chunk_delay_ms / 1000,
        None if paced else head + b"".join(pieces),
    )


def simple(script: Script, body: bytes, *, http10: bool = False) -> Reply:
    """A JSON reply that is no chat, with the script's coding, framing, pace and faults."""
    return build(script, [body], JSON, http10=http10)


def status_line_and(headers: Iterable[tuple[str, str]], status: int) -> bytes:
    """A response head."""
    lines = [
        f"HTTP/1.1 {status} {responses.get(status, 'Scripted')}",
        *(f"{name}: {value}" for name, value in headers),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _pieces(script: Script, events: list[bytes]) -> list[bytes]:
    if script.malformed == "sse_json":
        events = _broken_json(events)
    if script.line_ending == "crlf":
        events = [event.replace(b"\n", b"\r\n") for event in events]
    pieces = coded(events, script.encoding)
    if not script.slow_body:
        return pieces
    body, size = b"".join(pieces), script.slow_body
    return [body[at : at + size] for at in range(0, len(body), size)]


def _broken_json(events: list[bytes]) -> list[bytes]:
    at = len(events) // 2
    kept = events[at].rstrip(b"\n")
    end = events[at][len(kept) :]
    return [*events[:at], kept[: len(kept) * 2 // 3] + end, *events[at + 1 :]]


def _cut_at(script: Script) -> int | None:
    cuts = (script.end_after_events, script.close_after_events, script.reset_after_events)
    given = [cut for cut in cuts if cut is not None]
    return min(given) if given else None


def _framing(script: Script, headers: Head, http10: bool) -> str:
    if script.malformed == "content_length":
        return "length"
    if script.malformed == "http_framing":
        return "chunked"
    framing = script.framing
    if framing == "auto":
        framing = "chunked" if headers is EVENTS else "length"
    return "close" if http10 and framing == "chunked" else framing


def _head(script: Script, headers: Head, framing: str, length: int) -> bytes:
    pairs = [*headers, *script.headers]
    if script.encoding != "none":
        pairs.append(("Content-Encoding", script.encoding))
    if framing == "chunked":
        pairs.append(("Transfer-Encoding", "chunked"))
    elif framing == "length":
        surplus = _LENGTH_SURPLUS if script.malformed == "content_length" else 0
        pairs.append(("Content-Length", str(length + surplus)))
    else:
        pairs.append(("Connection", "close"))
    return status_line_and(pairs, script.status)


def _framed(script: Script, bodies: list[bytes], framing: str) -> list[bytes]:
    if framing != "chunked":
        return bodies
    chunks = [b"%x\r\n%b\r\n" % (len(body), body) for body in bodies if body]
    if script.malformed == "http_framing":
        return [*chunks[:1], b"zz\r\nno chunk size\r\n"]
    broken_off = script.close_after_events is not None or script.reset_after_events is not None
    return chunks if broken_off else [*chunks, b"0\r\n\r\n"]


def _ending(script: Script, framing: str) -> Ending:
    if script.reset_after_events is not None:
        return "rst"
    broken = script.malformed not in ("none", "sse_json") or script.close_after_events is not None
    return "fin" if broken or framing == "close" else "keep"
