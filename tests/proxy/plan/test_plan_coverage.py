"""The coverage map says what is read, and it is derived from what runs."""

from __future__ import annotations

import pytest
from test_plan_planner import ROUTE, added, codes, planner

from bylaw.plan.coverage import MODALITIES, PROMPT_CHANNELS, REPLY_CHANNELS, Cover, coverage
from bylaw.plan.planner import RouteFacts
from bylaw.plan.registry import load_registry

REGISTRY = load_registry()
OPERATIONS = ("openai_chat",)


def covers(profile="default", route: RouteFacts = ROUTE, **more: str) -> list[Cover]:
    return list(coverage(planner(profile, **more), REGISTRY, route, OPERATIONS, codes("EU")))


def state(found: list[Cover], step: str, side: str, channel: str) -> str:
    (cover,) = (c for c in found if (c.step, c.side, c.channel) == (step, side, channel))
    return cover.state


def test_every_step_is_shown_for_every_channel_and_modality_once():
    found = [(c.step, c.side, c.channel) for c in covers()]
    steps = planner().plan(ROUTE, "openai_chat", codes("EU")).step_ids
    expected = {
        (step, side, channel)
        for step in steps
        for side, channels in (("prompt", PROMPT_CHANNELS), ("reply", REPLY_CHANNELS))
        for channel in (*channels, *MODALITIES)
    }
    assert (expected, len(expected)) == (set(found), len(found))


def test_what_a_guard_does_not_read_is_unread_and_what_it_has_no_hook_for_does_not_apply():
    found = covers()
    assert ["read", "unread", "read"] == [
        state(found, "secrets", "reply", channel) for channel in ("reasoning", "image", "text")
    ]
    assert "unread" == state(found, "pack.disclosure", "reply", "reasoning")


def test_a_step_on_one_side_is_not_applicable_on_the_other():
    found = covers(added("steps:\n  - {guard: pii, on: [prompt]}\n"))
    assert ("read", "not applicable") == (
        state(found, "pii", "prompt", "text"),
        state(found, "pii", "reply", "text"),
    )


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_a_step_that_the_map_calls_reading_runs_in_the_plan(profile):
    plan = planner(profile).plan(ROUTE, "openai_chat", codes("EU"))
    running = {
        "prompt": {step.id for step in plan.request.steps},
        "reply": {
            step.id
            for stage in (plan.reply, plan.window, plan.amend_reply, plan.amend_window)
            for step in stage.steps
        },
    }
    read = {(c.side, c.step) for c in covers(profile) if c.state == "read"}
    assert [] == [(side, step) for side, step in read if step not in running[side]]


def test_a_route_that_is_passed_through_is_unread_by_every_step():
    route = RouteFacts("/raw/", pass_through=True, unread="record")
    found = covers("strict", route)
    assert {("pass-through", "both", "all", "unread")} == {
        (c.operation, c.side, c.channel, c.state) for c in found
    }
    assert {"secrets", "pii", "pack.disclosure"} == {c.step for c in found}
