"""What an exchange carries through the corridor, secrets and content included; guards never see it.

Law of this module: stages share nothing but the transit. A transit keeps the runtime that it started with, so
a reload in the middle of an exchange changes nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bylaw.content import Prompt, Unread
from bylaw.exchange import Exchange
from bylaw.plan.edits import Vault
from bylaw.plan.plan import Plan
from bylaw.plan.run import Outcome, StepResult
from bylaw.verdict import ALLOW, Action, Note

if TYPE_CHECKING:
    from bylaw.stages.headers import Head
    from bylaw.stages.ports import Inbound, Outbound, UpstreamReply
    from bylaw.stages.runtime import Route, Runtime
    from bylaw.stages.services import Services
    from bylaw.wire.codec import Codec

# Different categories, and different notes, that one step may have on record; a stream has any number of windows.
WORDS_MAX = 64
STAGES = ("read", "route", "inspect", "upstream", "relay", "record")


@dataclass(slots=True)
class Tally:
    """What one step did during the exchange, summed over windows and tool calls."""

    action: Action = Action.ALLOW
    code: str = ""
    error: str = ""
    enforce: bool = True
    calls: int = 0
    ns: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)


@dataclass(slots=True)
class Transit:
    """One exchange on its way.

    Args:
        services: the worker's clock, ledger, limits, counters.
        runtime: configuration and plans as they were when the exchange began.
        inbound, outbound: the client's side.
        exchange: what guards may know.
        body: the request body as received, content coding included; None if it was not read (pass-through).
        text: the decoded body; what was inspected.
        forward_body: what will be sent instead of `body`, if anything was changed.
        head: of the reply, as soon as it is known; what is recorded is what leaves.
        told: the error that the recorded outcome names.
    """

    services: Services
    runtime: Runtime
    inbound: Inbound
    outbound: Outbound
    exchange: Exchange
    began_ns: int = 0
    at_us: int = 0
    admitted: bool = False
    route: Route | None = None
    plan: Plan | None = None
    codec: Codec | None = None
    caller_key: str | None = None
    body: bytes | None = None
    text: bytes | None = None
    forward_body: bytes | None = None
    prompt: Prompt | None = None
    vault: Vault | None = None
    unread: list[Unread] = field(default_factory=list)
    upstream: UpstreamReply | None = None
    head: Head | None = None
    intent: asyncio.Future[None] | None = None
    ignored_header: bool = False
    end_fault: Callable[[str, str], bytes] | None = None
    reply_headers: dict[str, str] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    blocker: StepResult | None = None
    modified: bool = False
    error: str = ""
    forwarded: bool = False
    released: int = 0
    recorded: bool = False
    told: str = ""
    mark_ns: int = 0
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(STAGES))

    def lap(self, stage: int) -> None:
        """Book the time since the last lap on a stage (index into `STAGES`)."""
        now = self.services.clock.monotonic_ns()
        self.stage_ns[stage] += now - self.mark_ns
        self.mark_ns = now

    @property
    def restores(self) -> bool:
        """Whether the reply may hold placeholders of this exchange."""
        return self.vault is not None and bool(self.vault.originals)

    @property
    def status(self) -> int:
        """Status of the reply; 0 if there is none yet."""
        return self.head.status if self.head is not None else 0

    @property
    def decision(self) -> str:
        """Value of the `Bylaw-Decision` header."""
        if self.blocker is not None or (self.error and not self.forwarded):
            return "blocked"
        return "modified" if self.modified else "allow"

    def note(self, stage: str, outcome: Outcome) -> None:
        """Take a stage's results into the record, and its blocker and headers into the exchange."""
        for result in outcome.results:
            self._tally(stage, result)
        if outcome.blocker is not None and self.blocker is None:
            self.blocker = outcome.blocker

    def _tally(self, stage: str, result: StepResult) -> None:
        key = (stage, result.step.id)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally(enforce=result.step.enforce)
        tally.calls += 1
        tally.ns += result.ns
        verdict = result.verdict
        if verdict is ALLOW:
            return
        tally.error = tally.error or result.error
        if verdict.action > tally.action:
            tally.action, tally.code = verdict.action, verdict.code
        for finding in verdict.findings:
            if finding.category in tally.findings or len(tally.findings) < WORDS_MAX:
                tally.findings[finding.category] = tally.findings.get(finding.category, 0) + 1
        for name, note in verdict.notes.items():
            if name in tally.notes or len(tally.notes) < WORDS_MAX:
                tally.notes[name] = note
        if result.step.enforce:
            self.reply_headers.update(verdict.headers)

    def steps(self) -> list[dict[str, Any]]:
        """The record of all steps, as the ledger keeps it."""
        return [self._step(stage, step, tally) for (stage, step), tally in self.tallies.items()]

    @staticmethod
    def _step(stage: str, step: str, tally: Tally) -> dict[str, Any]:
        record: dict[str, Any] = {
            "step": step,
            "stage": stage,
            "action": tally.action.name.lower(),
            "us": tally.ns // 1000,
        }
        if tally.calls > 1:
            record["calls"] = tally.calls
        if not tally.enforce:
            record["shadow"] = True
        optional: Mapping[str, Any] = {
            "code": tally.code, "error": tally.error, "findings": tally.findings, "notes": tally.notes,
        }  # fmt: skip
        record.update({key: value for key, value in optional.items() if value})
        return record
