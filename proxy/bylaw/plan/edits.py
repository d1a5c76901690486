"""Merges the edits of several guards, gives out placeholders, and applies both to texts.

Law of this module: two redactors cannot fight. Overlapping spans become their union; an edit that cannot be
undone beats a reversible one; among equals the step that comes first in the policy gives the text. How spans
are merged is said once, in `wire.edits`, for whole texts and for streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bylaw.content import Path, Segment
from bylaw.verdict import Edit
from bylaw.wire.edits import Span, merge, rewrite, span

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
    _planted: dict[str, frozenset[str]] = field(default_factory=dict)

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
        if label not in self._planted:
            self._planted[label] = self._search(label)
        number = self._numbers.get(label, 0) + 1
        while str(number) in self._planted[label]:
            number += 1
        self._numbers[label] = number
        return f"<{label}_{number}>"

    def _search(self, label: str) -> frozenset[str]:
        """Numbers of this label in the prompt, found in one pass: looking for each token by itself is quadratic."""
        found = re.compile(re.escape(f"<{label}_") + r"([0-9]+)>").findall
        return frozenset(number for text in self.occupied for number in found(text))


def merge_edits(edits: Iterable[Ranked]) -> list[Edit]:
    """Non-overlapping edits in document order."""
    return [
        Edit(segment, one.start, one.end, one.text, one.restore)
        for segment, spans in merged(edits).items()
        for one in spans
    ]


def merged(edits: Iterable[Ranked]) -> Mapping[int, list[Span]]:
    """Non-overlapping spans by segment, in document order."""
    spans: dict[int, list[Span]] = {}
    for rank, edit in edits:
        spans.setdefault(edit.segment, []).append(span(edit, rank))
    return {segment: merge(spans[segment]) for segment in sorted(spans)}


def apply_edits(segments: Sequence[Segment], edits: Iterable[Ranked], vault: Vault) -> dict[Path, str]:
    """The new text of every segment that an edit touches, by its path."""
    changes: dict[Path, str] = {}
    for index, spans in merged(edits).items():
        text = segments[index].text
        changes[segments[index].path] = rewrite(text, [_kept(one, text, vault) for one in spans])
    return changes


def _kept(one: Span, text: str, vault: Vault) -> Span:
    """The span with its placeholder, if it is to be restored."""
    return one._replace(text=vault.token(one.text, text[one.start : one.end])) if one.restore else one
