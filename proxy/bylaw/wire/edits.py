"""Merging the edits of several guards on one text, and applying them.

Law of this module: the merged edits do not overlap, cover every character that any of them covers, and do not
depend on the order in which they came. Where edits overlap, the union is replaced once, by the text of the
edit with the lowest rank; an insertion inside a replaced span is dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bylaw.verdict import Edit


class Span(NamedTuple):
    """A replacement of `start:end` (characters) by `text`; the lowest `rank` wins where spans overlap."""

    start: int
    end: int
    rank: tuple[bool, int, int]
    text: str

    @property
    def restore(self) -> bool:
        """Whether `text` is the label of a placeholder."""
        return self.rank[0]


def span(edit: Edit, guard: int = 0, offset: int = 0, floor: int = 0) -> Span:
    """The span of an edit; placeholders (`restore`) yield to redactions, later guards to earlier ones.

    Args:
        edit: what the guard returned.
        guard: index of the guard in its plan.
        offset: position of the edit's text in the longer text.
        floor: first character that may still change; a span that begins before it is clipped.
    """
    start = max(edit.start + offset, floor)
    return Span(start, max(edit.end + offset, start), (edit.restore, guard, start), edit.text)


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans in order of position, overlaps joined."""
    merged: list[Span] = []
    for new in sorted(spans):
        old = merged[-1] if merged else None
        if old is None or new.start >= old.end:
            merged.append(new)
        elif new.end > new.start:
            first = min(old, new, key=lambda one: one.rank)
            merged[-1] = Span(old.start, max(old.end, new.end), first.rank, first.text)
    return merged


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits of one segment applied."""
    return rewrite(text, merge(span(edit) for edit in edits))


def rewrite(text: str, spans: Iterable[Span]) -> str:
    """The text with merged spans replaced."""
    out: list[str] = []
    at = 0
    for one in spans:
        out += (text[at : one.start], one.text)
        at = one.end
    out.append(text[at:])
    return "".join(out)
