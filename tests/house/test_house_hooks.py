"""Every hook is on the page for plugin authors; every shipped policy compiles; every public name is explained."""

from __future__ import annotations

import inspect
import re
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import bylaw.spec
import bylaw_policies
from bylaw.limits import Limits
from bylaw.plan.compile import GuardPool
from bylaw.plan.facts import PURPOSES, Facts
from bylaw.plan.packs import load_pack
from bylaw.plan.planner import Planner, RouteFacts
from bylaw.plan.policy import load_policy
from bylaw.plan.registry import load_registry
from bylaw.spec import ColdHooks, HotHooks
from bylaw.spec.hooks import COLD, HOT
from bylaw.wire.families import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
REGISTRY = load_registry()
PACKS = tuple(load_pack(resource.text, resource.file) for resource in bylaw_policies.packs())
PROFILES = [load_policy(resource.text, resource.file) for resource in bylaw_policies.profiles()]
CODECS = [codec.name for family in FAMILIES.values() for codec in family.codecs]
CODES = [str(pack.jurisdictions[0]) for pack in PACKS]
TOGETHER = [frozenset(some) for size in range(1, len(CODES) + 1) for some in combinations(CODES, size)]


def documented(hooks: type[Any], name: str) -> str:
    """The signature as the page has it; cold hooks are functions of a module, so without `self`."""
    signature = inspect.signature(getattr(hooks, name))
    parameters = [str(p) for p in signature.parameters.values() if hooks is HotHooks or p.name != "self"]
    returns = signature.return_annotation
    return f"{name}({', '.join(parameters)}) -> {returns}".replace("'", "").replace("|", r"\|")


@pytest.mark.parametrize(("hooks", "name"), [(HotHooks, n) for n in HOT] + [(ColdHooks, n) for n in COLD])
def test_a_hook_is_documented_with_its_exact_signature(hooks, name):
    assert f"`{documented(hooks, name)}`" in PAGE


def test_the_page_documents_no_hook_that_does_not_exist():
    named = re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE)
    assert sorted([*HOT, *COLD]) == sorted(named)


@pytest.mark.parametrize("name", HOT)
def test_a_hook_of_a_guard_takes_exactly_two_arguments(name):
    parameters = list(inspect.signature(getattr(HotHooks, name)).parameters.values())
    assert (3, True) == (len(parameters), all(p.default is p.empty for p in parameters))


@pytest.mark.parametrize(("hooks", "name"), [(HotHooks, n) for n in HOT] + [(ColdHooks, n) for n in COLD])
def test_a_hook_says_when_it_is_called(hooks, name):
    assert inspect.getdoc(getattr(hooks, name))


@pytest.mark.parametrize("name", bylaw.spec.__all__)
def test_a_public_name_is_explained(name):
    value = getattr(bylaw.spec, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__ and not value.__doc__.startswith(f"{name}("), (
            "a dataclass makes such a one itself"
        )


@pytest.mark.parametrize("name", [n for n in bylaw.spec.__all__ if inspect.isclass(getattr(bylaw.spec, n))])
def test_the_public_methods_of_a_public_class_are_explained(name):
    cls = getattr(bylaw.spec, name)
    own = [
        method
        for method, value in vars(cls).items()
        if not method.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, classmethod | property))
    ]
    assert [] == [method for method in own if not inspect.getdoc(getattr(cls, method))]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("purpose", [None, *PURPOSES])
def test_every_shipped_profile_compiles_under_every_combination_of_packs(profile, purpose):
    facts = Facts({"purpose": frozenset({purpose})} if purpose else {})
    planner = Planner(profile, PACKS, facts, GuardPool(REGISTRY), Limits(), date(2026, 11, 24))
    for codes in TOGETHER:
        for codec in CODECS:
            plan = planner.plan(RouteFacts("/v1/"), codec, codes)
            assert {step.id for step in profile.steps} <= set(plan.step_ids)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    "at", [date(2024, 1, 1), date(2026, 8, 2), date(2027, 8, 2), date(2030, 1, 1)], ids=str
)
def test_every_shipped_profile_compiles_on_every_date(profile, at):
    planner = Planner(profile, PACKS, Facts(), GuardPool(REGISTRY), Limits(), at)
    assert [True] * len(CODECS) == [
        bool(planner.plan(RouteFacts("/v1/"), codec, frozenset(CODES)).id) for codec in CODECS
    ]
