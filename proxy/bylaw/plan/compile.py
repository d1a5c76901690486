"""Policy entries -> guard instances -> a frozen plan.

Law of this module: it runs at start and reload only. A guard is built once for each policy entry; a plan holds
bound methods, so the hot path looks nothing up. Whatever is wrong is a `ConfigError` with file and line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from bylaw.content import Unread
from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan.adapters import CHOICES, PROMPT_STAGES, pick
from bylaw.plan.plan import Plan, StagePlan, Step
from bylaw.plan.policy import StepSpec
from bylaw.plan.registry import Registry
from bylaw.plan.source import Node
from bylaw.plan.typed import build, nearest
from bylaw.spec.guard import Guard
from bylaw.verdict import Action
from bylaw.wire.channels import WHOLE

# The hook that lets a guard look at a stream piece by piece; without it, it gets each channel whole.
WINDOWED = {"window": "inspect_window", "amend_window": "amend_window"}
ON_ERROR = {"block": Action.BLOCK, "flag": Action.FLAG, "allow": Action.ALLOW}


class GuardPool:
    """The guard instances of one load of the configuration: one for each policy entry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._guards: dict[tuple[str, str, str, str], Guard] = {}

    def guard(self, spec: StepSpec) -> Guard:
        """The instance of this entry.

        Raises:
            ConfigError: no such guard, unknown or bad options.
        """
        key = (spec.guard, spec.id, str(spec.place), fingerprint(spec.options))
        if key not in self._guards:
            self._guards[key] = self._build(spec)
        return self._guards[key]

    def _build(self, spec: StepSpec) -> Guard:
        info = self.registry.guards.get(spec.guard)
        if info is None:
            hint = nearest(spec.guard, self.registry.guards)
            raise ConfigError(f"no installed plugin registers the guard {spec.guard!r}{hint}", spec.place)
        options = build(info.cls.Options, spec.options)
        try:
            return info.cls(options, spec.id)
        except ValueError as error:
            raise ConfigError(str(error), spec.options.place) from None


def fingerprint(node: Node) -> str:
    """Digest of an option tree."""
    return hashlib.sha256(repr(node.plain()).encode()).hexdigest()


def compile_plan(
    specs: Sequence[StepSpec],
    pool: GuardPool,
    limits: Limits,
    *,
    codec: str,
    label: str,
    codes: tuple[str, ...] = (),
    unread_blocks: bool = False,
    unread: tuple[Unread, ...] = (),
    retention: tuple[str, ...] = (),
    facts: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of these entries, in their order.

    Args:
        specs: policy entries that apply, most general first.
        pool: where guard instances come from.
        limits: time budgets of the stages.
        codec: wire codec of the operation; "" compiles a plan without stages.
        label: value of the `Bylaw-Policy` header.
        codes: the jurisdictions, sorted.
        unread_blocks: whether a part that nobody can read blocks.
        unread: what the route leaves unread.
        retention: retention classes to record.
        facts: what else went in, for the digest.
    """
    bound = [(spec, pool.guard(spec)) for spec in specs] if codec else []
    stages = {name: _stage(name, bound, limits) for name in CHOICES}
    versions = [(guard.name, guard.version) for _, guard in bound]
    return Plan(
        id=_digest(specs, versions, codec, label, unread_blocks, unread, retention, facts or {}),
        label=label,
        codes=codes,
        codec=codec,
        unread=unread,
        unread_blocks=unread_blocks,
        step_ids=tuple(spec.id for spec in specs),
        retention=retention,
        request=stages["request"],
        reply=stages["reply"],
        window=stages["window"],
        tool_call=stages["tool_call"],
        amend_reply=stages["amend_reply"],
        amend_window=stages["amend_window"],
    )


def _stage(name: str, bound: Sequence[tuple[StepSpec, Guard]], limits: Limits) -> StagePlan:
    side = "prompt" if name in PROMPT_STAGES else "reply"
    budget = limits.request_budget_ms if side == "prompt" else limits.reply_budget_ms
    steps = [_step(name, spec, guard) for spec, guard in bound if side in spec.on]
    return StagePlan.of(tuple(step for step in steps if step is not None), budget)


def _step(name: str, spec: StepSpec, guard: Guard) -> Step | None:
    picked = pick(guard, CHOICES[name])
    if picked is None:
        return None
    hook, awaited = picked
    look_behind = WHOLE if name in WINDOWED and not hasattr(guard, WINDOWED[name]) else guard.look_behind
    return Step(spec.id, hook, awaited, ON_ERROR[spec.on_error], spec.enforce, look_behind)


def _digest(specs: Sequence[StepSpec], *parts: Any) -> str:
    """Of everything that goes in, so that entries of one plan id were treated alike."""
    steps = [(s.id, s.guard, fingerprint(s.options), sorted(s.on), s.on_error, s.enforce) for s in specs]
    plain = [sorted(part.items(), key=str) if isinstance(part, Mapping) else part for part in parts]
    return hashlib.sha256(repr((steps, plain)).encode()).hexdigest()[:16]
