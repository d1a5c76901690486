"""Find expressions in texts and in streams, in time linear in the text, whoever wrote the text.

Law of this module: what is found does not depend on how a stream was cut. For any cuts, the hits of all
windows together are the hits in the whole text, and only text that could still become a match is held back.

How a text is read: at each position, from left to right, every rule is tried on at most `span_max_bytes`. Of
the rules that match (and whose checks agree) the longest match wins, then the rule named first; reading goes
on after it. A rule's own preferences are RE2's: leftmost, first alternative, greedy unless it says otherwise.

A rule without bound (`x+`) can therefore neither hold a stream for longer than `span_max_bytes` nor match
more than that. Write such a rule so that its beginning matches already, e.g. a private key with an optional
last line: then what is there at the bound is a hit, and a key that never ends is not let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from bylaw.spec.candidates import Candidates, Starts
from bylaw.spec.matching import NEAR_CHARS, Match, Matcher, Reading, Rule, compiled, re2_options
from bylaw.spec.prefix import Node, parse, plain, prefixes

SPAN_MAX_BYTES = 4096
CANDIDATES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A match: `text[start:end]`, in characters."""

    rule: Rule
    start: int
    end: int


class PatternSet:
    """Rules, compiled to be looked for together.

    Args:
        rules: at least one; earlier ones win ties.
        span_max_bytes: the longest match, and the longest text that a stream is held for, in UTF-8 bytes.

    Raises:
        ValueError: an expression that RE2 refuses (with its message), that matches the empty text, or that is
            too large; the message names the rule.
    """

    def __init__(self, rules: Sequence[Rule], span_max_bytes: int = SPAN_MAX_BYTES) -> None:
        self.rules = tuple(rules)
        self.span_max_bytes = span_max_bytes
        self.look_behind = NEAR_CHARS if any(rule.near for rule in rules) else 1
        self._matchers = [Matcher(rule) for rule in self.rules]
        trees = [_tree(rule) for rule in self.rules]
        self._starts = Starts(self.rules, trees, span_max_bytes)
        self._open = compiled("all rules together", f"(?:{'|'.join(map(prefixes, trees))})\\z")
        self._which = _which(map(plain, trees))

    def scan(self, text: str, fresh: int = 0, final: bool = True) -> tuple[list[Hit], int | None]:
        """Find all hits that more text cannot change.

        Args:
            text: context that was scanned already, then new text. In a stream the context must have
                `look_behind` characters, or all there were.
            fresh: where the new text starts, in characters.
            final: no more text follows.

        Returns:
            The hits, and from where on text must be held back until more is known; None holds nothing.

        Raises:
            ValueError: more than `CANDIDATES_MAX` places to check in one text.
        """
        reading = Reading(text, fresh)
        candidates = Candidates(self._starts, reading.data)
        first = candidates.after(reading.at)
        if final and first is None:
            return [], None
        size = len(reading.data)
        reading.held = size + 1 if final else self._held(reading)
        hits = [] if first is None else list(self._hits(reading, candidates, first))
        return hits, None if reading.held >= size else reading.chars(reading.held)

    def _hits(self, reading: Reading, candidates: Candidates, start: int | None) -> Iterator[Hit]:
        """Move `reading.at` over everything that is settled, from hit to hit."""
        for _ in range(CANDIDATES_MAX):
            if start is None or start >= reading.held:
                return
            at = reading.following(start)
            best = self._best(reading, start)
            if best is not None:
                at = reading.at = best.stop
                yield Hit(best.rule, reading.chars(best.start), reading.chars(best.end))
                reading.held = self._held(reading) if at > reading.held else reading.held
            start = candidates.after(at)
        raise ValueError(f"more than {CANDIDATES_MAX} candidates in one text")

    def _held(self, reading: Reading) -> int:
        """The earliest place after the last hit from which the rest could still become a match.

        Matches that started longer ago than `span_max_bytes` are settled: they cannot grow any more.
        """
        size = len(reading.data)
        found = self._open.search(reading.data, max(reading.at, size - self.span_max_bytes))
        return size if found is None else int(found.start())

    def _best(self, reading: Reading, start: int) -> Match | None:
        best: Match | None = None
        for matcher in self._candidates(reading, start):
            match = matcher.at(reading, start, start + self.span_max_bytes)
            if match and (best is None or match.stop > best.stop):
                best = match
        return best

    def _candidates(self, reading: Reading, start: int) -> Iterable[Matcher]:
        """The rules that can match at `start`, which at least one does.

        The set reads from the character before, for assertions. It answers nothing at all when it runs out of
        memory; then every rule is tried.
        """
        if start == 0:
            return self._matchers
        piece = reading.data[reading.preceding(start) : start + self.span_max_bytes + 1]
        indexes = self._which.Match(piece)
        return [self._matchers[index] for index in sorted(indexes)] if indexes else self._matchers


def _tree(rule: Rule) -> Node:
    try:
        return parse(rule.expression)
    except ValueError as error:
        raise ValueError(f"rule {rule.name}: {error}") from None


def _which(expressions: Iterable[str]) -> Any:
    found = re2.Set.MatchSet(re2_options())
    for expression in expressions:
        found.Add(f"(?s:.)(?:{expression})")
    found.Compile()
    return found
