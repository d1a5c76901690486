"""Runs the steps of one stage and folds what they say into one outcome.

Law of this module: it never raises for a guard's fault. A guard that raises, hangs, or returns nonsense is
folded by its step's `on_error`; a shadow step changes nothing; adding a step can only make the outcome
stricter. Inline steps run in a plain loop: no task, no timer; awaited steps run side by side under one timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, cast

from bylaw.exchange import Exchange
from bylaw.plan.plan import HookResult, StagePlan, Step
from bylaw.plan.sound import edits_fit, is_sound
from bylaw.plan.timed import Timed
from bylaw.plan.watchdog import GuardTimeout, Watch
from bylaw.verdict import ALLOW, Action, Edit, Verdict

GUARD_FAILED = "guard_failed"


@dataclass(slots=True)
class StepResult:
    """What one step said.

    Args:
        step: the step.
        verdict: its verdict, or what `on_error` made of its failure.
        error: empty, or `raised`, `timeout`, `bad_verdict`.
        ns: time that it took.
    """

    step: Step
    verdict: Verdict
    error: str = ""
    ns: int = 0


@dataclass(slots=True)
class Outcome:
    """The merged result of a stage.

    Args:
        action: the strictest action of all enforced steps.
        blocker: the first step, in policy order, that blocks.
        edits: the edits of enforced steps with the rank of their step.
        results: what each step said, shadow steps included.
    """

    action: Action = Action.ALLOW
    blocker: StepResult | None = None
    edits: list[tuple[int, Edit]] = field(default_factory=list)
    results: Sequence[StepResult] = ()


NOTHING = Outcome()


def failed(step: Step, error: str) -> StepResult:
    """What `on_error` makes of a guard that failed."""
    message = f"a guard of this proxy could not do its work ({step.id})"
    return StepResult(step, Verdict(step.on_error, GUARD_FAILED, message), error)


def checked(step: Step, verdict: object, subject: Any) -> StepResult:
    """Accept None and sound verdicts whose edits lie inside the segments; everything else is nonsense."""
    if verdict is None:
        return StepResult(step, ALLOW)
    if verdict is not ALLOW and not (is_sound(verdict) and edits_fit(verdict, subject)):
        return failed(step, "bad_verdict")
    return StepResult(step, verdict)


def run_step(step: Step, exchange: Exchange, subject: Any, watch: Watch, budget_ms: int) -> StepResult:
    """Run one inline step; a step that runs over its budget is interrupted by the watchdog."""
    begin = monotonic_ns()
    try:
        watch.deadline_ns = begin + budget_ms * 1_000_000
        try:
            result = checked(step, step.call(exchange, subject), subject)
        finally:
            watch.deadline_ns = 0
    except GuardTimeout:
        result = failed(step, "timeout")
    except KeyboardInterrupt:
        raise
    except BaseException:  # a guard that calls sys.exit() has failed; it does not end the worker
        result = failed(step, "raised")
    result.ns = monotonic_ns() - begin
    return result


def run_inline(stage: StagePlan, exchange: Exchange, subject: Any, watch: Watch) -> Outcome:
    """Run a stage that has no awaited step."""
    budget = stage.budget_ms
    return merge([run_step(step, exchange, subject, watch, budget) for step in stage.steps])


async def run_stage(stage: StagePlan, exchange: Exchange, subject: Any, watch: Watch) -> Outcome:
    """Run a stage; awaited steps begin first, so that what they wait for is on its way while inline steps run."""
    if not stage.awaits:
        return run_inline(stage, exchange, subject, watch)
    budget, begin = stage.budget_ms, monotonic_ns()
    tasks = {
        rank: asyncio.get_running_loop().create_task(_awaited(step, exchange, subject, watch, budget))
        for rank, step in enumerate(stage.steps)
        if step.awaits
    }
    try:
        await asyncio.sleep(0)
        inline = {
            rank: run_step(step, exchange, subject, watch, budget)
            for rank, step in enumerate(stage.steps)
            if not step.awaits
        }
        await asyncio.wait(tasks.values(), timeout=budget / 1000)
    finally:
        for task in tasks.values():
            task.cancel()
    late = {rank: _collect(stage.steps[rank], task, begin) for rank, task in tasks.items()}
    return merge([(inline if rank in inline else late)[rank] for rank in range(len(stage.steps))])


async def _awaited(step: Step, exchange: Exchange, subject: Any, watch: Watch, budget_ms: int) -> StepResult:
    begin = monotonic_ns()
    hook = cast("Callable[[], Awaitable[HookResult]]", lambda: step.call(exchange, subject))
    try:
        result = checked(step, await Timed(hook, watch, budget_ms), subject)
    except GuardTimeout:
        result = failed(step, "timeout")
    except KeyboardInterrupt:
        raise
    except BaseException:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        result = failed(step, "raised")
    result.ns = monotonic_ns() - begin
    return result


def _collect(step: Step, task: asyncio.Task[StepResult], begin_ns: int) -> StepResult:
    """What an awaited step said in time; a task that was cancelled may still be on its way out."""
    if task.done() and not task.cancelled():
        return task.result()
    late = failed(step, "timeout")
    late.ns = monotonic_ns() - begin_ns
    return late


def merge(results: Sequence[StepResult]) -> Outcome:
    """Fold the results in policy order: the strictest action wins, the first blocker speaks."""
    outcome = Outcome(results=results)
    for rank, result in enumerate(results):
        verdict = result.verdict
        if verdict is ALLOW or not result.step.enforce:
            continue
        if verdict.edits:
            outcome.edits += [(rank, edit) for edit in verdict.edits]
        if verdict.action > outcome.action:
            outcome.action = verdict.action
            if verdict.action is Action.BLOCK:
                outcome.blocker = result
    return outcome
