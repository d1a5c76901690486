"""How the host folds what guards say, and what they fail to say."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.content import Window
from bylaw.plan.plan import StagePlan, Step
from bylaw.plan.run import GUARD_FAILED, Outcome, merge, run_inline, run_stage
from bylaw.plan.watchdog import Watch, Watchdog
from bylaw.testing.make import make_exchange, make_prompt, make_reply
from bylaw.verdict import ALLOW, Action, Edit, Finding, Verdict

PROMPT = make_prompt("hello")
WINDOW = Window("text", "choices.0.text", "hello", 0, 0, False)
BUDGET_MS = 60
ON_ERROR = [Action.BLOCK, Action.FLAG, Action.ALLOW]


class Odd:
    """No verdict, though it looks like one."""

    action, edits, hold = Action.BLOCK, (), None


def raises(_exchange: object, _subject: object) -> Verdict:
    raise RuntimeError("the text was: hello")


def exits(_exchange: object, _subject: object) -> Verdict:
    raise SystemExit(3)


def cancels(_exchange: object, _subject: object) -> Verdict:
    raise asyncio.CancelledError


def recurses(_exchange: object, _subject: object) -> Verdict:
    raise RecursionError


def spins(_exchange: object, _subject: object) -> Verdict:
    while True:
        pass


def says(answer: object) -> Any:
    return lambda _exchange, _subject: answer


def later(hook: Any) -> Any:
    """The same hook, as a coroutine."""

    async def call(exchange: object, subject: object) -> Any:
        await asyncio.sleep(0)
        return hook(exchange, subject)

    return call


async def waits(_exchange: object, _subject: object) -> Verdict:
    await asyncio.sleep(60)
    return ALLOW


async def refuses_to_end(_exchange: object, _subject: object) -> Verdict:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        raise ValueError("disturbed") from None
    return ALLOW


async def run(*steps: Step, subject: Any = PROMPT, budget_ms: int = BUDGET_MS) -> Outcome:
    """The outcome of a stage under a real watchdog."""
    watch = Watch()
    dog = Watchdog(watch)
    dog.start()
    try:
        return await run_stage(StagePlan.of(steps, budget_ms), make_exchange(), subject, watch)
    finally:
        dog.stop()


NONSENSE = {
    "text": "block",
    "true": True,
    "number": 3,
    "a class": Verdict,
    "a lookalike": Odd(),
    "an action": Action.BLOCK,
    "action as a number": Verdict(3),  # type: ignore[arg-type]
    "edit behind the end": Verdict.edit([Edit(0, 0, 6)]),
    "edit before the start": Verdict.edit([Edit(0, -1, 2)]),
    "edit turned round": Verdict.edit([Edit(0, 3, 2)]),
    "edit of a missing segment": Verdict.edit([Edit(1, 0, 0)]),
    "edit of segment -1": Verdict.edit([Edit(-1, 0, 0)]),
    "edit with a number as text": Verdict.edit([Edit(0, 0, 1, 7)]),  # type: ignore[arg-type]
    "edit at a fraction": Verdict.edit([Edit(0, 0.0, 1)]),  # type: ignore[arg-type]
    "edits that are no edits": Verdict(Action.EDIT, edits=((0, 0, 1),)),  # type: ignore[arg-type]
    "hold in a prompt": Verdict(hold=1),
    "label with a line end": Verdict.edit([Edit(0, 0, 5, "E\n", restore=True)]),
    "label that is empty": Verdict.edit([Edit(0, 0, 5, "", restore=True)]),
    "header with a line end": Verdict.allow(headers={"AI-Disclosure": "a\r\nSet-Cookie: b"}),
    "header beyond Latin-1": Verdict.allow(headers={"AI-Disclosure": "人"}),
    "header of the framing": Verdict.allow(headers={"Content-Length": "0"}),
    "header of the host": Verdict.allow(headers={"Bylaw-Decision": "allow"}),
    "note with a fraction": Verdict.allow(notes={"score": 0.5}),  # type: ignore[dict-item]
    "note beyond 64 bits": Verdict.allow(notes={"n": 2**63}),
    "finding that is a text": Verdict.flag(["email"]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_counts_as_the_policy_says(nonsense, awaits, on_error):
    hook = says(nonsense)
    outcome = await run(Step("s", later(hook) if awaits else hook, awaits, on_error))
    result = outcome.results[0]
    assert (on_error, "bad_verdict", GUARD_FAILED) == (outcome.action, result.error, result.verdict.code)
    assert [] == outcome.edits


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("hook", [raises, exits, cancels, recurses])
async def test_a_guard_that_raises_counts_as_the_policy_says(hook, awaits, on_error):
    outcome = await run(Step("s", later(hook) if awaits else hook, awaits, on_error))
    assert (on_error, "raised") == (outcome.action, outcome.results[0].error)


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize(
    ("hook", "awaits"), [(spins, False), (later(spins), True), (waits, True), (refuses_to_end, True)]
)  # fmt: skip
async def test_a_guard_that_hangs_is_interrupted_and_counts_as_the_policy_says(hook, awaits, on_error):
    begin = time.monotonic()
    outcome = await run(Step("s", hook, awaits, on_error))
    assert (on_error, "timeout") == (outcome.action, outcome.results[0].error)
    assert time.monotonic() - begin < 5


async def test_a_guard_that_failed_is_told_without_the_words_of_its_exception():
    verdict = (await run(Step("s", raises))).results[0].verdict
    assert "a guard of this proxy could not do its work (s)" == verdict.message


@pytest.mark.parametrize(
    ("hold", "error"), [(0, ""), (5, ""), (6, "bad_verdict"), (-1, "bad_verdict"), (True, "bad_verdict")]
)
async def test_what_is_held_lies_in_the_window(hold, error):
    outcome = await run(Step("s", says(Verdict(hold=hold))), subject=WINDOW)
    assert error == outcome.results[0].error


@pytest.mark.parametrize("subject", [make_reply("hello"), WINDOW], ids=["reply", "window"])
async def test_only_a_prompt_can_get_placeholders(subject):
    asked = Verdict.edit([Edit(0, 0, 5, "EMAIL", restore=True)])
    assert ["", "bad_verdict"] == [
        (await run(Step("s", says(asked)), subject=one)).results[0].error for one in (PROMPT, subject)
    ]


@pytest.mark.parametrize(
    ("hook", "awaits"), [(says(Verdict.block("no", "No.")), False), (raises, False), (waits, True), (spins, False)]
)  # fmt: skip
async def test_a_step_in_shadow_is_recorded_and_changes_nothing(hook, awaits):
    outcome = await run(Step("s", hook, awaits, enforce=False))
    assert (Action.ALLOW, None, []) == (outcome.action, outcome.blocker, outcome.edits)
    assert Action.BLOCK is outcome.results[0].verdict.action


async def test_edits_of_a_step_in_shadow_are_not_applied():
    edit = Verdict.edit([Edit(0, 0, 1, "x")])
    outcome = await run(Step("a", says(edit), enforce=False), Step("b", says(edit)))
    assert [(1, Edit(0, 0, 1, "x"))] == outcome.edits


async def test_the_first_blocker_in_the_order_of_the_policy_speaks():
    first, second = Verdict.block("first", ""), Verdict.block("second", "")
    outcome = await run(
        Step("flag", says(Verdict.flag([Finding("x")]))),
        Step("slow", later(says(first)), awaits=True),
        Step("quick", says(second)),
    )
    assert (Action.BLOCK, "slow") == (outcome.action, outcome.blocker and outcome.blocker.step.id)


async def test_awaited_steps_run_side_by_side_under_one_budget():
    steps = [Step(str(i), waits, awaits=True, on_error=Action.FLAG) for i in range(20)]
    begin = time.monotonic()
    outcome = await run(*steps)
    assert ["timeout"] * 20 == [result.error for result in outcome.results]
    assert time.monotonic() - begin < 20 * BUDGET_MS / 1000


async def test_awaited_steps_begin_before_the_inline_ones():
    order: list[str] = []

    async def asks(_exchange: object, _subject: object) -> None:
        order.append("asked")
        await asyncio.sleep(0)
        order.append("answered")

    await run(Step("inline", lambda _e, _s: order.append("inline")), Step("asks", asks, awaits=True))
    assert ["asked", "inline", "answered"] == order


async def test_an_exchange_that_is_cancelled_cancels_its_guards():
    ended = asyncio.Event()

    async def hook(_exchange: object, _subject: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    stage = StagePlan.of((Step("s", hook, awaits=True),), 60_000)
    task = asyncio.ensure_future(run_stage(stage, make_exchange(), PROMPT, Watch()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 1)


async def test_time_is_told_of_inline_and_of_awaited_steps():
    async def rests(_exchange: object, _subject: object) -> None:
        await asyncio.sleep(0.02)

    outcome = await run(Step("a", lambda _e, _s: time.sleep(0.02)), Step("b", rests, awaits=True))
    assert [True, True] == [result.ns >= 15_000_000 for result in outcome.results]


def test_after_a_step_no_deadline_is_left():
    watch = Watch()
    for hook in (raises, says(ALLOW), says("nonsense")):
        run_inline(StagePlan.of((Step("s", hook),), 1), make_exchange(), PROMPT, watch)
        assert 0 == watch.deadline_ns


VERDICTS = st.sampled_from(
    [None, ALLOW, Verdict.flag([]), Verdict.edit([Edit(0, 0, 1, "x")]), Verdict.block("no", "No."), "nonsense"]
)  # fmt: skip
STEPS = st.lists(
    st.builds(
        lambda answer, on_error, enforce: Step("s", says(answer), False, on_error, enforce),
        VERDICTS,
        st.sampled_from(ON_ERROR),
        st.booleans(),
    ),
    max_size=5,
)


@given(STEPS, STEPS)
def test_one_more_step_never_loosens(before, after):
    def outcome(steps: list[Step]) -> Outcome:
        return run_inline(StagePlan.of(tuple(steps), 500), make_exchange(), PROMPT, Watch())

    some, more = outcome(before), outcome([*before, *after])
    assert more.action >= some.action
    assert set(some.edits) <= set(more.edits)


@given(STEPS)
def test_the_outcome_is_the_maximum_of_what_enforced_steps_say(steps):
    outcome = run_inline(StagePlan.of(tuple(steps), 500), make_exchange(), PROMPT, Watch())
    said = [result.verdict.action for result in outcome.results if result.step.enforce]
    assert max(said, default=Action.ALLOW) == outcome.action
    assert merge(outcome.results) == outcome
