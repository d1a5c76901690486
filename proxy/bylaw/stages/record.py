"""record: exchange -> ledger entries, one log event, counters; always, exactly once.

Law of this stage: in mode `strict` the intent is durable before the first upstream byte and the outcome before
the last client byte; in mode `final` only the latter; in mode `async` nothing waits. An entry never
holds content, a credential, an address or a name of a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bylaw.errors import Overloaded
from bylaw.stages.transit import STAGES, Transit

RECORD_LAP = STAGES.index("record")
UNCOUNTED = frozenset({"unknown_caller", "exchanges_full"})


def declare(t: Transit) -> None:
    """Append the intent; whoever forwards waits for it, so the wait hides behind the request guards."""
    if t.services.mode != "strict" or t.intent is not None:
        return
    t.intent = t.services.ledger.append("intent", t.exchange.id, facts(t))


async def intended(t: Transit) -> None:
    """Wait until the intent is durable.

    Raises:
        Overloaded: the ledger cannot make it durable.
    """
    if t.intent is not None:
        await t.intent


async def settle(t: Transit) -> None:
    """Append the outcome and, unless the mode is `async`, wait until it is durable.

    Raises:
        Overloaded: the ledger cannot make it durable; nothing more may be released.
    """
    if t.recorded:
        return
    t.lap(STAGES.index("relay"))
    safe = t.services.ledger.append("outcome", t.exchange.id, outcome(t))
    t.recorded, t.told = True, t.error
    if t.services.mode == "async":
        return
    try:
        await safe
    except Overloaded:
        t.error = t.error or "ledger_unavailable"
        raise
    finally:
        t.lap(RECORD_LAP)


def close(t: Transit) -> None:
    """The end of every exchange: record what was not recorded yet, and what went wrong since; count, log."""
    if not t.recorded:
        t.recorded = True
        _append_unwaited(t)
    elif t.error != t.told:
        forget(t.services.ledger.append("undelivered", t.exchange.id, {"error": t.error}))
    t.services.observe(
        route=t.route.match if t.route else "none",
        decision=t.decision, status=t.status, error=t.error, stage_ns=t.stage_ns, record=log_fields(t),
    )  # fmt: skip


def _append_unwaited(t: Transit) -> None:
    """Refusals of strangers are only counted, so that an outsider cannot choose the size of the ledger."""
    if t.error in UNCOUNTED:
        t.services.refused[t.error] = t.services.refused.get(t.error, 0) + 1
        return
    kind = "outcome" if t.plan is not None else "refused"
    forget(t.services.ledger.append(kind, t.exchange.id, outcome(t)))


def forget(future: asyncio.Future[None]) -> None:
    """Nobody waits for this future; its failure is counted by the ledger client."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())


def facts(t: Transit) -> dict[str, Any]:
    """What is known before the exchange runs."""
    return {
        "jurisdictions": list(t.plan.codes) if t.plan else [],
        "plan": t.plan.id if t.plan else "",
        "policy": t.plan.label if t.plan else "",
        "route": t.route.match if t.route else "",
        "upstream": t.route.upstream if t.route else "",
        "dialect": t.exchange.dialect,
        "caller": t.exchange.caller,
        "tenant": t.exchange.tenant,
        "model": t.prompt.model[:128] if t.prompt else "",
    }


def outcome(t: Transit) -> dict[str, Any]:
    """What happened."""
    record = facts(t)
    record.update(
        decision=t.decision,
        status=t.status,
        steps=t.steps(),
        forwarded=t.forwarded,
        upstream_status=t.upstream.status if t.upstream else 0,
        released=t.released,
        us={stage: ns // 1000 for stage, ns in zip(STAGES, t.stage_ns, strict=True) if ns},
    )
    optional: Mapping[str, Any] = {
        "error": t.error,
        "code": t.blocker.verdict.code if t.blocker else "",
        "blocked_by": t.blocker.step.id if t.blocker else "",
        "unread": sorted({f"{part.kind}:{part.reason}" for part in t.unread}),
        "retention": sorted(t.plan.retention) if t.plan else [],
        "ignored_header": t.ignored_header,
    }
    record.update({key: value for key, value in optional.items() if value})
    return record


def log_fields(t: Transit) -> dict[str, Any]:
    """One log event of an exchange: ids, numbers and codes."""
    return {
        "exchange": t.exchange.id,
        "method": t.inbound.method,
        "jurisdictions": list(t.plan.codes) if t.plan else [],
        "caller": t.exchange.caller,
        "code": t.blocker.verdict.code if t.blocker else "",
        "errors": [step for (_, step), tally in t.tallies.items() if tally.error],
        "tallies": t.tallies,
    }
