"""One guard in one exchange: call its hooks the way the proxy does, and see what comes out.

Law of this module: a case is one exchange. `prompt` then `reply` is a conversation in which the guard keeps
its state, and in which placeholders that the prompt got are restored in the reply.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bylaw.content import Prompt, Reply, Segment, ToolCall, Window
from bylaw.exchange import Exchange
from bylaw.plan.adapters import CHOICES, pick
from bylaw.plan.edits import Vault, apply_edits
from bylaw.plan.typed import build
from bylaw.spec.guard import Guard
from bylaw.testing.make import make_exchange, make_prompt, make_reply, make_tool_call
from bylaw.verdict import ALLOW, Action, Edit, Finding, Note, Verdict


@dataclass(slots=True)
class Result:
    """What a guard did to a text.

    Args:
        action: the strictest action of all verdicts.
        code: the code that went with it.
        message: the sentence that went with it.
        texts: the texts that leave; of a blocked stream, what left before the block. Of a prompt or a whole
            reply that is blocked, nothing leaves.
        findings: what was found; positions are in the original texts.
        headers: headers for the reply.
        notes: facts for the ledger.
        pieces: of a stream, what left after each cut.
    """

    action: Action = Action.ALLOW
    code: str = ""
    message: str = ""
    texts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    pieces: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The only text, or the first."""
        return self.texts[0] if self.texts else ""

    def add(self, verdict: Verdict) -> None:
        """Fold in one verdict."""
        if verdict.action > self.action:
            self.action, self.code, self.message = verdict.action, verdict.code, verdict.message
        self.headers.update(verdict.headers)
        self.notes.update(verdict.notes)


def guard_case(cls: type[Guard], options: Any = None, **facts: Any) -> GuardCase:
    """A guard of this class in a new exchange.

    Args:
        cls: the guard class.
        options: what a policy would say under `options:` (a dict), or an instance of `cls.Options`.
        facts: fields of `Exchange`.

    Raises:
        ConfigError: unknown or ill-typed options.
        ValueError: the guard refuses its options.
    """
    built = build(cls.Options, options or {}) if options is None or isinstance(options, Mapping) else options
    return GuardCase(cls(built, "test-step"), make_exchange(**facts))


class GuardCase:
    """A guard and an exchange; every method returns a `Result`."""

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self.guard, self.exchange = guard, exchange
        self.vault = Vault()

    def again(self) -> GuardCase:
        """The same guard in a new exchange with the same facts, nothing of this one remembered."""
        facts = {name: getattr(self.exchange, name) for name in Exchange.__slots__ if name != "state"}
        return GuardCase(self.guard, Exchange(**facts))

    def call(self, stage: str, subject: Any) -> Verdict:
        """One call of a hook, or of what stands in for it; `stage` is a key of `plan.adapters.CHOICES`."""
        picked = pick(self.guard, CHOICES[stage])
        verdict = None if picked is None else _settled(picked[0](self.exchange, subject))
        assert verdict is None or isinstance(verdict, Verdict), (
            f"{stage}: expected a Verdict, got {verdict!r}"
        )
        return verdict or ALLOW

    def prompt(self, text: str | Prompt = "", **facts: Any) -> Result:
        """A request; `facts` as for `make_prompt`."""
        prompt = text if isinstance(text, Prompt) else make_prompt(text, **facts)
        self.vault.occupied = [segment.text for segment in prompt.segments]
        return self._whole(["request"], prompt.segments, prompt)

    def reply(self, text: str | Reply = "", **facts: Any) -> Result:
        """A whole reply; `facts` as for `make_reply`."""
        reply = text if isinstance(text, Reply) else make_reply(text, **facts)
        result = self._whole(["reply", "amend_reply"], reply.segments, reply)
        result.texts = tuple(map(self._restored, result.texts))
        return result

    def tool_call(self, name: str | ToolCall, arguments: Any = None) -> Result:
        """A tool call of the model; the result's texts are the strings in its arguments."""
        call = name if isinstance(name, ToolCall) else make_tool_call(name, arguments)
        return self._whole(["tool_call"], call.segments, call)

    def stream(self, text: str, cuts: Iterable[int] = (), channel: str = "text") -> Result:
        """One channel of a stream.

        Args:
            text: all of it.
            cuts: how many characters had arrived at each step, e.g. `range(len(text))`.
            channel: kind of text.
        """
        result = Result()
        for step in self.steps(text, cuts, channel):
            result = step
        return result

    def steps(self, text: str, cuts: Iterable[int] = (), channel: str = "text") -> Iterator[Result]:
        """The stream, one step at a time; the result so far after each."""
        stages = [stage for stage in ("window", "amend_window") if pick(self.guard, CHOICES[stage])]
        tracks = [_Track(self, stage) for stage in stages]
        ends = [(end, False) for end in sorted({min(max(cut, 0), len(text)) for cut in cuts})]
        result = Result()
        for end, final in [*ends, (len(text), True)]:
            for track in tracks:
                track.feed(result, text[:end], channel, final)
            self._release(result, text, end, tracks)
            yield result
            if result.action is Action.BLOCK:
                return

    def _release(self, result: Result, text: str, end: int, tracks: Sequence[_Track]) -> None:
        mark = min([track.cleared for track in tracks], default=end)
        edits = [(rank, edit) for rank, track in enumerate(tracks) for edit in track.edits]
        mark = min([edit.start for _, edit in edits if edit.start < mark < edit.end], default=mark)
        before = "".join(result.pieces)
        known = [ranked for ranked in edits if ranked[1].end <= mark]
        after = (
            before if result.action is Action.BLOCK else self._restored(self._edited([text[:mark]], known)[0])
        )
        assert after.startswith(before), "an edit reached into text that had left already"
        result.pieces = (*result.pieces, after[len(before) :])
        result.texts = (after,)

    def _whole(self, stages: Sequence[str], segments: Sequence[Segment], subject: Any) -> Result:
        result = Result(texts=tuple(segment.text for segment in segments))
        edits: list[tuple[int, Edit]] = []
        for rank, stage in enumerate(stages):
            verdict = self.call(stage, subject)
            _check_spans(verdict, [segment.text for segment in segments])
            result.add(verdict)
            result.findings += verdict.findings
            edits += [(rank, edit) for edit in verdict.edits]
        texts = self._edited([segment.text for segment in segments], edits)
        result.texts = () if result.action is Action.BLOCK else texts
        return result

    def _edited(self, texts: Sequence[str], edits: Sequence[tuple[int, Edit]]) -> tuple[str, ...]:
        segments = [Segment(text, "", "", (index,)) for index, text in enumerate(texts)]
        changed = apply_edits(segments, edits, self.vault)
        return tuple(changed.get(segment.path, segment.text) for segment in segments)

    def _restored(self, text: str) -> str:
        for token, original in self.vault.originals.items():
            text = text.replace(token, original)
        return text


class _Track:
    """How far one hook has cleared a channel, and the edits that it asked for."""

    def __init__(self, case: GuardCase, stage: str) -> None:
        self.case, self.stage = case, stage
        self.whole = not hasattr(case.guard, {"window": "inspect_window"}.get(stage, stage))
        self.cleared = 0
        self.edits: list[Edit] = []

    def feed(self, result: Result, text: str, channel: str, final: bool) -> None:
        if self.whole and not final:
            return
        start = max(0, self.cleared - self.case.guard.look_behind)
        window = Window(channel, "choices.0.text", text[start:], self.cleared - start, start, final)
        verdict = self.case.call(self.stage, window)
        _check_spans(verdict, [window.text], window.fresh)
        result.add(verdict)
        result.findings += tuple(
            Finding(one.category, 0, start + one.start, start + one.end, one.score)
            for one in verdict.findings
        )
        self.edits += [Edit(0, start + e.start, start + e.end, e.text, e.restore) for e in verdict.edits]
        held = verdict.hold is not None and not final
        self.cleared = max(self.cleared, start + (verdict.hold or 0)) if held else len(text)


def assert_cut_invariant(guard: Guard | GuardCase, text: str, examples: int = 20, seed: int = 0) -> None:
    """However the text is cut, the guard decides the same and the same text leaves.

    Args:
        guard: a guard, or a case whose facts matter; every cut is tried in a new exchange.
        text: what the model writes.
        examples: random cuts to try, besides none and character by character.
        seed: of the random cuts.

    Raises:
        AssertionError: with the cut that makes a difference.
    """
    case = guard if isinstance(guard, GuardCase) else GuardCase(guard, make_exchange())
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
    cuts: list[Sequence[int]] = [range(len(text) + 1)]
    cuts += [
        sorted(chance.sample(range(len(text) + 1), chance.randint(1, len(text) + 1))) for _ in range(examples)
    ]
    expected = _outcome(case.again().stream(text))
    for cut in cuts:
        actual = _outcome(case.again().stream(text, cut))
        assert expected == actual, f"cut at {list(cut)}: {actual} instead of {expected}"


def _outcome(result: Result) -> tuple[Any, ...]:
    """What must not depend on cuts; of a blocked stream, how much left before does depend on them."""
    if result.action is Action.BLOCK:
        return result.action, result.code
    return result.action, result.code, result.text, result.findings


def _check_spans(verdict: Verdict, texts: Sequence[str], fresh: int = 0) -> None:
    spans: tuple[Edit | Finding, ...] = (*verdict.edits, *verdict.findings)
    for span in spans:
        assert 0 <= span.segment < len(texts), f"{span}: there is no such segment"
        inside = 0 <= span.start <= span.end <= len(texts[span.segment])
        assert inside, f"{span}: outside of the text of {len(texts[span.segment])} characters"
        assert span.end >= fresh, f"{span}: ends in text that was cleared already"
    assert verdict.hold is None or fresh <= verdict.hold <= len(texts[0]), f"hold {verdict.hold} out of range"


def _settled(value: Any) -> Any:
    """The result of a hook, `async def` or not, inside or outside of a running loop."""
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(wait())).result()
