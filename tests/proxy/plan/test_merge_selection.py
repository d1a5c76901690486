"""`bylaw.plan.merge`: which rows apply, what they ask for together, and who is behind it."""

from datetime import date

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.facts import Facts
from bylaw.plan.merge import merge, select, steps_for
from bylaw.plan.packs import Pack, load_pack

TODAY = date(2026, 11, 24)
FLAG = "{mode: flag, entities: [email], regions: [US]}"


def pack(name: str, *rows: str) -> Pack:
    """A pack of rows in flow style; what a row does not say is filled in."""
    head = (
        f"pack: {name}\nversion: '1'\ntitle: t\njurisdictions: [{name.upper()}]\nas_of: 2026-01-01\nnote: n\n"
    )
    return load_pack(
        head + "sources: {}\nrows:\n" + "".join(f"  - {{{row}}}\n" for row in rows), f"{name}.yaml"
    )


def row(name: str, control: str, parameters: str, more: str = "", since: str = "2026-01-01") -> str:
    rest = "title: t, citation: c, requirement: r, certainty: verified, certainty_note: n, topic: privacy"
    binds = f"status: in_force, effective_from: {since}, does: d, people: p, evidence: e"
    duty = "evidenced" if control == "retention" else "enforced"
    tail = f", {more}" if more else ""
    return f"id: {name}, {rest}, {binds}, class: {duty}, control: {control}, parameters: {parameters}{tail}"


def asked(*packs: Pack, facts: Facts = Facts(), at: date = TODAY):  # noqa: B008
    selection = select(packs, [pack.jurisdictions[0] for pack in packs], facts, at)
    return merge(selection, facts)


@pytest.mark.parametrize(
    ("at", "applies", "reason"),
    [
        (date(2026, 1, 31), False, "applies from 2026-02-01"),
        (date(2026, 2, 1), True, ""),
        (date(2026, 2, 28), True, ""),
        (date(2026, 3, 1), False, "applied until 2026-03-01"),
    ],
)
def test_a_row_binds_from_its_first_day_to_the_day_before_its_end(at, applies, reason):
    xx = pack("xx", row("A", "privacy", FLAG, "effective_to: 2026-03-01", since="2026-02-01"))
    found = select([xx], ["XX"], Facts(), at).considered[0]
    assert (applies, reason) == (found.applies, found.reason)


@pytest.mark.parametrize(
    ("placed", "applies", "assumed"),
    [(None, True, ("placed_on_market",)), (date(2025, 12, 31), False, ()), (date(2026, 1, 1), True, ())],
)
def test_a_transition_helps_only_who_is_known_to_have_been_on_the_market(placed, applies, assumed):
    late = "transition: {placed_before: 2026-01-01, effective_from: 2027-01-01}"
    xx = pack("xx", row("A", "privacy", FLAG, late))
    found = select([xx], ["XX"], Facts(placed_on_market=placed), TODAY).considered[0]
    assert (applies, assumed) == (found.applies, found.assumed)


@pytest.mark.parametrize(
    "status", ["repealed", "draft", "guidance", "voluntary", "unconfirmed", "date_disputed"]
)
def test_what_does_not_bind_is_shown_and_does_not_apply(status):
    text = row("A", "privacy", FLAG).replace("in_force", status).replace("enforced", "operator")
    xx = pack("xx", text.replace(f", control: privacy, parameters: {FLAG}", ""))
    found = select([xx], ["XX"], Facts(), TODAY).considered[0]
    assert (False, f"{status.replace('_', ' ')}: not binding") == (found.applies, found.reason)


def test_only_packs_of_the_jurisdictions_are_considered_and_uncovered_codes_are_named():
    xx, yy = pack("xx", row("A", "privacy", FLAG)), pack("yy", row("B", "privacy", FLAG))
    selection = select([xx, yy], ["XX-1", "ZZ"], Facts(), TODAY)
    assert (["A"], ("ZZ",)) == ([item.row.id for item in selection.considered], selection.uncovered)


def test_a_row_without_the_fact_that_it_needs_is_left_to_people():
    xx = pack("xx", row("A", "limits", "{models_allowed_fact: filed_models}", "needs: [filed_models]"))
    selection = select([xx], ["XX"], Facts(), TODAY)
    assert ("operator", ("filed_models",)) == (selection.applying[0].duty, selection.missing_facts)
    assert [] == steps_for(merge(selection, Facts()))


def test_models_come_from_the_fact_that_the_row_names():
    xx = pack("xx", row("A", "limits", "{models_allowed_fact: filed_models}", "needs: [filed_models]"))
    (step,) = steps_for(asked(xx, facts=Facts({"filed_models": frozenset({"m-2", "m-1"})})))
    assert ("pack.limits", "limits", {"models_allowed": ["m-1", "m-2"]}) == (
        step.id,
        step.guard,
        step.options.plain(),
    )


def test_the_strictest_parameters_win_and_the_loser_is_named():
    xx = pack(
        "xx", row("A", "privacy", "{mode: flag, directions: [prompt], entities: [email], regions: [US]}")
    )
    yy = pack(
        "yy", row("B", "privacy", "{mode: block, directions: [reply], entities: [phone], regions: [DE]}")
    )
    merged = asked(xx, yy)
    (step,) = steps_for(merged)
    options = {"mode": "block", "entities": ["email", "phone"], "regions": ["DE", "US"]}
    assert (options, frozenset({"prompt", "reply"}), "A, B") == (step.options.plain(), step.on, step.cause)
    mode = next(cause for cause in merged.measures["privacy"].causes if cause.key == "mode")
    assert (("B",), (("A", "flag"),)) == (mode.sources, mode.lost)


def test_notices_of_several_laws_are_all_given_and_the_strictest_cadence_of_one_wins():
    once = "{notices: [{id: n, cadence: first_reply, position: end, text: {en: AI, de: KI}}]}"
    every = "{id: n, cadence: every_reply, text: {en: AI}}"
    always = f"{{header: true, notices: [{every}, {{id: o, text: {{zh: 人工智能}}}}]}}"
    (step,) = steps_for(
        asked(pack("xx", row("A", "disclosure", once)), pack("yy", row("B", "disclosure", always)))
    )
    first = {"id": "n", "cadence": "every_reply", "position": "start", "text": {"en": "AI", "de": "KI"}}
    other = {"id": "o", "cadence": "first_reply", "position": "start", "text": {"zh": "人工智能"}}
    assert {"notices": [first, other], "header": True} == step.options.plain()


def test_rules_are_united_by_name():
    one = "{rules: [{name: r, expression: foo, action: flag, replacement: bar}]}"
    rules = "{name: r, expression: foo, action: block}, {name: s, expression: baz}"
    two = f"{{rules: [{rules}], directions: [prompt]}}"
    (step,) = steps_for(
        asked(pack("xx", row("A", "content_terms", one)), pack("yy", row("B", "content_terms", two)))
    )
    rules = [
        {"name": "r", "expression": "foo", "action": "block", "replacement": "bar"},
        {"name": "s", "expression": "baz", "action": "redact"},
    ]
    assert ({"rules": rules}, frozenset({"prompt", "reply"})) == (step.options.plain(), step.on)


def test_retention_is_no_step_but_a_class_on_every_entry():
    merged = asked(
        pack("xx", row("A", "retention", "{class: a, days_min: 10}")),
        pack(
            "yy",
            row("B", "retention", "{class: a, days_min: 183}"),
            row("C", "retention", "{class: b, days_min: 1}"),
        ),
    )
    assert (("a", "b"), []) == (merged.retention, steps_for(merged))
    assert 183 == merged.values["retention"]["classes"]["a"]["days_min"]


@pytest.mark.parametrize(
    ("control", "one", "two", "key"),
    [
        ("limits", "{models_allowed: [a]}", "{models_allowed: [b]}", "models_allowed"),
        (
            "disclosure",
            "{notices: [{id: n, text: {en: x}}]}",
            "{notices: [{id: n, text: {en: y}}]}",
            "notices.n.text.en",
        ),
        (
            "content_terms",
            "{rules: [{name: r, expression: x}]}",
            "{rules: [{name: r, expression: y}]}",
            "rules.r.expression",
        ),
    ],
)
def test_rows_that_cannot_be_satisfied_together_refuse_the_plan_with_both_ids(control, one, two, key):
    with pytest.raises(ConfigError, match=f"A and B cannot be satisfied together: {control} `{key}`"):
        asked(pack("xx", row("A", control, one)), pack("yy", row("B", control, two)))


def test_a_step_points_to_the_row_that_asked_for_it_first():
    (step,) = steps_for(asked(pack("xx", row("A", "privacy", FLAG))))
    assert ("xx.yaml", 9) == (step.place.file, step.place.line)
