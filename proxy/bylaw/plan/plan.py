"""The compiled form of a policy: what the corridor executes.

Law of this module: a plan is frozen; nothing here looks anything up by name while an exchange runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bylaw.content import Unread
from bylaw.exchange import Exchange
from bylaw.verdict import Action, Verdict

HookResult = Verdict | None
Hook = Callable[[Exchange, Any], HookResult | Awaitable[HookResult]]


@dataclass(frozen=True, slots=True)
class Step:
    """One guard at one stage.

    Args:
        id: id of the policy entry, unique in the plan.
        call: the guard's bound hook (or an adapter of another hook of the same guard).
        awaits: whether `call` returns an awaitable.
        on_error: what a failure of the guard counts as.
        enforce: false in shadow mode: the verdict is recorded and changes nothing.
        look_behind: characters of context that its windows bring along.
    """

    id: str
    call: Hook
    awaits: bool = False
    on_error: Action = Action.BLOCK
    enforce: bool = True
    look_behind: int = 1


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The steps of one stage in the order of the policy.

    Args:
        steps: all of them; an index here is the rank that settles overlapping edits.
        budget_ms: time for each inline step, and for all awaited steps together.
    """

    steps: tuple[Step, ...] = ()
    budget_ms: int = 500
    awaits: bool = False

    @classmethod
    def of(cls, steps: tuple[Step, ...], budget_ms: int) -> StagePlan:
        """A stage of these steps."""
        return cls(steps, budget_ms, any(step.awaits for step in steps))


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be done with an exchange of one route under one set of jurisdictions on one date.

    Args:
        id: first 16 hexadecimal digits of the SHA-256 of everything that went in.
        label: value of the `Bylaw-Policy` header: profile and pack versions.
        codes: the jurisdictions, sorted.
        codec: name of the wire codec, or "" on a route whose bodies nobody reads.
        request, reply, window, tool_call, amend_reply, amend_window: the stages; each stage of replies has the
            steps of all guards with any reply hook.
        unread: parts that the route itself leaves unread.
        unread_blocks: whether an unread part blocks the exchange.
        step_ids: id of every step of the plan, in policy order, for the ledger.
        retention: retention classes to be recorded with each entry.
    """

    id: str
    label: str = ""
    codes: tuple[str, ...] = ()
    codec: str = ""
    request: StagePlan = field(default_factory=StagePlan)
    reply: StagePlan = field(default_factory=StagePlan)
    window: StagePlan = field(default_factory=StagePlan)
    tool_call: StagePlan = field(default_factory=StagePlan)
    amend_reply: StagePlan = field(default_factory=StagePlan)
    amend_window: StagePlan = field(default_factory=StagePlan)
    unread: tuple[Unread, ...] = ()
    unread_blocks: bool = False
    step_ids: tuple[str, ...] = ()
    retention: tuple[str, ...] = ()

    @property
    def reads_request(self) -> bool:
        """Whether the request's body must be parsed."""
        return bool(self.codec) and bool(self.request.steps or self.reads_reply)

    @property
    def reads_reply(self) -> bool:
        """Whether replies must be parsed even if no placeholder has to be restored."""
        return bool(self.codec) and bool(self.reply.steps or self.amend_reply.steps or self.unread_blocks)
