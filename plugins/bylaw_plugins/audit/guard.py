"""The guard `audit`: demands the ids that a record needs, and counts what was said without keeping it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bylaw.spec import Exchange, Guard, Prompt, Reply, Segment, ToolCall, Unread, Verdict, Window, impl

_HEADERS = {"session": "Bylaw-Session", "subject": "Bylaw-Subject"}


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of `audit`.

    Args:
        require: ids that a caller must send: `session`, `subject`.
        measure: note how many texts and characters of each role, tools and unread parts there were.
    """

    require: tuple[Literal["session", "subject"], ...] = ()
    measure: bool = True


class Audit(Guard):
    """Refuses what could not be recorded as the policy asks, and measures the rest."""

    name = "audit"
    Options = AuditOptions

    def setup(self) -> None:
        """Only ids that there are can be demanded."""
        for what in self.options.require:
            if what not in _HEADERS:
                raise ValueError(f"unknown id {what!r}; known are {', '.join(_HEADERS)}")

    @impl
    def inspect_request(self, exchange: Exchange, prompt: Prompt) -> Verdict | None:
        """Ids first, then the counts."""
        for what in self.options.require:
            if not getattr(exchange, what):
                return Verdict.block(f"{what}_required", f"The header {_HEADERS[what]} is required here.")
        if not self.options.measure:
            return None
        tools = prompt.body.get("tools")
        counts = _measure("prompt", prompt.segments, prompt.unread)
        return Verdict.allow(notes=counts | {"prompt.tools": len(tools) if isinstance(tools, list) else 0})

    @impl
    def inspect_reply(self, exchange: Exchange, reply: Reply) -> Verdict | None:
        """The counts of a whole reply."""
        if not self.options.measure:
            return None
        return Verdict.allow(notes=_measure("reply", reply.segments, reply.unread))

    @impl
    def inspect_window(self, exchange: Exchange, window: Window) -> Verdict | None:
        """The counts of a stream so far, given whenever a channel ends; nothing is held."""
        if not self.options.measure:
            return None
        counts: Counter[str] = exchange.state.setdefault(self.step, Counter())
        counts["reply.characters"] += len(window.text) - window.fresh
        if not window.final:
            return None
        counts["reply.segments.assistant"] += 1
        return Verdict.allow(notes=dict(counts))

    @impl
    def inspect_tool_call(self, exchange: Exchange, call: ToolCall) -> Verdict | None:
        """How many calls the model asked for."""
        if not self.options.measure:
            return None
        counts: Counter[str] = exchange.state.setdefault(self.step, Counter())
        counts["reply.tool_calls"] += 1
        return Verdict.allow(notes=dict(counts))


def _measure(side: str, segments: Sequence[Segment], unread: Sequence[Unread]) -> dict[str, str | int | bool]:
    counts: Counter[str] = Counter()
    for segment in segments:
        counts[f"{side}.segments.{segment.role}"] += 1
        counts[f"{side}.characters"] += len(segment.text)
    for part in unread:
        counts[f"{side}.unread.{part.kind}"] += 1
    return dict(counts)
