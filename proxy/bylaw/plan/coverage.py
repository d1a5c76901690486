"""The coverage map: route x channel x guard, what is read and what is not, and why.

Law of this module: it is derived from the same plans that run; what it calls read is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bylaw.plan.planner import Planner, RouteFacts
from bylaw.plan.policy import StepSpec
from bylaw.plan.registry import Registry

PROMPT_CHANNELS = ("text", "tool_arguments", "tool_schema", "other")
REPLY_CHANNELS = ("text", "reasoning", "refusal", "tool_arguments", "other")
MODALITIES = ("image", "audio", "file")


@dataclass(frozen=True, slots=True)
class Cover:
    """One line of the map.

    Args:
        route: path prefix.
        operation: wire codec, or `pass-through`.
        side: `prompt` or `reply`.
        channel: kind of text, or a modality.
        step: id of the policy entry.
        state: `read`, `unread` or `not applicable`.
        why: the reason where it is not plainly read.
    """

    route: str
    operation: str
    side: str
    channel: str
    step: str
    state: str
    why: str = ""


def coverage(
    planner: Planner,
    registry: Registry,
    route: RouteFacts,
    operations: tuple[str, ...],
    codes: frozenset[str],
) -> Iterator[Cover]:
    """The map of one route under these jurisdictions.

    Args:
        planner: of the load.
        registry: installed guards.
        route: the route.
        operations: wire codecs that the route's dialect has.
        codes: jurisdictions.
    """
    specs = planner.specs(route, codes)
    for operation in () if route.pass_through else operations:
        for spec in specs:
            yield from _read(registry, route, operation, spec)
    if route.pass_through:
        for spec in specs:
            yield Cover(
                route.match,
                "pass-through",
                "both",
                "all",
                spec.id,
                "unread",
                "the operator passes it through",
            )


def _read(registry: Registry, route: RouteFacts, operation: str, spec: StepSpec) -> Iterator[Cover]:
    info = registry.guards[spec.guard]
    for side, channels in (("prompt", PROMPT_CHANNELS), ("reply", REPLY_CHANNELS)):
        for channel in (*channels, *MODALITIES):
            state, why = _state(info.cls.reads, _sides(info.hooks), spec, side, channel)
            yield Cover(route.match, operation, side, channel, spec.id, state, why)


def _sides(hooks: frozenset[str] | tuple[str, ...]) -> frozenset[str]:
    return frozenset("prompt" if hook == "inspect_request" else "reply" for hook in hooks)


def _state(
    reads: frozenset[str], sides: frozenset[str], spec: StepSpec, side: str, channel: str
) -> tuple[str, str]:
    if side not in spec.on:
        return "not applicable", f"the step is not on the {side}"
    if side not in sides:
        return "not applicable", f"the guard has no {side} hook"
    if channel in MODALITIES:
        return "unread", "no guard of this version reads it; recorded on each exchange"
    return ("read", "") if channel in reads else ("unread", "the guard does not read this channel")
