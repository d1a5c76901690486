"""One load of the configuration, ready to serve.

Law of this module: a runtime is never changed; a reload makes a new one, and exchanges that run keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bylaw.plan.callers import Callers
from bylaw.plan.jurisdiction import JurisdictionResolver
from bylaw.plan.plan import Plan
from bylaw.plan.planner import Planner, RouteFacts
from bylaw.stages.ports import Upstream
from bylaw.wire.families import Family


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `routes:`.

    Args:
        match: path prefix.
        upstream: name of the provider.
        dialect: family of operations: `openai`, `anthropic`, `raw`.
        family: its operations; None for `raw`.
        pass_through: whether bodies cross unread.
        websocket: whether a WebSocket handshake may switch.
        methods: methods that it covers; empty: all.
        credential: (header kind, secret) to send to the provider, or None.
        facts: what of it goes into plans.
    """

    match: str
    upstream: str
    dialect: str
    family: Family | None
    pass_through: bool
    websocket: bool
    methods: frozenset[str]
    credential: tuple[str, str] | None
    facts: RouteFacts


@dataclass(frozen=True, slots=True)
class Runtime:
    """What exchanges look things up in.

    Args:
        digest: of everything that was loaded.
        routes: in the operator's order; the first that fits wins.
        callers: proxy keys; empty if nobody needs one.
        resolver: finds jurisdictions.
        planner: finds plans.
        upstreams: pooled clients by name.
        facts: of the deployment, as guards see them.
    """

    digest: str
    routes: tuple[Route, ...]
    callers: Callers
    resolver: JurisdictionResolver
    planner: Planner
    upstreams: Mapping[str, Upstream]
    facts: Mapping[str, Any]

    def plan(self, route: Route, codec: str, codes: frozenset[str]) -> Plan:
        """The plan of an operation."""
        return self.planner.plan(route.facts, codec, codes)
