"""The shipped profiles: what each promises."""

import bylaw_policies
from bylaw.plan.policy import load_policy

PROFILES = {
    resource.name: load_policy(resource.text, resource.file) for resource in bylaw_policies.profiles()
}


def shape(name: str) -> list[tuple[str, str, dict, frozenset[str], str]]:
    return [
        (step.id, step.guard, step.options.plain(), step.on, step.on_error) for step in PROFILES[name].steps
    ]


def test_there_are_three_profiles_under_their_own_names():
    assert (
        {"default", "observe-only", "strict"}
        == {policy.name for policy in PROFILES.values()}
        == set(PROFILES)
    )


def test_default_redacts_credentials_in_both_directions_and_blocks_when_it_cannot():
    secrets = ("secrets", "secrets", {"action": "redact"}, frozenset({"prompt", "reply"}), "block")
    assert [secrets] == shape("default")
    assert ("record", True) == (PROFILES["default"].unread, PROFILES["default"].enforce)


def test_strict_redacts_personal_identifiers_too_and_blocks_what_is_unread():
    pii = ("pii", "pii", {"mode": "redact"}, frozenset({"prompt", "reply"}), "block")
    assert [*shape("default"), pii] == shape("strict")
    assert "block" == PROFILES["strict"].unread


def test_observe_only_runs_the_steps_of_default_and_enforces_none():
    assert shape("default") == shape("observe-only")
    assert {False} == {step.enforce for step in PROFILES["observe-only"].steps}
    assert "record" == PROFILES["observe-only"].unread


def test_every_summary_that_promises_less_than_one_could_expect_says_so():
    assert [True, True] == ["Not in this version" in PROFILES[name].summary for name in ("default", "strict")]
