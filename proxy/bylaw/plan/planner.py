"""Finds or makes the plan of an exchange.

Law of this module: what goes into a plan is the route, the operation, the jurisdictions and the date of the load;
the same four always give the same plan. Plans are kept in a bounded cache, so the hot path is a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from bylaw.content import Unread
from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan.compile import GuardPool, compile_plan
from bylaw.plan.facts import Facts
from bylaw.plan.merge import Merged, Selection, merge, select, steps_for
from bylaw.plan.packs import Pack
from bylaw.plan.plan import Plan
from bylaw.plan.policy import Policy, StepSpec, with_steps

PLANS_MAX = 4096


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What of a route goes into a plan.

    Args:
        match: its path prefix.
        pass_through: whether its bodies cross unread.
        unread: `record` on a passed route: the operator accepts that mandatory guards leave it unread;
            `refuse` on any other: a part that nobody can read blocks; empty: as the policy says.
    """

    match: str
    pass_through: bool = False
    unread: str = ""


class Planner:
    """Makes plans from one load of the configuration.

    Args:
        policy: profile and the operator's policies.
        packs: all packs.
        facts: of the deployment.
        pool: guard instances.
        limits: budgets of the stages.
        at: the date as of which obligations are in force.
    """

    def __init__(
        self, policy: Policy, packs: tuple[Pack, ...], facts: Facts, pool: GuardPool, limits: Limits, at: date
    ) -> None:
        self.policy, self.packs, self.facts, self.at = policy, packs, facts, at
        self._pool, self._limits = pool, limits
        self._plans: dict[tuple[RouteFacts, str, frozenset[str]], Plan] = {}

    def plan(self, route: RouteFacts, codec: str, codes: frozenset[str]) -> Plan:
        """The plan of a route's operation under these jurisdictions.

        Raises:
            ConfigError: rows that cannot be satisfied together, or a mandatory guard that cannot read the route.
        """
        key = (route, codec, codes)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = self._plans[key] = self._make(route, codec, codes)
        return plan

    def specs(self, route: RouteFacts, codes: frozenset[str]) -> tuple[StepSpec, ...]:
        """The policy entries that apply, those of packs last."""
        _, merged = self.merged(codes)
        steps = with_steps(self.policy, steps_for(merged)).steps
        return tuple(step for step in steps if step.when.holds(codes, route.match))

    def merged(self, codes: frozenset[str]) -> tuple[Selection, Merged]:
        """What the packs ask for."""
        selection = select(self.packs, codes, self.facts, self.at)
        return selection, merge(selection, self.facts)

    def label(self, codes: Iterable[str]) -> str:
        """Profile and packs with their versions, for the `Bylaw-Policy` header."""
        known = set(codes)
        packs = [f"{p.name}@{p.version}" for p in self.packs if any(p.covers(code) for code in known)]
        return ", ".join([f"{self.policy.name}@{self.policy.digest[:8]}", *packs])

    def _make(self, route: RouteFacts, codec: str, codes: frozenset[str]) -> Plan:
        specs = self.specs(route, codes)
        blocks = self.policy.unread == "block" or route.unread == "refuse"
        if route.pass_through and route.unread != "record":
            refuse_unread(route, specs, self.policy)
        unread = (Unread("route", (), "pass_through"),) if route.pass_through else ()
        return compile_plan(
            specs,
            self._pool,
            self._limits,
            codec=codec,
            label=self.label(codes),
            codes=tuple(sorted(str(code) for code in codes)),
            unread_blocks=blocks and not route.pass_through,
            unread=unread,
            retention=self.merged(codes)[1].retention,
            facts={"at": str(self.at), "codes": sorted(map(str, codes)), "route": str(route.match)},
        )


def refuse_unread(route: RouteFacts, specs: Iterable[StepSpec], policy: Policy) -> None:
    """A mandatory guard, or a policy that blocks unread parts, makes the start fail with a route that nobody reads.

    Raises:
        ConfigError: naming the route, who must read it, and the two ways out.
    """
    ways_out = "remove the route, or write `unread: record` on it to have each exchange recorded as unread"
    for spec in specs:
        if spec.mandatory and spec.enforce:
            raise ConfigError(
                f"the route {route.match} is passed through unread, but the mandatory step `{spec.id}` must read"
                f" it; {ways_out}",
                spec.place,
            )
    if policy.unread == "block":
        raise ConfigError(
            f"the route {route.match} is passed through unread, but the policy blocks what is unread; {ways_out}",
            policy.place,
        )
