"""relay: upstream bytes -> released bytes.

Law of this stage: bytes that no rule touches leave as they came; of a reply that is inspected, nothing leaves
before every enforcing guard has cleared it; the outcome is durable before the last byte is yielded.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bylaw.stages.head import passed_head
from bylaw.stages.headers import find
from bylaw.stages.record import settle
from bylaw.stages.stream import streaming
from bylaw.stages.transit import Transit
from bylaw.stages.whole import inspected

BODILESS = frozenset({204, 304})
# A line that begins the last event of a stream. JSON escapes line ends, so no text of a model can forge one.
TERMINAL = re.compile(
    rb"[\r\n](?:data: ?\[DONE\]|event: ?(?:message_stop|response\.(?:completed|incomplete|failed)))"
)
OVERLAP = 40


def relay(t: Transit) -> AsyncGenerator[bytes]:
    """The bytes of the reply's body that may leave; sets `t.head` before the first one."""
    assert t.upstream is not None and t.plan is not None
    if t.inbound.method == "HEAD" or t.upstream.status in BODILESS:
        return bodiless(t)
    if t.codec is None or not (t.plan.reads_reply or t.restores):
        return passing(t)
    kind = find(t.upstream.headers, b"content-type") or b""
    if kind.strip().lower().startswith(b"text/event-stream"):
        return streaming(t)
    return inspected(t)


async def bodiless(t: Transit) -> AsyncGenerator[bytes]:
    """A reply without a body: HEAD, 204, 304."""
    t.head = passed_head(t)
    await settle(t)
    yield b""


async def passing(t: Transit) -> AsyncGenerator[bytes]:
    """Bytes as they come. The piece that ends the reply waits for the outcome to be durable."""
    assert t.upstream is not None
    t.head = passed_head(t)
    kind = find(t.upstream.headers, b"content-type") or b""
    is_last = _terminal(kind, t.upstream.length)
    async with aclosing(t.upstream.chunks()) as pieces:
        async for piece in pieces:
            t.released += len(piece)
            if is_last(piece):
                await settle(t)
            yield piece
    await settle(t)


class _Countdown:
    """Tells the piece that completes a body of known length."""

    def __init__(self, length: int) -> None:
        self.left = length

    def __call__(self, piece: bytes) -> bool:
        self.left -= len(piece)
        return self.left <= 0


class _Marker:
    """Tells a piece that holds the last event of a well-known stream, also when its line is cut in two."""

    def __init__(self) -> None:
        self.tail = b"\n"

    def __call__(self, piece: bytes) -> bool:
        seen = self.tail + piece
        self.tail = seen[-OVERLAP:]
        return TERMINAL.search(seen) is not None


def _never(_piece: bytes) -> bool:
    return False


def _terminal(kind: bytes, length: int | None) -> Callable[[bytes], bool]:
    if length is not None:
        return _Countdown(length)
    return _Marker() if kind.strip().lower().startswith(b"text/event-stream") else _never
