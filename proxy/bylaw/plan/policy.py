"""Policy files: which guards run, in which order, how strictly.

Law of this module: a policy says what it says: unknown keys, values and repeated ids are errors with file
and line. Files are added to each other and never overwrite; of two answers the stricter one holds. Only a
profile that declares itself an observer (`enforce: false`) puts everything into shadow, the steps of packs
included: it changes no byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bylaw.errors import ConfigError, Place
from bylaw.plan.source import Node, parse
from bylaw.plan.typed import build

OnError = Literal["block", "flag", "allow"]
Unread = Literal["record", "block"]
DIRECTIONS = frozenset({"prompt", "reply"})
STEP_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PACK_PREFIX = "pack."
NOWHERE = Place("")


@dataclass(frozen=True, slots=True)
class When:
    """Limits a step; an empty part does not limit.

    Args:
        jurisdictions: codes, one of which must apply (a code covers its subdivisions).
        routes: prefixes (`match` of a route), one of which the route must start with.
    """

    jurisdictions: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()

    def holds(self, jurisdictions: Iterable[str], route: str | None) -> bool:
        """Whether the step runs; `route` None stands for any route."""
        codes = tuple(jurisdictions)
        here = any(
            code == wanted or code.startswith(f"{wanted}-") for code in codes for wanted in self.jurisdictions
        )
        there = route is None or route.startswith(self.routes)
        return (here or not self.jurisdictions) and (there or not self.routes)


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One guard as a policy or a pack asks for it, not yet built.

    Args:
        id: unique in its plan; the key of its verdicts in the ledger.
        guard: name of the guard.
        options: kept as a node, so that the guard's own options are built with file and line.
        on: `prompt`, `reply` or both.
        on_error: what a failure of the guard counts as.
        enforce: false: runs, is recorded as "would have", changes nothing.
        mandatory: a route that the guard cannot read refuses to start.
        when: where it runs.
        place: file and line.
        cause: who asked for it: a policy, or the ids of rows.
    """

    id: str
    guard: str
    options: Node
    on: frozenset[str] = DIRECTIONS
    on_error: OnError = "block"
    enforce: bool = True
    mandatory: bool = False
    when: When = When()
    place: Place = NOWHERE
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """Steps in their order, and what an unread part does to an exchange (`record` or `block`).

    Args:
        name: of the profile, joined with the names of the policies added to it.
        enforce: false: an observer; every step is shadow, and nothing unread blocks.
        digest: SHA-256 of the files that went in, in hexadecimal digits.
    """

    name: str
    summary: str
    steps: tuple[StepSpec, ...]
    unread: Unread
    enforce: bool
    place: Place
    digest: str


@dataclass(frozen=True, slots=True)
class _Step:
    guard: str
    place: Place
    id: str = ""
    options: Node | None = None
    on: frozenset[Literal["prompt", "reply"]] = field(default=frozenset({"prompt", "reply"}))
    on_error: OnError = "block"
    enforce: bool = True
    mandatory: bool = False
    when: When = When()

    def __post_init__(self) -> None:
        name = self.id or self.guard
        if not STEP_ID.fullmatch(name) or name.startswith(PACK_PREFIX):
            raise ValueError(
                f"`{name}` cannot be the id of a step: lower-case letters, digits, `.`, `_`, `-`, at most 64,"
                f" not starting with `{PACK_PREFIX}`"
            )
        if not self.on:
            raise ValueError("`on` is empty, so the step would never run; name `prompt`, `reply` or both")


@dataclass(frozen=True, slots=True)
class _File:
    name: str = field(metadata={"key": "policy"})
    place: Place
    summary: str = ""
    unread: Unread = "record"
    enforce: bool = True
    steps: tuple[_Step, ...] = ()


def load_policy(text: str, file: str) -> Policy:
    """Read one policy file.

    Raises:
        ConfigError: with every mistake of the schema, or the first id that is given twice.
    """
    read = build(_File, parse(text, file))
    steps = tuple(_spec(step, read) for step in read.steps)
    _refuse_twins(steps)
    digest = hashlib.sha256(text.encode()).hexdigest()
    unread: Unread = read.unread if read.enforce else "record"
    return Policy(read.name, read.summary, steps, unread, read.enforce, read.place, digest)


def combine(profile: Policy, added: Sequence[Policy]) -> Policy:
    """The profile, then the operator's own policies, in the order given.

    Raises:
        ConfigError: two steps of one id.
    """
    if not added:
        return profile
    policies = (profile, *added)
    blocks = profile.enforce and any(policy.unread == "block" for policy in policies)
    combined = replace(
        profile,
        name="+".join(policy.name for policy in policies),
        unread="block" if blocks else "record",
        digest=hashlib.sha256("".join(policy.digest for policy in policies).encode()).hexdigest(),
    )
    return with_steps(replace(combined, steps=()), [step for policy in policies for step in policy.steps])


def with_steps(policy: Policy, steps: Iterable[StepSpec]) -> Policy:
    """Append steps (those of packs); under an observer they are shadow, too.

    Raises:
        ConfigError: two steps of one id.
    """
    every = (*policy.steps, *(replace(step, enforce=step.enforce and policy.enforce) for step in steps))
    _refuse_twins(every)
    return replace(policy, steps=every)


def _spec(step: _Step, policy: _File) -> StepSpec:
    return StepSpec(
        id=step.id or step.guard,
        guard=step.guard,
        options=step.options or Node({}, step.place),
        on=frozenset(step.on),
        on_error=step.on_error,
        enforce=step.enforce and policy.enforce,
        mandatory=step.mandatory,
        when=step.when,
        place=step.place,
        cause=f"policy {policy.name}",
    )


def _refuse_twins(steps: Iterable[StepSpec]) -> None:
    seen: dict[str, Place] = {}
    for step in steps:
        if step.id in seen:
            raise ConfigError(
                f"step id `{step.id}` is already used in {seen[step.id]}; give it an `id`", step.place
            )
        seen[step.id] = step.place
