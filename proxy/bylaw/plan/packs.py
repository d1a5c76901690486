"""Packs: what a jurisdiction asks of an AI system at run time, as data.

Law of this module: a row says what binds, since when, how certain that is, and honestly what Bylaw does about
it. Only rows of a binding status may be enforced; every row names what is left to people. A mistake in a pack
is a `ConfigError` with file and line; nothing of a pack is skipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal

from bylaw.errors import ConfigError, Place
from bylaw.plan.controls import CONTROLS
from bylaw.plan.facts import FREE, VOCABULARY, check_word
from bylaw.plan.source import Node, parse
from bylaw.plan.typed import build, nearest

Status = Literal[
    "in_force", "adopted_future", "voluntary", "guidance", "draft", "unconfirmed", "date_disputed", "repealed"
]
Certainty = Literal["verified", "verified_secondary", "partly_verified", "general_knowledge_unverified"]
Topic = Literal[
    "disclosure", "marking", "content_filter", "privacy", "logging", "retention", "human_oversight",
    "incident_reporting", "documentation", "access",
]  # fmt: skip
Duty = Literal["enforced", "evidenced", "operator"]
BINDING = frozenset({"in_force", "adopted_future"})


@dataclass(frozen=True, slots=True)
class Transition:
    """A later start for systems that were on the market before a date."""

    placed_before: date
    effective_from: date


@dataclass(frozen=True, slots=True)
class Row:
    """One obligation.

    Args:
        id: stable id, unique in all packs.
        law: short name of the law that the citation is from.
        requirement: what the law asks, in our words.
        effective_from: first day that it applies; None only for a row that does not bind.
        effective_to: first day that it applies no more.
        certainty: how the row was read; `certainty_note` and `sources` say where.
        topic: kind of obligation.
        figures: what the text fixes: terms, figures, penalties.
        duty: `enforced` by a guard on the wire, `evidenced` by the ledger, or left to the `operator`.
        applies: by fact, the values of which the deployment must have at least one.
        unless: by fact, the values that release a deployment which has no others.
        needs: facts without which the row cannot be enforced and falls to people.
        control: which control carries it out, with what `parameters`.
        does: what Bylaw does, in one sentence.
        people: what people must do.
        evidence: what the ledger holds; for a row of the operator, what people should keep.
    """

    id: str
    title: str
    citation: str
    requirement: str
    status: Status
    certainty: Certainty
    certainty_note: str
    topic: Topic
    duty: Duty = field(metadata={"key": "class"})
    does: str
    people: str
    evidence: str
    place: Place
    law: str = ""
    effective_from: date | None = None
    effective_to: date | None = None
    transition: Transition | None = None
    sources: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    applies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unless: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    control: str = ""
    parameters: Node | None = None

    def __post_init__(self) -> None:
        for name in ("id", "title", "requirement", "certainty_note", "does", "people", "evidence"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` must not be empty")
        if self.duty != "operator" and self.status not in BINDING:
            raise ValueError(f"a row that is {self.status} does not bind, so its class must be `operator`")
        if self.status in BINDING and self.effective_from is None:
            raise ValueError("a binding row needs `effective_from`")
        if self.effective_from and self.effective_to and self.effective_to <= self.effective_from:
            raise ValueError("`effective_to` must be after `effective_from`")
        if bool(self.control) != (self.parameters is not None):
            raise ValueError("`control` and `parameters` go together")
        if self.duty == "operator" and self.control:
            raise ValueError("a row of class `operator` has no control: nothing carries it out")

    @property
    def cites(self) -> str:
        """Law and place in it, e.g. `AI Act, Art. 26(7)`."""
        return self.citation if not self.law or self.law in self.citation else f"{self.law}, {self.citation}"


@dataclass(frozen=True, slots=True)
class _File:
    name: str = field(metadata={"key": "pack"})
    version: str
    title: str
    jurisdictions: tuple[str, ...]
    as_of: date
    note: str
    sources: dict[str, str]
    rows: tuple[Row, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Pack:
    """A file of rows.

    Args:
        name: unique among the packs in use.
        version: shown in the `Bylaw-Policy` header and recorded with every exchange.
        jurisdictions: codes that it answers for (ISO 3166; a code covers its subdivisions).
        as_of: when the law was last read; `note` says how.
        sources: what was read, by label.
        rows: in the order of the file.
        place: file and line.
        digest: SHA-256 of the file, in hexadecimal digits.
    """

    name: str
    version: str
    title: str
    jurisdictions: tuple[str, ...]
    as_of: date
    note: str
    sources: Mapping[str, str]
    rows: tuple[Row, ...]
    place: Place
    digest: str

    def covers(self, code: str) -> bool:
        """Whether the pack answers for this jurisdiction or the one that it is a part of."""
        return any(code == ours or code.startswith(f"{ours}-") for ours in self.jurisdictions)


def load_pack(text: str, file: str) -> Pack:
    """Read and check one pack.

    Raises:
        ConfigError: with every mistake of the schema, or the first one of the cross-checks.
    """
    node = parse(text, file)
    read = build(_File, node)
    rows = node.find("rows").value
    for row, at in zip(read.rows, rows if isinstance(rows, list) else [], strict=True):
        _check(row, at, read.sources)
    known = {part.name: getattr(read, part.name) for part in fields(read)}
    return Pack(**known, digest=hashlib.sha256(text.encode()).hexdigest())


def check_packs(packs: Iterable[Pack]) -> None:
    """Refuse two packs of one name and two rows of one id.

    Raises:
        ConfigError: at the second one, naming the first.
    """
    seen: dict[str, Place] = {}
    for pack in packs:
        for name, place in (
            (f"pack {pack.name}", pack.place),
            *((f"row {row.id}", row.place) for row in pack.rows),
        ):
            if name in seen:
                raise ConfigError(f"{name} is already in {seen[name]}", place)
            seen[name] = place


def _check(row: Row, at: Node, sources: Mapping[str, str]) -> None:
    for label in row.sources:
        if label not in sources:
            raise at.find("sources").error(f"source `{label}` is not listed{nearest(label, sources)}")
    for key, condition in (("applies", row.applies), ("unless", row.unless)):
        for fact, words in condition.items():
            _check_condition(fact, words, at.find(key, fact))
    for fact in row.needs:
        if fact not in (valid := [*VOCABULARY, *FREE]):
            raise at.find("needs").error(f"unknown fact `{fact}`{nearest(fact, valid)}")
    _check_control(row, at)


def _check_condition(fact: str, words: tuple[str, ...], node: Node) -> None:
    if fact not in VOCABULARY:
        raise node.error(f"unknown fact `{fact}`{nearest(fact, VOCABULARY)}")
    if not words:
        raise node.error("an empty list would never hold")
    for word in words:
        check_word(fact, word, node)


def _check_control(row: Row, at: Node) -> None:
    if row.parameters is None:
        if row.duty == "enforced":
            raise at.error("a row of class `enforced` needs the control that carries it out")
        return
    control = CONTROLS.get(row.control)
    if control is None:
        raise at.find("control").error(f"unknown control `{row.control}`{nearest(row.control, CONTROLS)}")
    if (row.duty == "enforced") != bool(control.guard):
        carried = "a guard" if control.guard else "the ledger"
        raise at.find("control").error(
            f"`{row.control}` is carried out by {carried}; class `{row.duty}` is wrong"
        )
    control.read(row.parameters)
