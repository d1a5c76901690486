"""The guard `patterns`: expressions that the operator, or a jurisdiction pack, names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bylaw.spec import TEXT_CHANNELS, Action, Answer, Hit, PatternGuard, PatternSet, Rule

_ACTIONS = {"redact": Action.EDIT, "block": Action.BLOCK, "flag": Action.FLAG}


@dataclass(frozen=True, slots=True)
class PatternRule:
    """One expression.

    Args:
        name: category of its findings; letters, digits, `_`, `-` and `.`.
        expression: RE2 syntax (no back-references, no look-around). A match has at most 4096 bytes.
        action: `redact` puts `replacement` in its place, `block` stops the exchange, `flag` records.
        replacement: what `redact` puts in; `[NAME]` if not given.
        channels: texts to look at: `text`, `reasoning`, `refusal`, `tool_arguments`, `tool_schema`, `other`;
            empty means all.
    """

    name: str
    expression: str
    action: Literal["redact", "block", "flag"] = "redact"
    replacement: str | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatternsOptions:
    """Options of `patterns`.

    Args:
        rules: expressions to look for; where several match at one place the longest match wins, then the
            first.
    """

    rules: tuple[PatternRule, ...] = ()


class Patterns(PatternGuard):
    """Redacts, blocks or flags what RE2 expressions match."""

    name = "patterns"
    controls = ("content_terms",)
    code = "pattern_matched"
    message = "The text contains something that the operator's rules exclude."
    Options = PatternsOptions

    def setup(self) -> None:
        """Compile a set for each channel."""
        rules: tuple[PatternRule, ...] = self.options.rules
        self._answers = {rule.name: _answer(rule) for rule in rules}
        if len(self._answers) < len(rules):
            raise ValueError("two rules have the same name")
        for rule in rules:
            _check(rule)
        self._sets = {channel: _compile(rules, channel) for channel in TEXT_CHANNELS}

    def patterns_for(self, channel: str) -> PatternSet | None:
        """The rules of this channel; a channel that nobody knows counts as `other`."""
        return self._sets[channel if channel in self._sets else "other"]

    def answer(self, hit: Hit, asked: bool) -> Answer:
        """What the rule says."""
        return self._answers[hit.rule.name]


def _answer(rule: PatternRule) -> Answer:
    replacement = f"[{rule.name.upper()}]" if rule.replacement is None else rule.replacement
    return Answer(_ACTIONS[rule.action], replacement)


def _check(rule: PatternRule) -> None:
    if not rule.name or not all(character.isalnum() or character in "_-." for character in rule.name):
        raise ValueError(f"rule {rule.name!r}: a name has letters, digits, `_`, `-` and `.` only")
    for channel in rule.channels:
        if channel not in TEXT_CHANNELS:
            known = ", ".join(sorted(TEXT_CHANNELS))
            raise ValueError(f"rule {rule.name}: unknown channel {channel!r}; known are {known}")


def _compile(rules: tuple[PatternRule, ...], channel: str) -> PatternSet | None:
    chosen = [
        Rule(rule.name, rule.expression) for rule in rules if not rule.channels or channel in rule.channels
    ]
    return PatternSet(chosen) if chosen else None
