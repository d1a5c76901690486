"""What a guard decides: a value, never an exception.

Law of this module: a verdict is immutable, carries no content of the exchange (only positions in it),
and verdicts are ordered by strictness, so that merging two of them can only tighten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

NO_MAP: Mapping[str, str] = MappingProxyType({})
Note = str | int | bool


class Action(IntEnum):
    """What shall happen, from the loosest to the strictest; merging takes the maximum."""

    ALLOW = 0
    FLAG = 1
    EDIT = 2
    BLOCK = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters `start:end` of one segment; the host applies it, never the guard.

    Args:
        segment: index into the `segments` of the object that was inspected; 0 for a window.
        start: first character (code points, not bytes) of the span.
        end: one past the last character; `start == end` inserts.
        text: the replacement; with `restore`, the label of the placeholder (upper-case letters, e.g. `EMAIL`).
        restore: put a placeholder in, and the original back into the reply of this exchange (prompts only).
    """

    segment: int
    start: int
    end: int
    text: str = ""
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found and where, without the text itself.

    Args:
        category: what it is, e.g. `email`, `aws_access_key`.
        segment: index of the segment (0 for a window).
        start: first character of the span.
        end: one past its last character.
        score: confidence in per mille, 1000 for a rule that is certain.
    """

    category: str
    segment: int = 0
    start: int = 0
    end: int = 0
    score: int = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one hook call. `None` from a hook means `Verdict.allow()`.

    Args:
        action: what shall happen.
        code: stable machine-readable reason, e.g. `model_not_allowed`; shown to the caller on a block.
        message: one sentence for the caller; it must not repeat what was matched.
        findings: what was found.
        edits: spans to replace.
        headers: headers to add to the reply (e.g. `AI-Disclosure`); ignored once the head was sent.
        notes: small facts for the ledger; integers, booleans or short identifiers, never content.
        hold: windows only: text from this index of `window.text` on could still become a match and must
            not be released yet; `None` releases everything that was seen.
    """

    action: Action = Action.ALLOW
    code: str = ""
    message: str = ""
    findings: tuple[Finding, ...] = ()
    edits: tuple[Edit, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: NO_MAP)
    notes: Mapping[str, Note] = field(default_factory=lambda: NO_MAP)
    hold: int | None = None

    @classmethod
    def allow(cls, *, headers: Mapping[str, str] = NO_MAP, notes: Mapping[str, Note] = NO_MAP) -> Verdict:
        """Nothing to object to."""
        return cls(headers=headers, notes=notes)

    @classmethod
    def flag(cls, findings: Sequence[Finding], code: str = "flagged") -> Verdict:
        """Let it pass, and record what was found."""
        return cls(Action.FLAG, code, findings=tuple(findings))

    @classmethod
    def edit(
        cls,
        edits: Sequence[Edit],
        findings: Sequence[Finding] = (),
        code: str = "edited",
        hold: int | None = None,
    ) -> Verdict:
        """Replace the given spans."""
        return cls(Action.EDIT, code, findings=tuple(findings), edits=tuple(edits), hold=hold)

    @classmethod
    def block(cls, code: str, message: str, findings: Sequence[Finding] = ()) -> Verdict:
        """Stop the exchange; the caller gets `code` and `message` in the words of its dialect."""
        return cls(Action.BLOCK, code, message, tuple(findings))


ALLOW = Verdict()
