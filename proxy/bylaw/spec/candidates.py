"""Where in a text a match may begin.

Law of this module: it names every place where a rule's expression matches and a context word, if the rule
asks for one, may be near; it may name a place too many, never one too few. Tables of numbers are full of
places where a rule for bare digits matches; without a word near them they are passed over in one sweep.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bylaw.spec.matching import NEAR_CHARS, Rule, compiled
from bylaw.spec.prefix import Node, plain

_NEAR_BYTES = 4 * NEAR_CHARS
_NOWHERE = sys.maxsize
_TOGETHER = "all rules together"


class Starts:
    """The rules of a set as one expression, and those that ask for no word as another.

    Raises:
        ValueError: the rules together are too large.
    """

    __slots__ = ("anywhere", "span_max_bytes", "wordless", "words")

    def __init__(self, rules: Sequence[Rule], trees: Sequence[Node], span_max_bytes: int) -> None:
        wordless = [tree for rule, tree in zip(rules, trees, strict=True) if not rule.near]
        words = dict.fromkeys(f"(?:{rule.near})" for rule in rules if rule.near)
        self.span_max_bytes = span_max_bytes
        self.anywhere = compiled(_TOGETHER, "|".join(map(plain, trees)))
        self.wordless = compiled(_TOGETHER, "|".join(map(plain, wordless))) if wordless else None
        self.words = compiled(_TOGETHER, "|".join(words)) if words else None


class Candidates:
    """The places in one text, from left to right; ask with offsets that never decrease (in bytes)."""

    __slots__ = ("_data", "_starts", "_wordless", "_zone")

    def __init__(self, starts: Starts, data: bytes) -> None:
        self._starts, self._data = starts, data
        self._wordless = -1
        self._zone: tuple[int, int] = (0, -1)

    def after(self, at: int) -> int | None:
        """The first place at `at` or later."""
        wordless = self._wordless_after(at)
        while True:
            first, last = self._zone_after(at)
            if wordless < first:
                return wordless
            if first == _NOWHERE:
                return None
            end = min(len(self._data), last + self._starts.span_max_bytes)
            found = self._starts.anywhere.search(self._data, max(at, first), end)
            if found is not None and found.start() <= last:
                return int(found.start())
            at = last + 1

    def _wordless_after(self, at: int) -> int:
        """The first place that needs no word; `_NOWHERE` if there is none."""
        if self._wordless < at:
            found = None if self._starts.wordless is None else self._starts.wordless.search(self._data, at)
            self._wordless = _NOWHERE if found is None else found.start()
        return self._wordless

    def _zone_after(self, at: int) -> tuple[int, int]:
        """First and last place near the next word, with room for a word that overlaps it."""
        while self._zone[1] < at:
            words = self._starts.words
            found = words and words.search(self._data, max(0, self._zone[1] - _NEAR_BYTES))
            self._zone = (found.start(), found.end() + _NEAR_BYTES) if found else (_NOWHERE, _NOWHERE)
        return self._zone
