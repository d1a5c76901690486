"""A streamed reply: guards clear its channels, the gate releases its events.

Law of this module: nothing leaves before every guard has cleared it; a block lets out exactly what precedes the
text that blocks, however the network cut the stream; the outcome is durable before the terminal event leaves.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from bylaw.content import ToolCall, Window
from bylaw.errors import UpstreamError
from bylaw.plan.edits import Ranked, merge_edits
from bylaw.plan.plan import StagePlan, Step
from bylaw.plan.run import Outcome, StepResult, failed, merge, run_stage, run_step
from bylaw.stages.head import passed_head
from bylaw.stages.headers import find
from bylaw.stages.inspect import block_unread
from bylaw.stages.problem import block_reply
from bylaw.stages.record import settle
from bylaw.stages.transit import Transit
from bylaw.verdict import Action, Edit
from bylaw.wire.coding import Decoder, decoder
from bylaw.wire.errors import WireError
from bylaw.wire.restore import Restorer
from bylaw.wire.stream import StreamGate

SIGNED = "signed_thinking_edit"
# Line ends of an event stream (WHATWG HTML, 9.2.5). Those that a piece begins with may end the event before it.
LINE_ENDS = re.compile(rb"[\r\n]+")
BLANK_LINE = re.compile(rb"(?:\r\n|\r|\n){2}")


@dataclass(slots=True)
class Stream:
    """The gate of one stream with everything that clears it.

    Args:
        blocks: blocks of this round with the position in their channel.
    """

    t: Transit
    gate: StreamGate
    restorer: Restorer | None
    undo: Decoder | None
    blocks: list[tuple[int, StepResult]] = field(default_factory=list)


def open_stream(t: Transit) -> Stream:
    """A gate for this exchange: one rank a window step, and one for the restorer.

    Raises:
        UpstreamError: a content coding that cannot be undone.
    """
    assert t.plan is not None and t.codec is not None and t.upstream is not None
    limits, plan = t.services.limits, t.plan
    restorer = Restorer(t.vault.originals) if t.vault is not None and t.restores else None
    backs = [step.look_behind for step in plan.window.steps] + ([0] if restorer else [])
    tools = t.codec.tools(dict(t.prompt.body)) if t.prompt is not None and plan.tool_call.steps else {}
    gate = StreamGate(
        t.codec.stream(),
        backs,
        limits.reply_bytes_max,
        limits.event_bytes_max,
        hold_calls=bool(plan.tool_call.steps or restorer),
        amending=bool(plan.amend_window.steps),
        schemas=tools,
    )
    t.end_fault = gate.end_fault
    return Stream(t, gate, restorer, coding(t))


def coding(t: Transit) -> Decoder | None:
    """A decoder for the stream's content coding, or None."""
    assert t.upstream is not None
    named = find(t.upstream.headers, b"content-encoding")
    if not named or named.strip().lower() == b"identity":
        return None
    limits = t.services.limits
    try:
        return decoder(named.decode("latin-1"), limits.reply_bytes_max, limits.body_ratio_max)
    except WireError as error:
        raise UpstreamError(502, "upstream_malformed", f"the reply's coding: {error.message}") from None


async def streaming(t: Transit) -> AsyncGenerator[bytes]:
    """What may leave of a stream, piece by piece."""
    assert t.upstream is not None
    s = open_stream(t)
    t.head = passed_head(t, rewritten=s.undo is not None, length=None)
    fault: UpstreamError | None = None
    out = b""
    async with aclosing(t.upstream.chunks()) as pieces, aclosing(fed(s, pieces)) as steps:
        async for error, more in steps:
            fault = error
            out += await advance(s)
            if t.blocker is not None:
                yield await ended(s, out)
                return
            t.released = sum(s.gate.released.values())
            if s.gate.finished:
                await settle(t)
            if out and not more:
                yield out
                out = b""
    if fault is not None or s.gate.truncated:
        raise fault or UpstreamError(502, "upstream_reset", "the stream ended before its terminal event")
    await settle(t)


async def fed(s: Stream, pieces: AsyncIterator[bytes]) -> AsyncGenerator[tuple[UpstreamError | None, bool]]:
    """Feed the gate event by event; yields the fault that ended the stream, and whether more is here already."""
    try:
        async for piece in pieces:
            for event, more in events(s.undo.feed(piece) if s.undo else piece):
                s.gate.feed(event)
                yield None, more
        for event, _ in events(s.undo.finish() if s.undo else b""):
            s.gate.feed(event)
            yield None, True
        s.gate.eof()
        yield None, False
    except WireError as error:
        yield UpstreamError(502, "upstream_malformed", f"the stream cannot be read: {error.code}"), False
    except UpstreamError as error:
        with suppress(WireError):
            s.gate.eof()
        yield error, False


def events(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """The bytes in parts that end one event at most, and whether more follow.

    Guards look at one event at a time. Were they shown all that came in one piece, they could clear, or block
    for, what another cut would have brought only after the first block had ended the stream.
    """
    at = 0
    while at < len(data):
        blank = LINE_ENDS.match(data) if at == 0 else None
        blank = blank or BLANK_LINE.search(data, at)
        end = blank.end() if blank else len(data)
        yield data[at:end], end < len(data)
        at = end


async def advance(s: Stream) -> bytes:
    """Let every guard look at what is new; then what may leave."""
    assert s.t.plan is not None
    s.blocks.clear()
    for rank, step in enumerate(s.t.plan.window.steps):
        for window in s.gate.windows(rank):
            await look(s, rank, step, window)
    for window in s.gate.windows(len(s.t.plan.window.steps)) if s.restorer else ():
        put_back(s, window)
    for call in s.gate.calls():
        await judge_call(s, call)
    if s.gate.unread and note_unread(s):
        return b""
    if s.blocks and s.t.blocker is None:
        s.t.blocker = min(s.blocks, key=lambda block: block[0])[1]
    return await amended(s)


async def look(s: Stream, rank: int, step: Step, window: Window) -> None:
    """One guard looks at one window."""
    t = s.t
    budget = t.services.limits.reply_budget_ms
    if step.awaits:
        outcome = await run_stage(StagePlan.of((step,), budget), t.exchange, window, t.services.watch)
    else:
        outcome = merge([run_step(step, t.exchange, window, t.services.watch, budget)])
    blocker, outcome.blocker = outcome.blocker, None
    t.note("reply", outcome)
    if blocker is not None:
        block_at(s, rank, window, blocker)
        return
    verdict = outcome.results[0].verdict
    clear(s, rank, window, verdict.hold, [edit for _, edit in outcome.edits])


def clear(s: Stream, rank: int, window: Window, hold: int | None, edits: list[Edit]) -> None:
    """Hand a guard's answer to the gate; an edit inside signed thinking can only become a block."""
    s.t.modified = s.t.modified or bool(edits)
    try:
        s.gate.clear(rank, window, hold, edits)
    except WireError as error:
        if error.code != SIGNED:
            raise
        assert s.t.plan is not None
        result = failed(s.t.plan.window.steps[rank], SIGNED)
        s.t.note("reply", Outcome(Action.BLOCK, results=[result]))
        block_at(s, rank, window, result)


def block_at(s: Stream, rank: int, window: Window, result: StepResult) -> None:
    """Everything before the first finding or edit may leave; of a block without a span nothing more."""
    verdict = result.verdict
    spans = [finding.start for finding in verdict.findings if finding.end > finding.start]
    spans = [*spans, *(edit.start for edit in verdict.edits)] if spans else []
    at = max(min(spans, default=window.fresh), window.fresh)
    s.gate.cut(rank, window, at)
    s.blocks.append((window.start + at, result))


def put_back(s: Stream, window: Window) -> None:
    """Originals in place of placeholders."""
    assert s.restorer is not None and s.t.plan is not None
    edits, hold = s.restorer.edits(window.text, window.final)
    if not s.gate.editable(window):  # signed thinking keeps its placeholders
        edits = ()
    s.gate.clear(len(s.t.plan.window.steps), window, hold, edits)


async def judge_call(s: Stream, call: ToolCall) -> None:
    """Inspect a whole tool call and put originals back into its arguments."""
    t = s.t
    assert t.plan is not None
    outcome = await run_stage(t.plan.tool_call, t.exchange, call, t.services.watch)
    t.note("tool_call", outcome)
    if outcome.blocker is not None:
        return
    t.modified = t.modified or bool(outcome.edits)
    s.gate.clear_call(call.key, merge_edits(outcome.edits + restored_call(s, call)))


def restored_call(s: Stream, call: ToolCall) -> list[Ranked]:
    """Edits that put originals into the arguments, behind those of all guards."""
    if s.restorer is None:
        return []
    assert s.t.plan is not None
    rank = len(s.t.plan.tool_call.steps)
    return [
        (rank, Edit(index, edit.start, edit.end, edit.text))
        for index, segment in enumerate(call.segments)
        for edit in s.restorer.edits(segment.text, True)[0]
    ]


def note_unread(s: Stream) -> bool:
    """Record what nobody can read; true if the policy blocks it."""
    assert s.t.plan is not None
    parts = list(s.gate.unread)
    s.gate.unread.clear()
    s.t.unread.extend(parts)
    if s.t.plan.unread_blocks:
        block_unread(s.t, "reply", parts)
    return s.t.plan.unread_blocks


async def amended(s: Stream) -> bytes:
    """Release, letting marks and notices in where channels begin and end."""
    t = s.t
    assert t.plan is not None
    out = [s.gate.release()]
    while windows := s.gate.amend_windows():
        for window in windows:
            outcome = await run_stage(t.plan.amend_window, t.exchange, window, t.services.watch)
            t.note("amend", outcome)
            t.modified = t.modified or bool(outcome.edits)
            s.gate.amend(window, [edit for _, edit in outcome.edits])
        out.append(s.gate.release())
    return b"".join(out)


async def ended(s: Stream, out: bytes) -> bytes:
    """The end of a blocked stream: an HTTP error if nothing has left, else the dialect's own end."""
    t = s.t
    assert t.blocker is not None
    if not t.outbound.started and not out:
        t.head, body = block_reply(t)
        await settle(t)
        return body
    verdict = t.blocker.verdict
    t.released = sum(s.gate.released.values())
    last = out + s.gate.end_blocked(verdict.code, verdict.message)
    await settle(t)
    return last
