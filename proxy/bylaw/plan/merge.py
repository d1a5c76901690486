"""Which rows apply, what they ask for together, and the steps that carry it out.

Law of this module: adding a jurisdiction never loosens anything; what is not known is taken strictly and
named. Every parameter of a step can be traced to the rows that asked for it. Rows that no single answer can
satisfy refuse the plan, with both ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bylaw.errors import ConfigError, Place
from bylaw.plan.controls import CONTROLS, Control
from bylaw.plan.facts import Facts, match
from bylaw.plan.lattice import Cause, Value
from bylaw.plan.packs import BINDING, Duty, Pack, Row
from bylaw.plan.policy import PACK_PREFIX, StepSpec
from bylaw.plan.source import from_plain


@dataclass(frozen=True, slots=True)
class Considered:
    """One row of a pack that covers the jurisdictions, and what became of it.

    Args:
        pack: name of its pack.
        applies: whether it applies; if not, `reason` says why.
        assumed: unknown facts that were taken strictly.
        missing: facts without which it cannot be enforced and is left to people.
    """

    row: Row
    pack: str
    applies: bool
    reason: str = ""
    assumed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def duty(self) -> Duty:
        """Who carries it out here: the row's class, or the operator where a fact is missing."""
        return "operator" if self.missing else self.row.duty


@dataclass(frozen=True, slots=True)
class Selection:
    """Every row that was looked at, on one date, for one set of jurisdictions.

    Args:
        uncovered: codes that no pack answers for.
    """

    at: date
    jurisdictions: frozenset[str]
    considered: tuple[Considered, ...]
    uncovered: tuple[str, ...]

    @property
    def applying(self) -> tuple[Considered, ...]:
        """Those that apply."""
        return tuple(item for item in self.considered if item.applies)

    @property
    def not_applying(self) -> tuple[Considered, ...]:
        """Those that do not, each with its reason."""
        return tuple(item for item in self.considered if not item.applies)

    @property
    def unknown_facts(self) -> tuple[str, ...]:
        """Facts that were taken strictly, so that a row applies."""
        return tuple(sorted({fact for item in self.applying for fact in item.assumed}))

    @property
    def missing_facts(self) -> tuple[str, ...]:
        """Facts without which a row that applies is left to people."""
        return tuple(sorted({fact for item in self.applying for fact in item.missing}))


@dataclass(frozen=True, slots=True)
class Measure:
    """The joined parameters of one control, and who is behind each.

    Args:
        value: element of the control's lattice.
        causes: leaf by leaf.
        rows: ids of all rows that asked, in the order of the packs.
        place: of the first of them.
    """

    control: Control
    value: Value
    causes: tuple[Cause, ...]
    rows: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Merged:
    """Everything that the applying rows ask for, by control."""

    measures: Mapping[str, Measure]

    @property
    def values(self) -> dict[str, Value]:
        """Lattice values by control, e.g. for `controls.loosens`."""
        return {name: measure.value for name, measure in self.measures.items()}

    @property
    def retention(self) -> tuple[str, ...]:
        """Names of the retention classes that every entry bears."""
        measure = self.measures.get("retention")
        return tuple(sorted(measure.value["classes"])) if measure else ()


def select(packs: Sequence[Pack], jurisdictions: Iterable[str], facts: Facts, at: date) -> Selection:
    """Sort the rows of the packs that cover `jurisdictions`: which apply on this date, which do not, why."""
    codes = frozenset(jurisdictions)
    covering = [pack for pack in packs if any(pack.covers(code) for code in codes)]
    considered = tuple(_consider(row, pack, facts, at) for pack in covering for row in pack.rows)
    uncovered = tuple(sorted(code for code in codes if not any(pack.covers(code) for pack in packs)))
    return Selection(at, codes, considered, uncovered)


def merge(selection: Selection, facts: Facts) -> Merged:
    """Join what the applying rows ask for.

    Raises:
        ConfigError: rows that cannot be satisfied together, naming them.
    """
    asked: dict[str, list[tuple[Row, Value]]] = {}
    for item in selection.applying:
        if item.row.parameters is not None and item.duty != "operator":
            control = CONTROLS[item.row.control]
            asked.setdefault(control.name, []).append(
                (item.row, control.lift(control.read(item.row.parameters), facts))
            )
    return Merged({name: _measure(CONTROLS[name], asked[name]) for name in CONTROLS if name in asked})


def steps_for(merged: Merged) -> list[StepSpec]:
    """One step for each control that a guard carries out."""
    return [_step(measure) for measure in merged.measures.values() if measure.control.guard]


def in_force(row: Row, facts: Facts, at: date) -> str:
    """Why a row does not bind on a date; empty if it does."""
    if row.status not in BINDING:
        return f"{row.status.replace('_', ' ')}: not binding"
    since = _since(row, facts)
    if since is None or at < since:
        return f"applies from {since}"
    return f"applied until {row.effective_to}" if row.effective_to and at >= row.effective_to else ""


def _since(row: Row, facts: Facts) -> date | None:
    late = row.transition
    if late and facts.placed_on_market and facts.placed_on_market < late.placed_before:
        return late.effective_from
    return row.effective_from


def _consider(row: Row, pack: Pack, facts: Facts, at: date) -> Considered:
    if reason := in_force(row, facts, at):
        return Considered(row, pack.name, False, reason)
    found = match(row.applies, row.unless, facts)
    if not found.holds:
        return Considered(row, pack.name, False, found.reason)
    dated = ("placed_on_market",) if row.transition and facts.placed_on_market is None else ()
    missing = tuple(fact for fact in row.needs if fact not in facts.known)
    return Considered(row, pack.name, True, assumed=(*found.assumed, *dated), missing=missing)


def _measure(control: Control, asked: Sequence[tuple[Row, Value]]) -> Measure:
    given = [(row.id, value) for row, value in asked]
    joined = control.lattice.join_all(value for _, value in given)
    causes = tuple(control.lattice.causes(given))
    for key in control.lattice.conflicts(joined):
        _refuse(control, key, next(cause for cause in causes if cause.key == key), asked[0][0].place)
    return Measure(control, joined, causes, tuple(row.id for row, _ in asked), asked[0][0].place)


def _refuse(control: Control, key: str, cause: Cause, place: Place) -> None:
    rows = (*cause.sources, *(source for source, _ in cause.lost))
    raise ConfigError(f"{' and '.join(rows)} cannot be satisfied together: {control.name} `{key}`", place)


def _step(measure: Measure) -> StepSpec:
    options: dict[str, Any] = measure.control.options(measure.value)
    return StepSpec(
        id=PACK_PREFIX + measure.control.name,
        guard=measure.control.guard,
        options=from_plain(options, measure.place),
        on=measure.control.directions(measure.value),
        place=measure.place,
        cause=", ".join(measure.rows),
    )
