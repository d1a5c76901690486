"""`bylaw.plan.explain`: why a plan is as it is."""

from datetime import date

import orjson
import pytest

import bylaw_policies
from bylaw.plan.explain import NO_CLAIM, as_data, explain
from bylaw.plan.facts import Facts
from bylaw.plan.packs import load_pack
from bylaw.plan.policy import load_policy

PACKS = [load_pack(resource.text, resource.file) for resource in bylaw_policies.packs()]
PROFILES = {
    resource.name: load_policy(resource.text, resource.file) for resource in bylaw_policies.profiles()
}
TODAY = date(2026, 11, 24)
ASSISTANT = Facts({"purpose": frozenset({"general_assistant"}), "role": frozenset({"deployer"})})


def told(codes, facts=ASSISTANT, profile="default", at=TODAY, route=None):
    return explain(PROFILES[profile], PACKS, codes, facts, at, route=route)


def test_the_plan_of_two_jurisdictions_has_the_steps_of_both_and_names_their_rows():
    steps = {step["id"]: step["cause"] for step in as_data(told({"EU", "CN"}))["steps"]}
    assert {
        "secrets": "policy default",
        "pack.disclosure": "CN-LAB-EXPLICIT, EU-50-1-INTERACT, EU-50-5-FORM",
        "pack.privacy": "CN-GENAI-PRIVACY",
    } == steps


def test_every_row_of_a_covering_pack_is_in_exactly_one_list():
    data = as_data(told({"EU", "CN", "US-CA"}))
    lists = ("enforced", "evidenced", "operator", "not_applying")
    named = [row["id"] for name in lists for row in data[name]]
    assert sorted(row.id for pack in PACKS for row in pack.rows) == sorted(named)


def test_a_row_that_does_not_apply_says_why():
    reasons = {row["id"]: row["reason"] for row in as_data(told({"US-CA"}))["not_applying"]}
    assert "purpose is general_assistant; the row is for commerce or election" == reasons["CA-BOT"]
    assert "unconfirmed: not binding" == reasons["CA-2026-WATCH"]
    assert "applies from 2027-07-01" == reasons["CA-243-REPORT"]


def test_the_same_plan_on_a_later_date_has_the_rows_of_that_date():
    rows = {row["id"] for row in as_data(told({"EU"}, Facts(), at=date(2027, 12, 2)))["evidenced"]}
    assert {"GDPR-5-MIN", "EU-12-LOG", "EU-19-RET-PROV", "EU-26-6-RET-DEPL"} == rows


def test_a_parameter_names_the_rows_that_caused_it():
    steps = as_data(told({"EU", "CN"}))["steps"]
    (step,) = (step for step in steps if step["id"] == "pack.disclosure")
    causes = {parameter["key"]: parameter["rows"] for parameter in step["parameters"]}
    assert ["CN-LAB-EXPLICIT"] == causes["notices.cn-explicit-label.cadence"]
    assert ["CN-LAB-EXPLICIT", "EU-50-1-INTERACT", "EU-50-5-FORM"] == causes["header"]


def test_unknown_facts_are_named_as_assumed():
    data = as_data(told({"US-CA"}, Facts()))
    assert {"purpose", "audience", "users_band", "modality", "role"} == set(data["unknown_facts"])
    assert {"CA-243-NOTICE", "CA-BOT", "CA-489-LICENCE"} == {row["id"] for row in data["enforced"]}
    assert [["purpose"]] * 3 == [row["assumed"] for row in data["enforced"]]


@pytest.mark.parametrize(("models", "duty"), [(None, "operator"), ({"m-1"}, "enforced")])
def test_the_models_of_a_filing_are_enforced_only_when_they_are_given(models, duty):
    facts = Facts({"filed_models": frozenset(models)} if models else {})
    data = as_data(told({"CN"}, facts))
    assert "CN-GENAI-FILING" in {row["id"] for row in data[duty]}
    assert ([] if models else ["filed_models"]) == data["missing_facts"]
    limits = [step["options"] for step in data["steps"] if step["guard"] == "limits"]
    assert ([{"models_allowed": ["m-1"]}] if models else []) == limits


def test_a_jurisdiction_without_a_pack_is_named():
    assert ["UK"] == as_data(told({"EU", "UK"}))["uncovered"]


def test_a_member_state_is_covered_by_the_pack_of_the_union():
    of_state, of_union = as_data(told({"DE"})), as_data(told({"EU"}))
    assert (of_union["steps"], []) == (of_state["steps"], of_state["uncovered"])


def test_under_the_observer_every_step_is_shadow():
    data = as_data(told({"EU", "CN"}, profile="observe-only"))
    assert {False} == {step["enforce"] for step in data["steps"]}
    assert 3 == len(data["steps"])


def test_a_step_whose_condition_does_not_hold_is_left_out_and_named():
    policy = load_policy("policy: p\nsteps: [{guard: pii, when: {routes: [/v2/]}}]\n", "p.yaml")
    found = explain(policy, PACKS, {"EU"}, ASSISTANT, TODAY, route="/v1/")
    assert (["pii"], ["pack.disclosure"]) == (as_data(found)["left_out"], [step.id for step in found.steps])


def test_the_explanation_is_json_and_ends_with_what_it_is_not():
    data = orjson.loads(orjson.dumps(as_data(told({"EU", "CN", "US-CA"}, Facts()))))
    assert NO_CLAIM == data["notice"]
