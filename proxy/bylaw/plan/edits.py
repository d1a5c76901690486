"""Merges the edits of several guards, gives out placeholders, and applies both to texts.

Law of this module: two redactors cannot fight. Overlapping spans become their union; an edit that cannot be
undone beats a reversible one; among equals the step that comes first in the policy gives the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bylaw.content import Path, Segment
from bylaw.verdict import Edit

Ranked = tuple[int, Edit]


@dataclass(slots=True)
class Vault:
    """Placeholders of one exchange: token -> original. Never shared, never stored, gone with the exchange.

    Numbers run by label in order of first appearance, so the same conversation sent again gets the same
    tokens; a token that already occurs in the prompt is never given out, so nobody can plant one.
    """

    occupied: Sequence[str] = ()
    originals: dict[str, str] = field(default_factory=dict)
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def token(self, label: str, original: str) -> str:
        """The placeholder of this value; the same value gets the same token."""
        known = self._tokens.get((label, original))
        if known:
            return known
        token = self._fresh(label)
        self._tokens[label, original] = token
        self.originals[token] = original
        return token

    def _fresh(self, label: str) -> str:
        while True:
            number = self._numbers.get(label, 0) + 1
            self._numbers[label] = number
            token = f"<{label}_{number}>"
            if not any(token in text for text in self.occupied):
                return token


def merge_edits(edits: Iterable[Ranked]) -> list[Edit]:
    """Non-overlapping edits in document order."""
    merged: list[Ranked] = []
    for rank, edit in sorted(edits, key=lambda r: (r[1].segment, r[1].start, r[1].end, r[0])):
        if merged and _overlap(merged[-1][1], edit):
            merged[-1] = _union(merged[-1], (rank, edit))
        else:
            merged.append((rank, edit))
    return [edit for _, edit in merged]


def _overlap(a: Edit, b: Edit) -> bool:
    return a.segment == b.segment and b.start < a.end


def _union(a: Ranked, b: Ranked) -> Ranked:
    rank, winner = min(a, b, key=lambda r: (r[1].restore, r[0]))
    start, end = min(a[1].start, b[1].start), max(a[1].end, b[1].end)
    return rank, Edit(winner.segment, start, end, winner.text, winner.restore)


def apply_edits(segments: Sequence[Segment], edits: Iterable[Ranked], vault: Vault) -> dict[Path, str]:
    """The new text of every segment that an edit touches, by its path."""
    pieces: dict[int, list[str]] = {}
    at: dict[int, int] = {}
    for edit in merge_edits(edits):
        text = segments[edit.segment].text
        out = pieces.setdefault(edit.segment, [])
        out.append(text[at.get(edit.segment, 0) : edit.start])
        out.append(vault.token(edit.text, text[edit.start : edit.end]) if edit.restore else edit.text)
        at[edit.segment] = edit.end
    return {segments[i].path: "".join(out) + segments[i].text[at[i] :] for i, out in pieces.items()}
