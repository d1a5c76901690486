"""Rows and explanations as text for people, wrapped at 100 columns.

Law of this module: it words what `plan.explain` found and adds nothing to it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bylaw.plan.explain import NO_CLAIM, Explanation, facts_data, plain_value, row_data
from bylaw.plan.lattice import Cause
from bylaw.plan.merge import Considered
from bylaw.plan.packs import Pack, Row
from bylaw.plan.policy import StepSpec

WIDTH = 100
VALUE_WIDTH = 40
LEFT_MAX = 62
CERTAINTY = {
    "verified": "verified",
    "verified_secondary": "verified in accounts",
    "partly_verified": "partly verified",
    "general_knowledge_unverified": "unverified",
}
DUTIES = {
    "enforced": "Enforced on the wire (what is left of them is for people)",
    "evidenced": "Recorded in the ledger (what is left of them is for people)",
    "operator": "Apply, but only people can do them",
}


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, the last one cut at the right margin."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    for row in rows:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        yield line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def row_text(row: Row, pack: Pack, why_not: str) -> Iterator[str]:
    """Everything about one row.

    Args:
        row: the row.
        pack: its pack.
        why_not: why it does not bind today; empty if it does.
    """
    told = row_data(row, pack)
    yield f"{row.id}  {row.title}"
    yield ""
    yield from _fields(
        {
            "citation": row.cites,
            "pack": f"{pack.name} {pack.version} ({pack.title})",
            "status": row.status + (f" ({why_not})" if why_not else " (binds today)"),
            "from": told["effective_from"],
            "to": told["effective_to"],
            "transition": _transition(row),
            "certainty": f"{CERTAINTY[row.certainty]}: {row.certainty_note}",
            "requirement": row.requirement,
            "figures": _inline(row.figures),
            "applies to": _inline(told["applies"]) or "any deployment",
            "leaves out": _inline(told["unless"]),
            "needs": ", ".join(row.needs),
            "class": row.duty,
            "control": row.control,
            "Bylaw does": row.does,
            "people do": row.people,
            "evidence": row.evidence,
            **{f"source {label}": source for label, source in told["sources"].items()},
        }
    )
    if told["parameters"]:
        yield ""
        yield "parameters"
        yield from _tree(told["parameters"], 2)
    yield ""
    yield from textwrap.wrap(pack.note, WIDTH)


def explanation_text(told: Explanation) -> Iterator[str]:
    """The whole explanation, ending with what it is not."""
    yield from _heading(told)
    yield from _section("Steps, in their order")
    for number, step in enumerate(told.steps, 1):
        yield from _step(number, step, told)
    for step in told.left_out:
        yield f"  -  {step.id}: left out, its `when` does not hold here"
    for duty, title in DUTIES.items():
        yield from _section(title)
        yield from _rows(told.rows(duty))
    yield from _section("Considered, not applying")
    skipped = told.selection.not_applying
    yield from _hanging([(f"  {item.row.id}", f"{item.reason} [{_certain(item.row)}]") for item in skipped])
    if not skipped:
        yield "  none"
    yield ""
    yield from textwrap.wrap(NO_CLAIM, WIDTH)


def _heading(told: Explanation) -> Iterator[str]:
    selection = told.selection
    observed = "" if told.policy.enforce else " (observes only: every step is shadow, no byte is changed)"
    yield from _fields(
        {
            "plan for": ", ".join(sorted(selection.jurisdictions)) + f" on {selection.at}",
            "route": told.route or "any",
            "profile": told.policy.name + observed,
            "unread parts": {"record": "recorded", "block": "block the exchange"}[told.policy.unread],
            "packs": ", ".join(f"{pack.name} {pack.version}" for pack in told.packs) or "none",
            "facts": _inline(facts_data(told.facts)) or "none given",
            "unknown facts": _unknown(selection.unknown_facts),
            "missing facts": _missing(selection.missing_facts),
            "not covered": _uncovered(selection.uncovered),
            "retention": ", ".join(told.merged.retention),
        }
    )


def _unknown(facts: Sequence[str]) -> str:
    return f"{', '.join(facts)} (the stricter reading was taken)" if facts else ""


def _missing(facts: Sequence[str]) -> str:
    return f"{', '.join(facts)} (the rows that need them are left to people)" if facts else ""


def _uncovered(codes: Sequence[str]) -> str:
    return (
        f"{', '.join(codes)}: no pack in use answers for it, so nothing is asked on its behalf"
        if codes
        else ""
    )


def _step(number: int, step: StepSpec, told: Explanation) -> Iterator[str]:
    mode = "" if step.enforce else ", shadow: records what it would do, changes nothing"
    yield f"{number:>3}  {step.id}: guard {step.guard} on {' and '.join(sorted(step.on))}{mode}"
    causes = told.causes(step)
    about = {"asked by": step.cause, "where": str(step.place), "on error": step.on_error}
    yield from _fields(about if causes else {**about, "options": _inline(step.options.plain())}, 5)
    yield from _hanging([(f"     {key}", who) for key, who in _parameters(causes)])


def _parameters(causes: Iterable[Cause]) -> Iterator[tuple[str, str]]:
    """One line a parameter; the texts of a notice in all languages are one."""
    texts: dict[str, list[Cause]] = {}
    for cause in causes:
        name, found, _language = cause.key.rpartition(".text.")
        if found:
            texts.setdefault(name, []).append(cause)
        else:
            yield f"{cause.key} = {_short(cause.value)}", _who(cause)
    for name, group in texts.items():
        rows = dict.fromkeys(row for cause in group for row in cause.sources)
        languages = ", ".join(cause.key.rpartition(".")[2] for cause in group)
        yield f"{name}.text", f"{', '.join(rows)}; languages: {languages}"


def _who(cause: Cause) -> str:
    lost = "".join(f"; {row} asked for {_short(value)}" for row, value in cause.lost)
    return ", ".join(cause.sources) + lost


def _rows(items: Sequence[Considered]) -> Iterator[str]:
    for item in items:
        yield from _hanging([(f"  {item.row.id}", f"{item.row.title} [{_certain(item.row)}]")])
        does = item.row.does
        if item.missing:
            does = f"Nothing here: the fact {' and '.join(item.missing)} is not given."
        assumed = f"{', '.join(item.assumed)} unknown, so the row is taken to apply" if item.assumed else ""
        yield from _fields(
            {"cited": item.row.cites, "Bylaw": does, "people": item.row.people, "assumed": assumed}, 4
        )
    if not items:
        yield "  none"


def _certain(row: Row) -> str:
    return CERTAINTY[row.certainty]


def _transition(row: Row) -> str:
    if row.transition is None:
        return ""
    return (
        f"systems on the market before {row.transition.placed_before}: from {row.transition.effective_from}"
    )


def _section(title: str) -> Iterator[str]:
    yield ""
    yield title
    yield "-" * len(title)


def _fields(named: dict[str, Any], indent: int = 0) -> Iterator[str]:
    """`name  value` with aligned values; empty ones are left out."""
    given = {name: str(value) for name, value in named.items() if value}
    width = max((len(name) for name in given), default=0)
    for name, value in given.items():
        first = f"{' ' * indent}{name.ljust(width)}  "
        yield from textwrap.wrap(value, WIDTH, initial_indent=first, subsequent_indent=" " * len(first),
                                 break_on_hyphens=False)  # fmt: skip


def _hanging(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Left cells in one column, right cells wrapped beside them."""
    width = min(max((len(left) for left, _ in pairs), default=0), LEFT_MAX)
    for left, right in pairs:
        first = f"{left.ljust(width)}  "
        if len(left) > width:
            yield from textwrap.wrap(left, WIDTH, subsequent_indent=" " * 7, break_on_hyphens=False)
            first = " " * (width + 2)
        yield from textwrap.wrap(right, WIDTH, initial_indent=first, subsequent_indent=" " * (width + 2),
                                 break_on_hyphens=False)  # fmt: skip


def _tree(value: Any, indent: int) -> Iterator[str]:
    """Nested data, one scalar a line."""
    pairs = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for name, item in pairs:
        nested = isinstance(item, dict) or (
            isinstance(item, list) and any(isinstance(part, dict) for part in item)
        )
        if nested:
            yield f"{' ' * indent}{name}"
            yield from _tree(item, indent + 2)
        else:
            yield from textwrap.wrap(
                f"{name}  {_inline(item)}", WIDTH, initial_indent=" " * indent,
                subsequent_indent=" " * (indent + 4), break_on_hyphens=False,
            )  # fmt: skip


def _inline(value: Any) -> str:
    """Plain data on one line, without the quotes and braces of a programming language."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_inline(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(f"({_inline(part)})" if isinstance(part, dict) else _inline(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _short(value: Any) -> str:
    text = _inline(plain_value(value))
    return text if len(text) <= VALUE_WIDTH else text[: VALUE_WIDTH - 1] + "…"
