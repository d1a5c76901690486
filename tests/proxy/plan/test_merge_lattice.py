"""`bylaw.plan.lattice` and `controls`: the laws of a join, on values of every control."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bylaw.plan.controls import CONTROLS, loosens
from bylaw.plan.lattice import (
    Cause,
    Chain,
    Either,
    Exactly,
    Highest,
    Keyed,
    Lattice,
    Lowest,
    Members,
    Record,
    Within,
)

WORDS = st.sampled_from(["a", "b", "c"])


def values(lattice: Lattice) -> st.SearchStrategy:
    """Any value of a lattice, its bottom included."""
    match lattice:
        case Either():
            return st.booleans()
        case Chain():
            return st.none() | st.sampled_from(lattice.levels)
        case Highest() | Lowest():
            return st.none() | st.integers(0, 5)
        case Within():
            return st.none() | st.frozensets(WORDS)
        case Members():
            return st.frozensets(WORDS)
        case Keyed():
            return st.dictionaries(WORDS, values(lattice.item), max_size=3)
        case Record():
            return st.fixed_dictionaries({name: values(part) for name, part in lattice.parts.items()})
    raise AssertionError(lattice)


each_control = pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)


@each_control
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_join_is_associative_commutative_and_idempotent(control, data):
    lattice = control.lattice
    a, b, c = (data.draw(values(lattice)) for _ in range(3))
    assert lattice.join(lattice.join(a, b), c) == lattice.join(a, lattice.join(b, c))
    assert lattice.join(a, b) == lattice.join(b, a)
    assert a == lattice.join(a, a)
    assert a == lattice.join(a, lattice.bottom)


@each_control
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_join_is_at_least_as_strict_as_both_and_nothing_below_it_is(control, data):
    lattice = control.lattice
    a, b, c = (data.draw(values(lattice)) for _ in range(3))
    joined = lattice.join(a, b)
    assert (True, True) == (lattice.leq(a, joined), lattice.leq(b, joined))
    assert (lattice.leq(a, c) and lattice.leq(b, c)) == lattice.leq(joined, c)


@each_control
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_conflict_never_goes_away_by_asking_for_more(control, data):
    lattice = control.lattice
    a, b = data.draw(values(lattice)), data.draw(values(lattice))
    assert set(lattice.conflicts(a)) <= set(lattice.conflicts(lattice.join(a, b)))


@each_control
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_leaf_that_is_asked_for_has_a_cause_among_those_who_asked(control, data):
    lattice = control.lattice
    given_ = [(name, data.draw(values(lattice))) for name in ("A", "B", "C")]
    for cause in lattice.causes(given_):
        assert set(cause.sources) <= {"A", "B", "C"}
        assert not set(cause.sources) & {source for source, _ in cause.lost}
        assert cause.sources


@pytest.mark.parametrize(
    ("lattice", "looser", "stricter"),
    [
        (Either(), False, True),
        (Chain(("flag", "redact", "block")), "flag", "block"),
        (Chain(("flag", "block")), None, "flag"),
        (Highest(), 30, 183),
        (Lowest(), 100, 10),
        (Lowest(), None, 10),
        (Within(), frozenset("ab"), frozenset("a")),
        (Within(), None, frozenset("a")),
        (Members(), frozenset("a"), frozenset("ab")),
    ],
)
def test_order_of_strictness(lattice, looser, stricter):
    assert (True, False) == (lattice.leq(looser, stricter), lattice.leq(stricter, looser))


def test_what_nobody_can_satisfy_is_a_conflict_with_its_key():
    lattice = Record({"models": Within(), "texts": Keyed(Exactly())})
    joined = lattice.join(
        {"models": frozenset("a"), "texts": {"en": frozenset({"x"})}},
        {"models": frozenset("b"), "texts": {"en": frozenset({"y"}), "de": frozenset({"z"})}},
    )
    assert ["models", "texts.en"] == list(lattice.conflicts(joined))


def test_a_cause_names_who_won_and_what_lost():
    lattice = Record({"mode": Chain(("flag", "redact", "block")), "header": Either()})
    asked = [("A", {"mode": "flag", "header": False}), ("B", {"mode": "block", "header": False})]
    assert [Cause("mode", "block", ("B",), (("A", "flag"),))] == list(lattice.causes(asked))


def test_loosens_names_the_controls_that_ask_for_less():
    strict = {"limits": {"models_allowed": None, "prompt_chars_max": 10, "max_tokens_max": None}}
    loose = {"limits": {"models_allowed": None, "prompt_chars_max": 20, "max_tokens_max": None}}
    assert (("limits",), (), ("limits",)) == (
        loosens(strict, loose),
        loosens(loose, strict),
        loosens(strict, {}),
    )
