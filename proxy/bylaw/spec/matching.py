"""One rule on one text.

Law of this module: a match is judged by the rule's expression, the characters before it that every window
brings along, and the one character after it; nothing else, so that cuts cannot change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import re2

NEAR_CHARS = 64
_MEMORY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """One expression to look for.

    Args:
        name: category of its findings, e.g. `email`.
        expression: RE2 syntax; it must not match the empty text.
        replacement: what an editing guard puts in its place.
        group: the capturing group that is the hit, the rest of the expression being context; 0 is all.
        validate: a check of the hit's text, e.g. of its check digit; must be pure, and quick.
        trim: how many leading characters of the hit's text are really meant, 0 for none; for shapes that
            run on into what follows. Asked before `validate`.
        near: an expression that must occur in the `NEAR_CHARS` characters before the match (a context word).
        not_after: ASCII characters that must not stand directly before the match.
        not_before: ASCII characters that must not stand directly after it.
    """

    name: str
    expression: str
    replacement: str = ""
    group: int = 0
    validate: Callable[[str], bool] | None = None
    trim: Callable[[str], int] | None = None
    near: str = ""
    not_after: str = ""
    not_before: str = ""


class Reading:
    """A text in UTF-8, how far it has been read, and from where on it is unsettled (in bytes)."""

    __slots__ = ("_ascii", "_known", "at", "data", "held", "text")

    def __init__(self, text: str, fresh: int) -> None:
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self._ascii = len(self.data) == len(text)
        self._known = (0, 0)
        self.held = 0
        self.at = fresh if self._ascii else len(text[:fresh].encode("utf-8", "surrogatepass"))

    def chars(self, offset: int) -> int:
        """Bytes to characters, counted from the place asked for last: hits come in order."""
        if self._ascii:
            return offset
        known, sign = self._known[0], 1 if offset >= self._known[0] else -1
        between = self.data[min(known, offset) : max(known, offset)].decode("utf-8", "surrogatepass")
        self._known = (offset, self._known[1] + sign * len(between))
        return self._known[1]

    def following(self, offset: int) -> int:
        """The start of the next character."""
        offset += 1
        while not self._ascii and offset < len(self.data) and self.data[offset] & 0xC0 == 0x80:
            offset += 1
        return offset

    def preceding(self, offset: int) -> int:
        """The start of the character before."""
        offset -= 1
        while not self._ascii and offset > 0 and self.data[offset] & 0xC0 == 0x80:
            offset -= 1
        return offset


@dataclass(slots=True)
class Match:
    """A match of one rule in bytes: the hit `start:end`, and where reading goes on."""

    rule: Rule
    start: int
    end: int
    stop: int


class Matcher:
    """One rule, compiled."""

    __slots__ = ("_expression", "_near", "_not_after", "_not_before", "_rule")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._expression = compiled(rule.name, rule.expression)
        self._not_after = _characters(rule.not_after)
        self._not_before = _characters(rule.not_before)
        self._near = compiled(rule.name, rule.near) if rule.near else None
        for expression in filter(None, (self._expression, self._near)):
            if expression.fullmatch("") is not None:
                raise ValueError(f"rule {rule.name}: the expression matches the empty text")
        if rule.group > self._expression.groups:
            raise ValueError(f"rule {rule.name}: there is no group {rule.group}")

    def at(self, reading: Reading, start: int, stop_max: int) -> Match | None:
        """The match that begins at `start` and ends at `stop_max` or earlier, if its checks agree."""
        found = self._expression.match(reading.data, start, stop_max)
        if found is None or found.end() == start:
            return None
        first, last = found.span(self._rule.group)
        length = self._length(reading, start, first, last)
        stop = found.end() if length == last - first else first + length
        if not length or reading.data[stop : stop + 1] in self._not_before:
            return None
        return Match(self._rule, first, first + length, stop)

    def _length(self, reading: Reading, start: int, first: int, last: int) -> int:
        """How many bytes of the candidate `first:last` are meant; 0 rejects it."""
        rule = self._rule
        if reading.data[max(0, start - 1) : start] in self._not_after or not self._is_near(reading, start):
            return 0
        if rule.trim is None and rule.validate is None:
            return last - first
        text = reading.data[first:last].decode("utf-8", "surrogatepass")
        if rule.trim is not None:
            text = text[: rule.trim(text)]
        if rule.validate is not None and text and not rule.validate(text):
            return 0
        return len(text.encode("utf-8", "surrogatepass"))

    def _is_near(self, reading: Reading, start: int) -> bool:
        if self._near is None:
            return True
        end = reading.chars(start)
        return self._near.search(reading.text[max(0, end - NEAR_CHARS) : end]) is not None


def _characters(characters: str) -> frozenset[bytes]:
    return frozenset(character.encode("ascii") for character in characters)


def compiled(name: str, expression: str) -> Any:
    """Compile; RE2's complaint becomes a ValueError that names the rule."""
    try:
        return re2.compile(expression, re2_options())
    except re2.error as error:
        reason = error.args[0]
        message = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"rule {name}: {message}") from None


def re2_options() -> Any:
    """Quiet, and with room for large sets of rules."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return options
