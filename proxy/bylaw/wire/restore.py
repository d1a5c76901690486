"""Putting the originals back in the place of placeholders.

Law of this module: exactly the literal placeholders are replaced, leftmost and longest first; held back is
only a suffix that could still become one. Time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bylaw.verdict import Edit


class Restorer:
    """The placeholders of one exchange.

    Args:
        mapping: original by placeholder; placeholders are not empty.
    """

    __slots__ = ("_firsts", "_lengths", "_mapping", "_prefixes", "_search")

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._lengths = sorted({len(literal) for literal in mapping}, reverse=True)
        self._prefixes = {literal[:size] for literal in mapping for size in range(1, len(literal))}
        self._firsts = "".join(sorted({literal[0] for literal in mapping}))
        self._search = re.compile("[" + re.escape(self._firsts) + "]").search if self._firsts else None

    def edits(
        self, text: str, final: bool, fresh: int = 0, segment: int = 0
    ) -> tuple[tuple[Edit, ...], int | None]:
        """Edits that restore a text, and from where it must be held.

        Args:
            text: a whole text, or a window's.
            final: no more text follows.
            fresh: first character that may change.
            segment: index for the edits.
        """
        found: list[Edit] = []
        at = self._next(text, fresh)
        while at >= 0:
            if not final and self._open(text, at):
                return tuple(found), at
            literal = self._literal(text, at)
            if literal:
                found.append(Edit(segment, at, at + len(literal), self._mapping[literal]))
            at = self._next(text, at + max(1, len(literal)))
        return tuple(found), None

    def apply(self, text: str) -> str:
        """A whole text, restored."""
        edits, _ = self.edits(text, True)
        out: list[str] = []
        at = 0
        for edit in edits:
            out += (text[at : edit.start], edit.text)
            at = edit.end
        return "".join([*out, text[at:]])

    def _next(self, text: str, at: int) -> int:
        if len(self._firsts) == 1:
            return text.find(self._firsts, at)
        found = self._search(text, at) if self._search else None
        return found.start() if found else -1

    def _open(self, text: str, at: int) -> bool:
        """Whether the rest of the text could still become a placeholder."""
        return len(text) - at < self._lengths[0] and text[at:] in self._prefixes

    def _literal(self, text: str, at: int) -> str:
        for length in self._lengths:
            piece = text[at : at + length]
            if piece in self._mapping:
                return piece
        return ""
