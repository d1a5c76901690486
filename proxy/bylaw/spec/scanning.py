"""A base for guards that look for patterns: prompts, replies, streams and tool calls from one method.

Law of this module: a subclass says what to look for (`setup` fills `patterns`) and what a hit means
(`answer`); where the text came from, and how it was cut, makes no difference to either.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from bylaw.content import Prompt, Reply, Segment, ToolCall, Window
from bylaw.exchange import Exchange
from bylaw.spec.guard import Guard
from bylaw.spec.hooks import impl
from bylaw.spec.matching import NEAR_CHARS
from bylaw.spec.patterns import Hit, PatternSet
from bylaw.verdict import Action, Edit, Finding, Verdict

Place = tuple[int, Hit]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one hit leads to.

    Args:
        action: `FLAG`, `EDIT` or `BLOCK`; `ALLOW` forgets the hit.
        text: for `EDIT`, the replacement, or with `restore` the label of the placeholder.
        restore: see `Edit.restore`.
    """

    action: Action
    text: str = ""
    restore: bool = False


class PatternGuard(Guard):
    """Looks for patterns in every text.

    Class attributes:
        code: code of the verdict.
        message: sentence for the caller when it blocks; it must not repeat what was matched.
    """

    look_behind = NEAR_CHARS
    code: ClassVar[str]
    message: ClassVar[str]
    patterns: PatternSet

    @abstractmethod
    def answer(self, hit: Hit, asked: bool) -> Answer:
        """What to do about a hit; `asked` tells a prompt from what a model wrote."""

    def patterns_for(self, channel: str) -> PatternSet | None:
        """What to look for in texts of this channel; None for nothing."""
        return self.patterns

    @impl
    def inspect_request(self, exchange: Exchange, prompt: Prompt) -> Verdict | None:
        """Every text of the prompt."""
        return self._verdict(self._places(prompt.segments), asked=True)

    @impl
    def inspect_reply(self, exchange: Exchange, reply: Reply) -> Verdict | None:
        """Every text of a whole reply."""
        return self._verdict(self._places(reply.segments), asked=False)

    @impl
    def inspect_tool_call(self, exchange: Exchange, call: ToolCall) -> Verdict | None:
        """Every string in the arguments."""
        return self._verdict(self._places(call.segments), asked=False)

    @impl
    def inspect_window(self, exchange: Exchange, window: Window) -> Verdict | None:
        """A piece of a stream; what could still become a match is held."""
        patterns = self.patterns_for(window.channel)
        if patterns is None:
            return None
        hits, hold = patterns.scan(window.text, window.fresh, window.final)
        return self._verdict(((0, hit) for hit in hits), asked=False, hold=hold)

    def _places(self, segments: Iterable[Segment]) -> Iterator[Place]:
        for index, segment in enumerate(segments):
            patterns = self.patterns_for(segment.channel)
            if patterns is not None:
                yield from ((index, hit) for hit in patterns.scan(segment.text)[0])

    def _verdict(self, places: Iterable[Place], asked: bool, hold: int | None = None) -> Verdict | None:
        action = Action.ALLOW
        findings: list[Finding] = []
        edits: list[Edit] = []
        for index, hit in places:
            answer = self.answer(hit, asked)
            if answer.action is Action.ALLOW:
                continue
            action = max(action, answer.action)
            findings.append(Finding(hit.rule.name, index, hit.start, hit.end))
            if answer.action is Action.EDIT:
                edits.append(Edit(index, hit.start, hit.end, answer.text, answer.restore))
        if action is Action.ALLOW:
            return None if hold is None else Verdict(hold=hold)
        message = self.message if action is Action.BLOCK else ""
        return Verdict(action, self.code, message, tuple(findings), tuple(edits), hold=hold)
