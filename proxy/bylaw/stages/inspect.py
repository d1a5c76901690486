"""inspect_request: prompt x plan -> verdict and rewritten prompt.

Law of this stage: it never raises for a guard's fault, and a blocked prompt is a value. What leaves is either
the caller's bytes or the caller's bytes with exactly the edited strings replaced.
"""

from __future__ import annotations

from collections.abc import Iterable

from bylaw.content import Unread
from bylaw.plan.edits import Vault, apply_edits
from bylaw.plan.plan import Step
from bylaw.plan.run import Outcome, StepResult, run_inline, run_stage
from bylaw.stages.transit import STAGES, Transit
from bylaw.verdict import Action, Verdict
from bylaw.wire.splice import splice

INSPECT_LAP = STAGES.index("inspect")
UNREAD = Step("unread", lambda _exchange, _subject: None)


async def inspect_request(t: Transit) -> bool:
    """Run the request guards.

    Returns:
        True if the request may be forwarded, False if `t.blocker` says why not.
    """
    assert t.plan is not None
    if t.plan.unread_blocks and t.unread:
        block_unread(t, "request", t.unread)
    if t.prompt is not None:
        stage = t.plan.request
        run = run_inline(stage, t.exchange, t.prompt, t.services.watch) if not stage.awaits else (
            await run_stage(stage, t.exchange, t.prompt, t.services.watch)
        )  # fmt: skip
        t.note("request", run)
        rewrite(t, run)
    t.lap(INSPECT_LAP)
    return t.blocker is None


def block_unread(t: Transit, side: str, parts: Iterable[Unread]) -> None:
    """The policy says that what nobody can read does not pass; `side` is `request` or `reply`."""
    kinds = ", ".join(sorted({part.kind for part in parts}))
    verdict = Verdict(Action.BLOCK, "unread_part", f"this proxy cannot read a part of the {side} ({kinds})")
    result = StepResult(UNREAD, verdict)
    t.note(side, Outcome(Action.BLOCK, result, results=[result]))


def rewrite(t: Transit, outcome: Outcome) -> None:
    """Apply the edits to the caller's bytes."""
    if not outcome.edits or outcome.action is Action.BLOCK:
        return
    assert t.prompt is not None and t.text is not None
    t.vault = Vault([segment.text for segment in t.prompt.segments])
    changes = apply_edits(t.prompt.segments, outcome.edits, t.vault)
    t.forward_body = splice(t.text, changes)
    t.modified = True
