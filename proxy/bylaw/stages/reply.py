"""reply: released bytes -> client.

Law of this stage: the head leaves with the first released byte, so a block before it is a plain HTTP error;
after it, the stream ends in the dialect's words. A message that is not whole is never finished cleanly.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bylaw.errors import BylawError, ClientError, Overloaded, UpstreamError
from bylaw.stages.head import own_headers
from bylaw.stages.headers import Head
from bylaw.stages.problem import block_reply, bug_reply, error_reply
from bylaw.stages.record import settle
from bylaw.stages.transit import STAGES, Transit

RELAY_LAP = STAGES.index("relay")


async def reply(t: Transit, released: AsyncGenerator[bytes]) -> None:
    """Send what `relay` releases, and the end."""
    async with aclosing(released):
        async for data in released:
            if not t.outbound.started:
                start(t)
            if data:
                await t.outbound.write(data)
    if not t.outbound.started:
        start(t)
    await t.outbound.end()


def start(t: Transit) -> None:
    """Queue the head."""
    assert t.head is not None
    head = t.head
    t.lap(RELAY_LAP)
    t.outbound.start(
        head.status, head.reason, head.headers + own_headers(t), head.length, t.inbound.method == "HEAD"
    )


async def send(t: Transit, head: Head, body: bytes) -> None:
    """A reply of Bylaw's own."""
    t.head = head
    start(t)
    if t.inbound.method != "HEAD":
        await t.outbound.write(body)
    await t.outbound.end()


async def blocked(t: Transit) -> None:
    """The request was blocked: say so in the dialect, once that is on record."""
    t.head, body = block_reply(t)
    await settle(t)
    await send(t, t.head, body)


async def refuse(t: Transit, error: BylawError) -> None:
    """The exchange failed: a plain error before the head, once that is on record; an abort after it."""
    assert isinstance(error, ClientError | UpstreamError | Overloaded)
    t.error = t.error or error.code
    if t.outbound.started:
        await fault(t, error)
        return
    t.head, body = error_reply(t, error)
    if t.plan is not None and not isinstance(error, Overloaded):
        try:
            await settle(t)
        except Overloaded as full:
            t.head, body = error_reply(t, full)
    await send(t, t.head, body)


async def fault(t: Transit, error: ClientError | UpstreamError | Overloaded) -> None:
    """A stream that has started ends with the dialect's error event, and without a clean end of the message."""
    try:
        if t.end_fault is not None:
            await t.outbound.write(t.end_fault(error.code, error.message))
    finally:
        t.outbound.abort()


async def bug(t: Transit) -> None:
    """A mistake of ours."""
    t.error = "bug"
    if t.outbound.started:
        t.outbound.abort()
        return
    await send(t, *bug_reply(t))
