"""What packs and profiles ask for, against the guards that carry it out."""

from datetime import date

import pytest

import bylaw_policies
from bylaw.plan.compile import GuardPool
from bylaw.plan.controls import CONTROLS
from bylaw.plan.facts import PURPOSES, Facts
from bylaw.plan.merge import merge, select, steps_for
from bylaw.plan.packs import load_pack
from bylaw.plan.policy import load_policy
from bylaw.plan.registry import load_registry

REGISTRY = load_registry()
PACKS = [load_pack(resource.text, resource.file) for resource in bylaw_policies.packs()]
PROFILES = [load_policy(resource.text, resource.file) for resource in bylaw_policies.profiles()]


@pytest.mark.parametrize("purpose", [None, *PURPOSES])
def test_every_step_that_the_packs_ask_for_can_be_built(purpose):
    known = {"filed_models": frozenset({"m-1"})} | ({"purpose": frozenset({purpose})} if purpose else {})
    selection = select(PACKS, ["EU", "US-CA", "CN"], Facts(known), date(2026, 11, 24))
    pool = GuardPool(REGISTRY)
    steps = steps_for(merge(selection, Facts(known)))
    assert [step.guard for step in steps] == [pool.guard(step).name for step in steps]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_step_of_a_profile_can_be_built(profile):
    pool = GuardPool(REGISTRY)
    assert [step.guard for step in profile.steps] == [pool.guard(step).name for step in profile.steps]


@pytest.mark.parametrize(
    "control", [control for control in CONTROLS.values() if control.guard], ids=lambda control: control.name
)
def test_the_guard_of_a_control_says_that_it_carries_it_out(control):
    assert control.name in REGISTRY.guards[control.guard].cls.controls


def test_without_facts_all_controls_of_the_wire_but_the_filed_models_are_asked_for():
    selection = select(PACKS, ["EU", "US-CA", "CN"], Facts(), date(2026, 11, 24))
    guards = [step.guard for step in steps_for(merge(selection, Facts()))]
    assert ["disclosure", "pii", "patterns"] == guards
