"""Adding a jurisdiction never loosens anything: for packs that nobody wrote, and for those that ship."""

from datetime import date
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bylaw_policies
from bylaw.errors import ConfigError
from bylaw.plan.controls import loosens
from bylaw.plan.facts import PURPOSES, Facts
from bylaw.plan.merge import Merged, merge, select
from bylaw.plan.packs import Pack, load_pack

SHIPPED = tuple(load_pack(resource.text, resource.file) for resource in bylaw_policies.packs())
DATES = (date(2025, 1, 1), date(2026, 7, 1), date(2026, 11, 24), date(2027, 12, 2), date(2029, 1, 1))
CODES = tuple(pack.jurisdictions[0] for pack in SHIPPED)
WORDS = st.sampled_from(["a", "b", "c"])
SOME = st.lists(WORDS, min_size=1, max_size=3, unique=True)
BOTH = st.sampled_from([["prompt"], ["reply"], ["prompt", "reply"]])

PARAMETERS = {
    "disclosure": st.fixed_dictionaries(
        {
            "header": st.booleans(),
            "notices": st.lists(
                st.fixed_dictionaries(
                    {
                        "id": WORDS,
                        "cadence": st.sampled_from(["first_reply", "every_reply"]),
                        "position": st.sampled_from(["start", "end"]),
                        "text": st.just({"en": "AI"}),
                    }
                ),
                max_size=3,
                unique_by=lambda notice: notice["id"],
            ),
        }
    ),
    "privacy": st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["flag", "placeholder", "redact", "block"]),
            "directions": BOTH,
            "entities": SOME,
            "regions": SOME,
        }
    ),
    "limits": st.fixed_dictionaries(
        {"models_allowed": st.none() | SOME, "prompt_chars_max": st.none() | st.integers(1, 9)}
    ),
    "content_terms": st.fixed_dictionaries(
        {
            "directions": BOTH,
            "rules": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": WORDS,
                        "expression": WORDS,
                        "action": st.sampled_from(["flag", "redact", "block"]),
                    }
                ),
                min_size=1,
                max_size=2,
                unique_by=lambda rule: rule["name"],
            ),
        }
    ),
    "retention": st.fixed_dictionaries({"class": WORDS, "days_min": st.integers(1, 9)}),
}


def flow(value) -> str:
    """Plain data as a YAML flow value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {flow(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(part) for part in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@st.composite
def packs(draw) -> tuple[Pack, ...]:
    """Three packs of up to three rows, some of which need a purpose."""
    made = []
    for name in ("XX", "YY", "ZZ"):
        rows = []
        for number in range(draw(st.integers(0, 3))):
            control = draw(st.sampled_from(sorted(PARAMETERS)))
            row = {
                "id": f"{name}-{number}", "title": "t", "citation": "c", "requirement": "r",
                "status": "in_force", "topic": "privacy",
                "effective_from": "2026-01-01", "certainty": "verified", "certainty_note": "n",
                "class": "evidenced" if control == "retention" else "enforced", "control": control,
                "applies": draw(st.sampled_from([{}, {"purpose": ["companion"]}, {"purpose": ["coding"]}])),
                "parameters": draw(PARAMETERS[control]), "does": "d", "people": "p", "evidence": "e",
            }  # fmt: skip
            rows.append(row)
        text = (
            f"pack: {name}\nversion: '1'\ntitle: t\njurisdictions: [{name}]\nas_of: 2026-01-01\nnote: n\n"
            f"sources: {{}}\nrows: {flow(rows)}\n"
        )
        made.append(load_pack(text, f"{name}.yaml"))
    return tuple(made)


def merged(some: tuple[Pack, ...], codes, facts: Facts, at: date) -> Merged | None:
    """What the packs ask for; None where the plan is refused."""
    try:
        return merge(select(some, codes, facts, at), facts)
    except ConfigError:
        return None


FACTS = st.builds(
    Facts,
    st.dictionaries(st.just("purpose"), st.frozensets(st.sampled_from(["companion", "coding"]), min_size=1)),
)


@settings(max_examples=50, deadline=None)
@given(packs(), FACTS)
def test_one_more_jurisdiction_never_loosens_and_never_revives_a_refused_plan(some, facts):
    before, after = (merged(some, codes, facts, DATES[2]) for codes in (["XX", "YY"], ["XX", "YY", "ZZ"]))
    assert after is None or (before is not None and () == loosens(before.values, after.values))


@settings(max_examples=25, deadline=None)
@given(packs(), FACTS)
def test_the_order_of_packs_and_jurisdictions_does_not_matter(some, facts):
    plain = merged(some, ["XX", "YY", "ZZ"], facts, DATES[2])
    turned = merged(some[::-1], ["ZZ", "YY", "XX"], facts, DATES[2])
    assert (plain and plain.values) == (turned and turned.values)


@settings(max_examples=25, deadline=None)
@given(packs(), FACTS)
def test_knowing_less_never_loosens(some, facts):
    known, unknown = (merged(some, ["XX", "YY"], some_facts, DATES[2]) for some_facts in (facts, Facts()))
    assert unknown is None or (known is not None and () == loosens(known.values, unknown.values))


def facts_of(purpose: str | None) -> Facts:
    return Facts({"purpose": frozenset({purpose})} if purpose else {})


@pytest.mark.parametrize("at", DATES, ids=str)
@pytest.mark.parametrize(
    "purpose", [None, "companion", "health", "commerce", "general_assistant", "internal_only"]
)
def test_shipped_packs_never_loosen_each_other(at, purpose):
    facts = facts_of(purpose)
    for size in range(len(CODES)):
        for codes in combinations(CODES, size):
            before = merged(SHIPPED, codes, facts, at)
            for more in set(CODES) - set(codes):
                after = merged(SHIPPED, [*codes, more], facts, at)
                assert () == loosens(before.values, after.values)


@pytest.mark.parametrize("purpose", [None, *PURPOSES])
def test_shipped_packs_can_be_satisfied_together_whatever_their_order(purpose):
    facts = facts_of(purpose)
    values = [merged(order, CODES, facts, DATES[2]).values for order in permutations(SHIPPED)]
    assert [values[0]] * len(values) == values
