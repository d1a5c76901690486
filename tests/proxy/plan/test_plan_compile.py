"""Policy entries become guard instances and frozen plans; every mistake has its file and line."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan.compile import GuardPool, compile_plan
from bylaw.plan.plan import Plan
from bylaw.plan.policy import Policy, load_policy
from bylaw.plan.registry import registry_of
from bylaw.spec import Guard, impl
from bylaw.verdict import Action, Verdict
from bylaw.wire.channels import WHOLE


@dataclass(frozen=True)
class Words:
    word: str = "x"
    most: int = 3


class Echo(Guard):
    name = "echo"
    Options = Words

    def setup(self) -> None:
        if self.options.word == "bad":
            raise ValueError("the word `bad` cannot be looked for")

    @impl
    def inspect_request(self, exchange: Any, prompt: Any) -> Verdict | None:
        return None

    @impl
    async def inspect_reply(self, exchange: Any, reply: Any) -> Verdict | None:
        return None


class Stream(Guard):
    name = "stream"
    look_behind = 7

    @impl
    def inspect_window(self, exchange: Any, window: Any) -> Verdict | None:
        return None


def register_guards() -> list[type[Guard]]:
    return [Echo, Stream]


REGISTRY = registry_of({"test": SimpleNamespace(register_guards=impl(register_guards))})


def policy(*steps: str) -> Policy:
    listed = "".join(f"\n  - {step}" for step in steps) or " []"
    return load_policy(f"policy: p\nsteps:{listed}\n", "p.yaml")


def compiled(*steps: str, codec: str = "openai_chat", **facts: Any) -> Plan:
    return compile_plan(policy(*steps).steps, GuardPool(REGISTRY), Limits(), codec=codec, label="p", **facts)


@pytest.mark.parametrize(
    ("step", "line", "words"),
    [
        ("{guard: ecko}", 3, "'ecko', did you mean `echo`?"),
        ("{guard: zzz}", 3, "no installed plugin registers the guard 'zzz'."),
        ("{guard: echo, options: {wort: x}}", 3, "unknown key, did you mean `word`? Valid keys: word, most"),
        ("{guard: echo, options: {most: '3'}}", 3, "most: "),
        ("{guard: echo, options: {most: 1, word: bad}}", 3, "the word `bad` cannot be looked for"),
        ("{guard: stream, options: {word: x}}", 3, "unknown key"),
    ],
)
def test_a_mistake_names_file_line_and_the_fix(step, line, words):
    with pytest.raises(ConfigError) as caught:
        compiled(step)
    assert f"p.yaml:{line}" in str(caught.value)
    assert words in str(caught.value)


def test_the_line_is_that_of_the_mistake_in_a_longer_policy():
    with pytest.raises(ConfigError, match=r"p\.yaml:7"):
        compiled("guard: stream", "guard: echo\n    options:\n      word: x\n      wort: y")


def test_there_is_one_instance_for_each_policy_entry():
    pool, specs = GuardPool(REGISTRY), policy("{guard: echo}", "{guard: echo, id: second}").steps
    first, second = (pool.guard(spec) for spec in specs)
    assert (True, True) == (first is not second, first is pool.guard(specs[0]))
    assert ("echo", "second") == (first.step, second.step)


def test_an_entry_whose_options_differ_gets_an_instance_of_its_own():
    pool = GuardPool(REGISTRY)
    one, other = (pool.guard(policy(f"{{guard: echo, options: {{word: {word}}}}}").steps[0]) for word in "ab")
    assert ("a", "b") == (one.options.word, other.options.word)


def test_plans_of_one_pool_share_instances():
    pool, specs = GuardPool(REGISTRY), policy("{guard: echo}").steps
    plans = [compile_plan(specs, pool, Limits(), codec=c, label="") for c in ("openai_chat", "anthropic")]
    one, other = (plan.request.steps[0].call for plan in plans)
    assert one.__self__ is other.__self__  # type: ignore[attr-defined]


def test_what_a_guard_has_says_where_it_runs():
    plan = compiled("{guard: echo}", "{guard: stream}")
    names = ("request", "reply", "window", "tool_call")
    ids = {name: [step.id for step in getattr(plan, name).steps] for name in names}
    both = ["echo", "stream"]
    assert {"request": ["echo"], "reply": both, "window": both, "tool_call": both} == ids


@pytest.mark.parametrize(
    ("on", "expected"), [("[prompt]", (1, 0, 0)), ("[reply]", (0, 1, 1)), ("[prompt, reply]", (1, 1, 1))]
)
def test_the_side_of_an_entry_is_kept(on, expected):
    plan = compiled(f"{{guard: echo, on: {on}}}")
    assert expected == tuple(len(stage.steps) for stage in (plan.request, plan.reply, plan.window))


def test_a_guard_without_a_window_hook_gets_each_channel_whole():
    assert [WHOLE, 7] == [
        step.look_behind for step in compiled("{guard: echo}", "{guard: stream}").window.steps
    ]


def test_only_stages_with_a_coroutine_are_awaited():
    plan = compiled("{guard: echo}")
    assert (False, True) == (plan.request.awaits, plan.reply.awaits)


@pytest.mark.parametrize("on_error", [Action.ALLOW, Action.FLAG, Action.BLOCK])
def test_on_error_and_shadow_reach_the_step(on_error):
    (step,) = compiled(f"{{guard: echo, enforce: false, on_error: {on_error.name.lower()}}}").request.steps
    assert (on_error, False) == (step.on_error, step.enforce)


def test_on_error_blocks_unless_the_policy_says_otherwise():
    (step,) = compiled("{guard: echo}").request.steps
    assert (Action.BLOCK, True) == (step.on_error, step.enforce)


def test_budgets_come_from_the_limits():
    limits = Limits(request_budget_ms=11, reply_budget_ms=22)
    plan = compile_plan((), GuardPool(REGISTRY), limits, codec="openai_chat", label="")
    stages = (plan.request, plan.reply, plan.window, plan.tool_call, plan.amend_reply, plan.amend_window)
    assert [11, 22, 22, 22, 22, 22] == [stage.budget_ms for stage in stages]


def test_a_plan_of_a_route_that_nobody_reads_builds_no_guard_and_still_names_its_steps():
    plan = compiled("{guard: echo}", codec="")
    assert ((), ("echo",), False) == (plan.request.steps, plan.step_ids, plan.reads_request)


@pytest.mark.parametrize(
    ("steps", "facts", "expected"),
    [
        ((), {}, (False, False)),
        (("{guard: echo, on: [prompt]}",), {}, (True, False)),
        (("{guard: stream}",), {}, (True, True)),
        ((), {"unread_blocks": True}, (True, True)),
    ],
)
def test_a_plan_knows_what_must_be_read(steps, facts, expected):
    plan = compiled(*steps, **facts)
    assert expected == (plan.reads_request, plan.reads_reply)


def test_a_plan_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        compiled("{guard: echo}").id = "x"  # type: ignore[misc]


BASE = ("{guard: echo, options: {word: a}}",)


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": ("{guard: echo, options: {word: b}}",)},
        {"steps": ("{guard: echo, options: {word: a}, on_error: flag}",)},
        {"steps": ("{guard: echo, options: {word: a}, enforce: false}",)},
        {"steps": ("{guard: echo, options: {word: a}, on: [reply]}",)},
        {"steps": ("{guard: echo, options: {word: a}, id: other}",)},
        {"steps": (*BASE, "{guard: stream}")},
        {"steps": ("{guard: stream}", *BASE)},
        {"codec": "anthropic"},
        {"unread_blocks": True},
        {"facts": {"at": "2027-01-01"}},
        {"retention": ("tax",)},
    ],
)
def test_the_id_of_a_plan_changes_with_everything_that_goes_in(changed):
    steps = changed.pop("steps", BASE)
    assert compiled(*BASE).id != compiled(*steps, **changed).id


def test_the_id_of_a_plan_changes_with_the_version_of_a_guard():
    info = REGISTRY.guards["echo"]
    newer = replace(info, cls=type("Echo", (Echo,), {"version": "2"}))
    pool = GuardPool(replace(REGISTRY, guards={**REGISTRY.guards, "echo": newer}))
    plan = compile_plan(policy(*BASE).steps, pool, Limits(), codec="openai_chat", label="p")
    assert compiled(*BASE).id != plan.id


def test_the_same_input_gives_the_same_id():
    assert compiled(*BASE).id == compiled(*BASE).id
    assert 16 == len(compiled(*BASE).id)
