"""What counts as a verdict, and what is nonsense; the rest of it is in test_guard_faults, over real sockets."""

from __future__ import annotations

import pytest

from bylaw.exchange import Exchange, seal
from bylaw.plan.sound import edits_fit, is_sound
from bylaw.testing import make_prompt
from bylaw.verdict import Action, Edit, Finding, Verdict

SOUND = [
    Verdict.allow(headers={"AI-Disclosure": "yes; a=caf\xe9"}, notes={"count": 3, "seen": True, "kind": "x"}),
    Verdict.flag([Finding("email", 0, 1, 5)]),
    Verdict.edit([Edit(0, 0, 5, "EMAIL", restore=True)], hold=None),
    Verdict.block("no", "Not this."),
]
NONSENSE = [
    None,
    "block",
    Verdict(Action.FLAG, "x" * 1000),
    Verdict(Action.FLAG, "x", "m" * 100_000),
    Verdict(Action.FLAG, "x", findings=(("email", 0, 1),)),  # type: ignore[arg-type]
    Verdict(Action.EDIT, "x", edits=(Edit(True, 0, 1, "x"),)),
    Verdict.allow(headers={"X A": "1"}),
    Verdict.allow(headers={"X": "\u4eba"}),
    Verdict.allow(headers={f"X-{n}": "1" for n in range(100)}),
    Verdict.allow(notes={f"n{n}": 1 for n in range(100)}),
    Verdict.allow(notes={"text": "x" * 1000}),
    Verdict.allow(notes={"nothing": None}),  # type: ignore[dict-item]
    Verdict(hold=1.5),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("verdict", SOUND)
def test_a_verdict_of_the_declared_types_is_sound(verdict: Verdict) -> None:
    assert is_sound(verdict)
    assert edits_fit(verdict, make_prompt("hello"))


@pytest.mark.parametrize("verdict", NONSENSE, ids=range(len(NONSENSE)))
def test_anything_else_is_nonsense(verdict: object) -> None:
    assert not is_sound(verdict)


@pytest.mark.parametrize(
    "edit", [Edit(1, 0, 0), Edit(-1, 0, 0), Edit(0, 0, 6), Edit(0, -1, 0), Edit(0, 3, 2)]
)
def test_an_edit_outside_of_the_text_does_not_fit(edit: Edit) -> None:
    assert not edits_fit(Verdict.edit([edit]), make_prompt("hello"))


@pytest.mark.parametrize("name", ["caller", "tenant", "id", "jurisdictions", "state"])
def test_a_sealed_exchange_is_read_only_but_for_its_scratch_space(name: str) -> None:
    exchange = Exchange("e1")
    seal(exchange)
    with pytest.raises(AttributeError, match="read-only"):
        setattr(exchange, name, "x")
    exchange.state["mine"] = 1
    assert ("e1", {"mine": 1}) == (exchange.id, exchange.state)
