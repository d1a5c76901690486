"""Whether what a guard returned is a verdict that the host can use.

Law of this module: whatever passes can be applied, sent and recorded without an error. A number where a text
belongs, a header with a line end, a float for the ledger: found here, it is the guard's fault and its step's
`on_error` decides; found later, it would be ours, in the middle of an exchange.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from bylaw.content import Prompt
from bylaw.verdict import Action, Edit, Finding, Verdict

WORD_CHARS_MAX = 128
MESSAGE_CHARS_MAX = 4096
NOTES_MAX = 64
HEADERS_MAX = 32

# RFC 9110, 5.6.2 and 5.5; Bylaw's own fields and framing are not a guard's to set.
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_FIELD_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")
_NOT_THEIRS = frozenset(
    {
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "keep-alive",
        "content-encoding",
    }
)


def is_sound(verdict: object) -> TypeGuard[Verdict]:
    """A `Verdict` with every field of its declared type and within bounds."""
    if not isinstance(verdict, Verdict):
        return False
    given: Any = verdict  # a dataclass checks no types
    return (
        isinstance(given.action, Action)
        and _word(given.code)
        and isinstance(given.message, str)
        and len(given.message) <= MESSAGE_CHARS_MAX
        and isinstance(given.findings, tuple)
        and all(map(_finding, given.findings))
        and isinstance(given.edits, tuple)
        and all(map(_edit, given.edits))
        and _headers(given.headers)
        and _notes(given.notes)
        and (given.hold is None or type(given.hold) is int)
    )


def edits_fit(verdict: Verdict, subject: Any) -> bool:
    """Whether edits and hold lie inside the texts that the guard was given."""
    if verdict.hold is not None and not 0 <= verdict.hold <= len(getattr(subject, "text", "")):
        return False
    if not verdict.edits:
        return True
    texts = [s.text for s in subject.segments] if hasattr(subject, "segments") else [subject.text]
    return all(
        0 <= e.segment < len(texts)
        and 0 <= e.start <= e.end <= len(texts[e.segment])
        and (not e.restore or _placeholder(e.text, subject))
        for e in verdict.edits
    )


def _placeholder(label: str, subject: Any) -> bool:
    """Only of a prompt can something be put back later; a label is no text."""
    return isinstance(subject, Prompt) and _LABEL.fullmatch(label) is not None


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= WORD_CHARS_MAX


def _finding(value: Any) -> bool:
    return (
        isinstance(value, Finding)
        and _word(value.category)
        and type(value.segment) is type(value.start) is type(value.end) is int
    )


def _edit(value: Any) -> bool:
    return (
        isinstance(value, Edit)
        and type(value.segment) is type(value.start) is type(value.end) is int
        and isinstance(value.text, str)
    )


def _headers(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) <= HEADERS_MAX and all(map(_field, value.items()))


def _field(field: tuple[Any, Any]) -> bool:
    name, value = field
    if not isinstance(name, str) or not isinstance(value, str) or not _FIELD_NAME.fullmatch(name):
        return False
    low = name.lower()
    return low not in _NOT_THEIRS and not low.startswith("bylaw-") and bool(_FIELD_VALUE.fullmatch(value))


def _notes(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= NOTES_MAX
        and all(_word(name) and _note(note) for name, note in value.items())
    )


def _note(value: Any) -> bool:
    """The ledger's integers have 64 bits."""
    return _word(value) or type(value) is bool or (type(value) is int and -(2**63) <= value < 2**63)
