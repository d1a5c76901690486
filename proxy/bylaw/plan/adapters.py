"""Lets one reply hook of a guard serve every way in which a reply can arrive.

Law of this module: a guard with any reply hook reads whole replies, streams and tool calls alike, so that no
way of asking for a reply goes around it. What the guard did not write itself is derived:

    has inspect_reply only    streams: each channel when it is complete; tool calls: as a reply of their strings
    has inspect_window only   whole replies and tool calls: each string as one final window

`amend_reply` serves streams the same way; `amend_window` serves whole replies.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from bylaw.content import Reply, Segment, ToolCall, Window
from bylaw.exchange import Exchange
from bylaw.plan.plan import Hook, HookResult
from bylaw.verdict import Edit, Finding, Note, Verdict


def awaits(hook: Hook) -> bool:
    """Whether the hook is a coroutine function."""
    return inspect.iscoroutinefunction(hook)


def window_from_reply(hook: Hook) -> Hook:
    """`inspect_reply` -> `inspect_window`; the stream gate gives such a guard each channel whole (`WHOLE`)."""

    def subject(window: Window) -> Reply:
        return Reply((Segment(window.text, "assistant", window.channel, ()),))

    return lambda exchange, window: hook(exchange, subject(window))


def call_from_reply(hook: Hook) -> Hook:
    """`inspect_reply` -> `inspect_tool_call`: the strings of the arguments are the segments of a reply."""
    return lambda exchange, call: hook(exchange, Reply(call.segments))


def segments_from_window(hook: Hook) -> Hook:
    """`inspect_window` -> `inspect_reply` or `inspect_tool_call`: each string is one final window."""
    if awaits(hook):

        async def later(exchange: Exchange, subject: Reply | ToolCall) -> HookResult:
            verdicts = [
                await cast("Awaitable[HookResult]", hook(exchange, w)) for w in _windows(subject.segments)
            ]
            return combine(verdicts)

        return later

    def now(exchange: Exchange, subject: Reply | ToolCall) -> HookResult:
        return combine([cast("HookResult", hook(exchange, w)) for w in _windows(subject.segments)])

    return now


def _windows(segments: Sequence[Segment]) -> list[Window]:
    return [Window(s.channel, str(i), s.text, 0, 0, final=True) for i, s in enumerate(segments)]


def combine(verdicts: Sequence[Any]) -> HookResult:
    """The verdicts on single strings as one verdict on all of them: the strictest speaks, nothing is lost.

    What is no verdict is handed on as it is, for the host to judge. `hold` says nothing about a whole text.
    """
    strictest: Verdict | None = None
    edits: list[Edit] = []
    findings: list[Finding] = []
    headers: dict[str, str] = {}
    notes: dict[str, Note] = {}
    for index, verdict in enumerate(verdicts):
        if verdict is None:
            continue
        if not isinstance(verdict, Verdict):
            return cast("HookResult", verdict)
        edits += [replace(edit, segment=_moved(edit, index)) for edit in verdict.edits]
        findings += [replace(finding, segment=index) for finding in verdict.findings]
        headers.update(verdict.headers)
        notes.update(verdict.notes)
        if strictest is None or verdict.action > strictest.action:
            strictest = verdict
    if strictest is None:
        return None
    return replace(
        strictest, edits=tuple(edits), findings=tuple(findings), headers=headers, notes=notes, hold=None
    )


def _moved(edit: Edit, index: int) -> int:
    """A window has one segment, 0; an edit of any other stays out of range, so that the host finds it."""
    return index if edit.segment == 0 else -1


def pick(guard: object, choices: Sequence[tuple[str, Callable[[Hook], Hook]]]) -> tuple[Hook, bool] | None:
    """The first hook that the guard has, adapted, and whether it must be awaited."""
    for name, adapt in choices:
        hook = getattr(guard, name, None)
        if hook is not None:
            return adapt(hook), awaits(hook)
    return None


def itself(hook: Hook) -> Hook:
    """No adaptation."""
    return hook


CHOICES: dict[str, tuple[tuple[str, Callable[[Hook], Hook]], ...]] = {
    "request": (("inspect_request", itself),),
    "reply": (("inspect_reply", itself), ("inspect_window", segments_from_window)),
    "window": (("inspect_window", itself), ("inspect_reply", window_from_reply)),
    "tool_call": (
        ("inspect_tool_call", itself),
        ("inspect_reply", call_from_reply),
        ("inspect_window", segments_from_window),
    ),
    "amend_reply": (("amend_reply", itself), ("amend_window", segments_from_window)),
    "amend_window": (("amend_window", itself), ("amend_reply", window_from_reply)),
}
PROMPT_STAGES = ("request",)
REPLY_STAGES = ("reply", "window", "tool_call", "amend_reply", "amend_window")
