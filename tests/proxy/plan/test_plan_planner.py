"""Route, operation, jurisdictions and date give a plan; the same four always the same."""

from __future__ import annotations

from datetime import date
from itertools import combinations

import pytest

import bylaw_policies
from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan import planner as planner_module
from bylaw.plan.compile import GuardPool
from bylaw.plan.controls import loosens
from bylaw.plan.facts import Facts
from bylaw.plan.packs import load_pack
from bylaw.plan.plan import Plan
from bylaw.plan.planner import Planner, RouteFacts
from bylaw.plan.policy import Policy, combine, load_policy
from bylaw.plan.registry import load_registry

REGISTRY = load_registry()
PACKS = tuple(load_pack(resource.text, resource.file) for resource in bylaw_policies.packs())
PROFILES = {
    resource.name: load_policy(resource.text, resource.file) for resource in bylaw_policies.profiles()
}
TODAY = date(2026, 11, 24)
ROUTE = RouteFacts("/v1/")
RAW = RouteFacts("/raw/", pass_through=True)
CODES = tuple(str(pack.jurisdictions[0]) for pack in PACKS)


def planner(profile: str | Policy = "default", at: date = TODAY, **known: str) -> Planner:
    policy = PROFILES[profile] if isinstance(profile, str) else profile
    facts = Facts({name: frozenset({value}) for name, value in known.items()})
    return Planner(policy, PACKS, facts, GuardPool(REGISTRY), Limits(), at)


def added(text: str) -> Policy:
    return combine(PROFILES["default"], [load_policy(f"policy: own\n{text}", "own.yaml")])


def codes(*some: str) -> frozenset[str]:
    return frozenset(some)


def test_a_plan_is_made_once():
    made = planner()
    assert made.plan(ROUTE, "openai_chat", codes("EU")) is made.plan(ROUTE, "openai_chat", codes("EU"))


def test_the_same_inputs_give_the_same_id_in_another_process_too():
    assert (
        planner().plan(ROUTE, "openai_chat", codes("EU", "CN")).id
        == planner().plan(ROUTE, "openai_chat", codes("CN", "EU")).id
    )


@pytest.mark.parametrize(
    ("other", "arguments"),
    [
        (planner(at=date(2026, 11, 25)), (ROUTE, "openai_chat", codes("EU"))),
        (planner(), (ROUTE, "openai_chat", codes("EU", "CN"))),
        (planner(), (ROUTE, "anthropic", codes("EU"))),
        (planner(), (RouteFacts("/v2/"), "openai_chat", codes("EU"))),
        (planner("strict"), (ROUTE, "openai_chat", codes("EU"))),
        (planner("observe-only"), (ROUTE, "openai_chat", codes("EU"))),
    ],
    ids=["date", "jurisdictions", "operation", "route", "profile", "shadow"],
)
def test_a_plan_of_anything_else_has_another_id(other, arguments):
    assert planner().plan(ROUTE, "openai_chat", codes("EU")).id != other.plan(*arguments).id


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(planner_module, "PLANS_MAX", 8)
    made = planner()
    for number in range(30):
        made.plan(RouteFacts(f"/r{number}/"), "", codes("EU"))
        assert len(made._plans) <= 8


def test_the_label_names_the_profile_and_the_packs_that_apply_with_versions():
    label = planner().plan(ROUTE, "openai_chat", codes("EU", "US-CA")).label
    names = [part.split("@")[0] for part in label.split(", ")]
    assert ["default", "eu", "us-ca"] == [names[0], *sorted(names[1:])]
    assert all(part.split("@")[1] for part in label.split(", "))


def test_a_subdivision_gets_the_packs_of_its_state():
    plan = planner().plan(ROUTE, "openai_chat", codes("EU-DE"))
    assert planner().plan(ROUTE, "openai_chat", codes("EU")).step_ids == plan.step_ids


def test_the_law_of_a_later_date_is_in_a_plan_of_that_date():
    early, late = (planner(at=at).plan(ROUTE, "openai_chat", codes("EU")) for at in (date(2026, 1, 1), TODAY))
    assert (False, True) == ("pack.disclosure" in early.step_ids, "pack.disclosure" in late.step_ids)


def test_a_mandatory_step_refuses_a_route_that_nobody_reads_and_names_the_ways_out():
    own = added("steps:\n  - {guard: pii, mandatory: true}\n")
    with pytest.raises(ConfigError) as caught:
        planner(own).plan(RAW, "", codes("EU"))
    assert (
        "own.yaml:3: steps[0]: the route /raw/ is passed through unread, but the mandatory step `pii` must read"
        " it; remove the route, or write `unread: record` on it to have each exchange recorded as unread"
    ) == str(caught.value)


def test_a_policy_that_blocks_what_is_unread_refuses_it_too():
    with pytest.raises(ConfigError, match="the policy blocks what is unread; remove the route, or write"):
        planner("strict").plan(RAW, "", codes("EU"))


@pytest.mark.parametrize(
    "profile",
    ["strict", added("steps:\n  - {guard: pii, mandatory: true}\n")],
    ids=["unread: block", "mandatory"],
)
def test_the_operator_can_accept_it_and_each_exchange_says_so(profile):
    route = RouteFacts("/raw/", pass_through=True, unread="record")
    plan = planner(profile).plan(route, "", codes("EU"))
    assert ([("route", "pass_through")], False) == (
        [(part.kind, part.reason) for part in plan.unread],
        plan.unread_blocks,
    )


@pytest.mark.parametrize("step", ["{guard: pii, mandatory: true, enforce: false}", "{guard: pii}"])
def test_what_is_not_mandatory_or_in_shadow_refuses_nothing(step):
    assert planner(added(f"steps:\n  - {step}\n")).plan(RAW, "", codes("EU")).unread


def test_a_mandatory_step_of_another_jurisdiction_refuses_nothing_here():
    own = added("steps:\n  - {guard: pii, mandatory: true, when: {jurisdictions: [CN]}}\n")
    assert planner(own).plan(RAW, "", codes("EU")).unread
    with pytest.raises(ConfigError, match="mandatory step"):
        planner(own).plan(RAW, "", codes("EU", "CN"))


@pytest.mark.parametrize(
    ("profile", "unread", "blocks"),
    [("default", "", False), ("default", "refuse", True), ("strict", "", True), ("observe-only", "", False)],
)
def test_whether_an_unread_part_blocks(profile, unread, blocks):
    plan = planner(profile).plan(RouteFacts("/v1/", unread=unread), "openai_chat", codes("EU"))
    assert blocks is plan.unread_blocks


def test_an_observer_enforces_nothing_whoever_asks():
    plan = planner("observe-only").plan(ROUTE, "openai_chat", codes(*CODES))
    stages = (plan.request, plan.reply, plan.window, plan.tool_call, plan.amend_reply, plan.amend_window)
    assert {False} == {step.enforce for stage in stages for step in stage.steps}


def test_two_steps_of_one_id_are_refused():
    own = load_policy("policy: own\nsteps:\n  - {guard: secrets}\n", "own.yaml")
    with pytest.raises(ConfigError, match="step id `secrets` is already used"):
        combine(PROFILES["default"], [own])


def steps(plan: Plan) -> dict[str, set[tuple[str, bool]]]:
    """Which steps run where, and whether in earnest."""
    names = ("request", "reply", "window", "tool_call", "amend_reply", "amend_window")
    return {name: {(step.id, step.enforce) for step in getattr(plan, name).steps} for name in names}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("purpose", [None, "companion", "general_assistant"])
def test_one_more_jurisdiction_never_takes_a_step_away_nor_loosens_one(profile, purpose):
    made = planner(profile, **({"purpose": purpose} if purpose else {}))
    for size in range(1, len(CODES)):
        for some in combinations(CODES, size):
            for more in set(CODES) - set(some):
                before, after = (
                    made.plan(ROUTE, "openai_chat", codes(*given)) for given in (some, (*some, more))
                )
                assert all(steps(before)[name] <= steps(after)[name] for name in steps(before))
                assert set(before.retention) <= set(after.retention)
                values = [made.merged(codes(*given))[1].values for given in (some, (*some, more))]
                assert () == loosens(*values)
