"""Runs the steps of one stage and folds what they say into one outcome.

Law of this module: it never raises for a guard's fault. A guard that raises, hangs, or returns nonsense is
folded by its step's `on_error`; a shadow step changes nothing; adding a step can only make the outcome
stricter. Inline steps run in a plain loop: no task, no timer; awaited steps run side by side under one timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, cast

from bylaw.exchange import Exchange
from bylaw.plan.plan import HookResult, StagePlan, Step
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
        holds: per rank, the hold-back of a window, or None.
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
    """Accept None and verdicts whose edits lie inside the segments; everything else is nonsense."""
    if verdict is None:
        return StepResult(step, ALLOW)
    if not isinstance(verdict, Verdict) or not _edits_fit(verdict, subject):
        return failed(step, "bad_verdict")
    return StepResult(step, verdict)


def _edits_fit(verdict: Verdict, subject: Any) -> bool:
    if verdict.hold is not None and not 0 <= verdict.hold <= len(getattr(subject, "text", "")):
        return False
    if not verdict.edits:
        return True
    texts = [s.text for s in subject.segments] if hasattr(subject, "segments") else [subject.text]
    return all(
        0 <= e.segment < len(texts)
        and 0 <= e.start <= e.end <= len(texts[e.segment])
        and isinstance(e.text, str)
        for e in verdict.edits
    )


def run_step(step: Step, exchange: Exchange, subject: Any, watch: Watch, budget_ms: int) -> StepResult:
    """Run one inline step; a step that runs over its budget is interrupted by the watchdog."""
    begin = monotonic_ns()
    watch.deadline_ns = begin + budget_ms * 1_000_000
    try:
        result = checked(step, step.call(exchange, subject), subject)
    except GuardTimeout:
        result = failed(step, "timeout")
    except Exception:
        result = failed(step, "raised")
    finally:
        watch.deadline_ns = 0
    result.ns = monotonic_ns() - begin
    return result


def run_inline(stage: StagePlan, exchange: Exchange, subject: Any, watch: Watch) -> Outcome:
    """Run a stage that has no awaited step."""
    budget = stage.budget_ms
    return merge([run_step(step, exchange, subject, watch, budget) for step in stage.steps])


async def run_stage(stage: StagePlan, exchange: Exchange, subject: Any, watch: Watch) -> Outcome:
    """Run a stage; awaited steps start first and run while the inline steps do."""
    if not stage.awaits:
        return run_inline(stage, exchange, subject, watch)
    awaited = {i: _begin(s, exchange, subject) for i, s in enumerate(stage.steps) if s.awaits}
    results: list[StepResult | None] = [
        None if step.awaits else run_step(step, exchange, subject, watch, stage.budget_ms)
        for step in stage.steps
    ]
    await _settle(awaited.values(), stage.budget_ms)
    for index, task in awaited.items():
        results[index] = _collect(stage.steps[index], task, subject)
    return merge(cast("list[StepResult]", results))


def _begin(step: Step, exchange: Exchange, subject: Any) -> asyncio.Task[HookResult]:
    async def call() -> HookResult:
        return await cast("Awaitable[HookResult]", step.call(exchange, subject))

    return asyncio.get_running_loop().create_task(call(), name=f"step {step.id}")


async def _settle(tasks: Any, budget_ms: int) -> None:
    """Wait for all, at most the budget; whatever is left is cancelled, also when the exchange is."""
    try:
        await asyncio.wait(tasks, timeout=budget_ms / 1000)
    finally:
        for task in tasks:
            task.cancel()


def _collect(step: Step, task: asyncio.Task[HookResult], subject: Any) -> StepResult:
    if not task.done() or task.cancelled():
        return failed(step, "timeout")
    if task.exception() is not None:
        return failed(step, "raised")
    return checked(step, task.result(), subject)


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
