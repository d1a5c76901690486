"""A whole reply: read, inspected, amended, released.

Law of this module: nothing leaves before the last guard has spoken and the outcome is durable. A reply that a
guard must read and cannot is an upstream error, not a pass.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bylaw.content import Path, Reply, Segment, ToolCall
from bylaw.errors import UpstreamError
from bylaw.plan.edits import Ranked, Vault, apply_edits
from bylaw.plan.run import run_stage
from bylaw.stages.head import passed_head
from bylaw.stages.headers import find
from bylaw.stages.inspect import block_unread
from bylaw.stages.problem import block_reply
from bylaw.stages.record import settle
from bylaw.stages.transit import Transit
from bylaw.verdict import Action
from bylaw.wire.coding import decoder
from bylaw.wire.errors import WireError
from bylaw.wire.restore import Restorer
from bylaw.wire.splice import splice
from bylaw.wire.strict_json import parse

# Replies hold no reversible edits: what leaves towards the client needs no placeholder.
NO_VAULT = Vault()


async def inspected(t: Transit) -> AsyncGenerator[bytes]:
    """The body of a whole reply after inspection."""
    raw = await collect(t)
    text = undone(t, raw)
    reply = understood(t, text)
    changes = await judged(t, reply) if passable(t, reply) else {}
    if t.blocker is not None:
        t.head, body = block_reply(t)
    elif changes:
        t.modified = True
        body = rewritten(t, reply, text, changes)
        t.head = passed_head(t, rewritten=True, length=len(body))
    else:
        body = raw
        t.head = passed_head(t, length=len(raw))
    t.released = len(body)
    await settle(t)
    yield body


async def collect(t: Transit) -> bytes:
    """The body as it came, bounded."""
    assert t.upstream is not None
    limit = t.services.limits.reply_bytes_max
    pieces: list[bytes] = []
    size = 0
    async with aclosing(t.upstream.chunks()) as arriving:
        async for piece in arriving:
            size += len(piece)
            if size > limit:
                raise UpstreamError(502, "reply_too_large", f"the reply is larger than {limit} bytes")
            pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def undone(t: Transit, raw: bytes) -> bytes:
    """The body with its content coding undone."""
    assert t.upstream is not None
    coding = find(t.upstream.headers, b"content-encoding")
    if not coding or coding.strip().lower() == b"identity":
        return raw
    limits = t.services.limits
    try:
        undo = decoder(coding.decode("latin-1"), limits.reply_bytes_max, limits.body_ratio_max)
        return undo.feed(raw) + undo.finish()
    except WireError as error:
        raise UpstreamError(502, "upstream_malformed", f"the reply's coding: {error.message}") from None


def understood(t: Transit, text: bytes) -> Reply:
    """The reply as segments. An error page that is no JSON is one text."""
    assert t.upstream is not None and t.codec is not None
    try:
        return t.codec.reply(parse(text, t.services.limits.json_depth_max), t.upstream.status)
    except WireError as error:
        if t.upstream.status < 400:
            raise UpstreamError(
                502, "upstream_malformed", f"the reply cannot be read: {error.code}"
            ) from None
    try:
        return Reply((Segment(text.decode(), "other", "other", (), trusted=False),), status=t.upstream.status)
    except UnicodeDecodeError:
        raise UpstreamError(502, "upstream_malformed", "the reply cannot be read") from None


def passable(t: Transit, reply: Reply) -> bool:
    """Record what nobody can read; false if the policy blocks it."""
    assert t.plan is not None
    t.unread.extend(reply.unread)
    if t.plan.unread_blocks and reply.unread:
        block_unread(t, "reply", reply.unread)
    return t.blocker is None


async def judged(t: Transit, reply: Reply) -> dict[Path, str]:
    """The new texts by path after inspection, restoring and amending; sets `t.blocker` on a block."""
    assert t.plan is not None and t.codec is not None
    # Read before any guard has had the body in its hands: one that changes it must not hide a call from the next.
    found = list(t.codec.calls(dict(reply.body))) if t.plan.tool_call.steps else []
    outcome = await run_stage(t.plan.reply, t.exchange, reply, t.services.watch)
    t.note("reply", outcome)
    if outcome.action is Action.BLOCK:
        return {}
    calls = await judged_calls(t, reply, found)
    edits = outcome.edits + calls + restored(t, reply)
    if t.blocker is not None:
        return {}
    changes = apply_edits(reply.segments, edits, NO_VAULT) if edits else {}
    return await amended(t, reply, changes) if t.plan.amend_reply.steps else changes


async def judged_calls(t: Transit, reply: Reply, found: list[tuple[ToolCall, Path]]) -> list[Ranked]:
    """Edits of the tool-call guards, as edits of the reply's segments."""
    assert t.plan is not None
    edits: list[Ranked] = []
    index = {segment.path: i for i, segment in enumerate(reply.segments)} if found else {}
    for call, path in found:
        outcome = await run_stage(t.plan.tool_call, t.exchange, call, t.services.watch)
        t.note("tool_call", outcome)
        for rank, edit in outcome.edits:
            at = index[path + call.segments[edit.segment].path]
            edits.append((rank, replace(edit, segment=at)))
    return edits


def restored(t: Transit, reply: Reply) -> list[Ranked]:
    """Put the originals back where the provider's reply holds placeholders of this exchange."""
    if not t.restores:
        return []
    assert t.vault is not None and t.plan is not None
    restorer, rank = Restorer(t.vault.originals), len(t.plan.reply.steps)
    return [
        (rank, replace(edit, segment=i))
        for i, segment in enumerate(reply.segments)
        for edit in restorer.edits(segment.text, True)[0]
    ]


async def amended(t: Transit, reply: Reply, changes: dict[Path, str]) -> dict[Path, str]:
    """What marking and disclosure add, on top of what inspection left."""
    assert t.plan is not None
    left = replace(
        reply, segments=tuple(replace(s, text=changes.get(s.path, s.text)) for s in reply.segments)
    )
    outcome = await run_stage(t.plan.amend_reply, t.exchange, left, t.services.watch)
    t.note("amend", outcome)
    return changes | apply_edits(left.segments, outcome.edits, NO_VAULT)


def rewritten(t: Transit, reply: Reply, text: bytes, changes: dict[Path, str]) -> bytes:
    """The body with the changed strings in place, and what repeats them (log probabilities) emptied.

    An error page that is no JSON is one string without a path.
    """
    if () in changes:
        return changes[()].encode()
    assert t.codec is not None
    body = dict(reply.body)
    repeats = {place: None for path in changes for place in t.codec.repeats(body, path)}
    return splice(text, {**changes, **repeats})
