"""Why a plan is as it is: steps, parameters, rows, people.

Law of this module: an explanation is made from what the plan is made from, by the same functions. It lists
every row that was looked at, never only those that were carried out, and it never says that anybody complies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bylaw.plan.facts import Facts
from bylaw.plan.lattice import Cause
from bylaw.plan.merge import Considered, Merged, Selection, merge, select, steps_for
from bylaw.plan.packs import Pack, Row
from bylaw.plan.policy import PACK_PREFIX, Policy, StepSpec, with_steps

NO_CLAIM = (
    "This says what Bylaw does and records, and what it leaves to people. It is no legal advice and no"
    " statement that anybody complies with any law."
)


DUTIES = ("enforced", "evidenced", "operator")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind the plan of one route under some jurisdictions on one date.

    Args:
        policy: profile and policies, with the steps of the packs.
        packs: those that cover one of the jurisdictions.
        route: path prefix, or None for any route.
        steps: the steps that run; `left_out`: those whose `when` does not hold.
    """

    policy: Policy
    packs: tuple[Pack, ...]
    facts: Facts
    route: str | None
    selection: Selection
    merged: Merged
    steps: tuple[StepSpec, ...]
    left_out: tuple[StepSpec, ...]

    def rows(self, duty: str) -> tuple[Considered, ...]:
        """The rows that apply and are carried out so (`enforced`, `evidenced`, `operator`)."""
        return tuple(item for item in self.selection.applying if item.duty == duty)

    def causes(self, step: StepSpec) -> tuple[Cause, ...]:
        """Who is behind each parameter of a step of the packs; empty for a step of a policy."""
        measure = self.merged.measures.get(step.id.removeprefix(PACK_PREFIX))
        return measure.causes if measure and step.id.startswith(PACK_PREFIX) else ()


def explain(
    policy: Policy,
    packs: Sequence[Pack],
    jurisdictions: Iterable[str],
    facts: Facts,
    at: date,
    *,
    route: str | None = None,
) -> Explanation:
    """Explain the plan.

    Raises:
        ConfigError: rows that cannot be satisfied together.
    """
    selection = select(packs, jurisdictions, facts, at)
    merged = merge(selection, facts)
    whole = with_steps(policy, steps_for(merged))
    runs = {step.id: step.when.holds(selection.jurisdictions, route) for step in whole.steps}
    return Explanation(
        policy=whole,
        packs=tuple(pack for pack in packs if any(pack.covers(code) for code in selection.jurisdictions)),
        facts=facts,
        route=route,
        selection=selection,
        merged=merged,
        steps=tuple(step for step in whole.steps if runs[step.id]),
        left_out=tuple(step for step in whole.steps if not runs[step.id]),
    )


def as_data(told: Explanation) -> dict[str, Any]:
    """The explanation as plain data, for JSON."""
    selection = told.selection
    return {
        "at": selection.at.isoformat(),
        "jurisdictions": sorted(selection.jurisdictions),
        "uncovered": list(selection.uncovered),
        "route": told.route,
        "policy": {"name": told.policy.name, "unread": told.policy.unread, "enforce": told.policy.enforce},
        "packs": [{"name": pack.name, "version": pack.version, "digest": pack.digest} for pack in told.packs],
        "facts": facts_data(told.facts),
        "unknown_facts": list(selection.unknown_facts),
        "missing_facts": list(selection.missing_facts),
        "steps": [_step_data(step, told) for step in told.steps],
        "left_out": [step.id for step in told.left_out],
        "retention": list(told.merged.retention),
        **{duty: [_applying_data(item) for item in told.rows(duty)] for duty in DUTIES},
        "not_applying": [{**_head(item.row), "pack": item.pack, "reason": item.reason}
                         for item in selection.not_applying],
        "notice": NO_CLAIM,
    }  # fmt: skip


def row_data(row: Row, pack: Pack) -> dict[str, Any]:
    """A whole row as plain data, with the sources that it names."""
    return {
        **_head(row),
        "pack": pack.name,
        "pack_version": pack.version,
        "requirement": row.requirement,
        "certainty_note": row.certainty_note,
        "sources": {label: pack.sources[label] for label in row.sources},
        "effective_from": row.effective_from and row.effective_from.isoformat(),
        "effective_to": row.effective_to and row.effective_to.isoformat(),
        "transition": row.transition and {"placed_before": row.transition.placed_before.isoformat(),
                                          "effective_from": row.transition.effective_from.isoformat()},
        "topic": row.topic,
        "figures": row.figures,
        "applies": {name: list(words) for name, words in row.applies.items()},
        "unless": {name: list(words) for name, words in row.unless.items()},
        "needs": list(row.needs),
        "control": row.control or None,
        "parameters": row.parameters.plain() if row.parameters else None,
        "does": row.does,
        "people": row.people,
        "evidence": row.evidence,
    }  # fmt: skip


def facts_data(facts: Facts) -> dict[str, Any]:
    """What is known, as plain data."""
    known: dict[str, Any] = {name: sorted(words) for name, words in sorted(facts.known.items())}
    return known | (
        {"placed_on_market": facts.placed_on_market.isoformat()} if facts.placed_on_market else {}
    )


def plain_value(value: Any) -> Any:
    """A lattice value as plain data: a set as a sorted list."""
    return sorted(value) if isinstance(value, frozenset) else value


def _head(row: Row) -> dict[str, Any]:
    return {"id": row.id, "title": row.title, "citation": row.cites, "status": row.status,
            "certainty": row.certainty, "class": row.duty}  # fmt: skip


def _applying_data(item: Considered) -> dict[str, Any]:
    return {
        **_head(item.row),
        "pack": item.pack,
        "assumed": list(item.assumed),
        "missing_facts": list(item.missing),
        "does": item.row.does,
        "people": item.row.people,
        "evidence": item.row.evidence,
    }


def _step_data(step: StepSpec, told: Explanation) -> dict[str, Any]:
    return {
        "id": step.id,
        "guard": step.guard,
        "on": sorted(step.on),
        "on_error": step.on_error,
        "enforce": step.enforce,
        "mandatory": step.mandatory,
        "cause": step.cause,
        "place": str(step.place),
        "options": step.options.plain(),
        "parameters": [_cause_data(cause) for cause in told.causes(step)],
    }


def _cause_data(cause: Cause) -> dict[str, Any]:
    lost = [{"row": row, "value": plain_value(value)} for row, value in cause.lost]
    return {"key": cause.key, "value": plain_value(cause.value), "rows": list(cause.sources), "lost": lost}
