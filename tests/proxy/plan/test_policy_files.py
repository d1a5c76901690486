"""`bylaw.plan.policy`: what a policy file says, and what it may not say."""

import hashlib

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.policy import StepSpec, When, combine, load_policy, with_steps
from bylaw.plan.source import Node

FULL = """\
policy: mine
summary: everything that can be said
unread: block
steps:
  - id: first
    guard: pii
    on: [prompt]
    options: {mode: redact, regions: [DE]}
    on_error: flag
    enforce: false
    mandatory: true
    when: {jurisdictions: [EU], routes: [/v1/]}
  - guard: secrets
"""


def test_a_step_says_everything_that_a_policy_file_gave_it():
    step = load_policy(FULL, "mine.yaml").steps[0]
    options = step.options.plain()
    assert ("first", "pii", {"mode": "redact", "regions": ["DE"]}) == (step.id, step.guard, options)
    assert (frozenset({"prompt"}), "flag", False, True) == (
        step.on,
        step.on_error,
        step.enforce,
        step.mandatory,
    )
    assert When(("EU",), ("/v1/",)) == step.when
    assert ("mine.yaml", 5, "policy mine") == (step.place.file, step.place.line, step.cause)


def test_a_step_that_says_nothing_blocks_on_error_and_runs_both_ways_under_the_name_of_its_guard():
    step = load_policy(FULL, "mine.yaml").steps[1]
    assert ("secrets", {}, "block", True, False) == (
        step.id,
        step.options.plain(),
        step.on_error,
        step.enforce,
        step.mandatory,
    )
    assert frozenset({"prompt", "reply"}) == step.on


def test_options_keep_their_line_so_that_a_guard_can_refuse_them_where_they_stand():
    options = load_policy(FULL, "mine.yaml").steps[0].options
    assert ("mine.yaml", 8) == (options.find("mode").place.file, options.find("mode").place.line)


def test_the_digest_is_that_of_the_file():
    assert hashlib.sha256(FULL.encode()).hexdigest() == load_policy(FULL, "mine.yaml").digest


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("policy: p\nstep: []\n", 2, "steps"),
        ("policy: p\nsteps:\n  - guard: a\n    optons: {}\n", 4, "options"),
        ("policy: p\nunread: ignore\n", 2, "record"),
        ("policy: p\nsteps:\n  - guard: a\n    on: [request]\n", 4, "prompt"),
        ("policy: p\nsteps:\n  - guard: a\n    on: []\n", 3, "never run"),
        ("policy: p\nsteps:\n  - guard: a\n    on_error: pass\n", 4, "block"),
        ("policy: p\nsteps:\n  - guard: a\n    enforce: no\n", 4, "enforce"),
        ("policy: p\nsteps:\n  - guard: a\n    id: pack.disclosure\n", 3, "not starting with"),
        ("policy: p\nsteps:\n  - guard: a\n    id: A B\n", 3, "lower-case"),
        ("policy: p\nsteps:\n  - guard: a\n  - guard: a\n", 4, "already used"),
        ("policy: p\nsteps:\n  - id: a\n", 3, "guard"),
        ("policy: p\nsteps:\n  - guard: a\n    when: {jurisdiction: [EU]}\n", 4, "jurisdictions"),
        ("summary: no name\n", 1, "policy"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, line, words):
    with pytest.raises(ConfigError) as caught:
        load_policy(text, "p.yaml")
    assert ("p.yaml", line) == (caught.value.place.file, caught.value.place.line)
    assert words in str(caught.value)


def test_policies_are_appended_and_the_stricter_answer_about_unread_parts_holds():
    profile = load_policy("policy: base\nsteps: [{guard: secrets}]\n", "base.yaml")
    added = load_policy("policy: more\nunread: block\nsteps: [{guard: pii}]\n", "more.yaml")
    both = combine(profile, [added])
    assert (["secrets", "pii"], "block", "base+more") == (
        [step.id for step in both.steps],
        both.unread,
        both.name,
    )


def test_two_files_cannot_use_one_step_id():
    profile = load_policy("policy: base\nsteps: [{guard: secrets}]\n", "base.yaml")
    with pytest.raises(ConfigError, match=r"more.yaml:2.*base.yaml:2"):
        combine(profile, [load_policy("policy: more\nsteps: [{guard: secrets}]\n", "more.yaml")])


def test_an_observer_changes_no_byte_whatever_is_added_to_it():
    observer = load_policy(
        "policy: watch\nenforce: false\nunread: block\nsteps: [{guard: secrets}]\n", "w.yaml"
    )
    added = load_policy("policy: more\nunread: block\nsteps: [{guard: pii}]\n", "more.yaml")
    pack_step = StepSpec("pack.disclosure", "disclosure", Node({}, observer.place))
    whole = with_steps(combine(observer, [added]), [pack_step])
    assert ([False, False, False], "record") == ([step.enforce for step in whole.steps], whole.unread)


def test_a_policy_in_shadow_does_not_put_others_into_shadow():
    profile = load_policy("policy: base\nsteps: [{guard: secrets}]\n", "base.yaml")
    added = load_policy("policy: trial\nenforce: false\nsteps: [{guard: pii}]\n", "trial.yaml")
    assert [True, False] == [step.enforce for step in combine(profile, [added]).steps]


@pytest.mark.parametrize(
    ("when", "codes", "route", "expected"),
    [
        (When(), {"EU"}, "/v1/", True),
        (When(("EU",)), {"CN", "EU"}, None, True),
        (When(("EU",)), {"CN"}, None, False),
        (When(("US",)), {"US-CA"}, None, True),
        (When(("US-CA",)), {"US"}, None, False),
        (When((), ("/v1/",)), set(), "/v1/chat", True),
        (When((), ("/v1/",)), set(), "/v2/", False),
        (When((), ("/v1/",)), set(), None, True),
        (When(("EU",), ("/v1/",)), {"EU"}, "/v2/", False),
    ],
)
def test_when_limits_a_step_to_jurisdictions_and_routes(when, codes, route, expected):
    assert expected == when.holds(codes, route)
