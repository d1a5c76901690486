"""Captured files -> a runtime: where configuration, policies, packs, plugins and providers meet.

Law of this module: the same snapshot, environment and date give the same runtime in every process. Everything
that can be wrong is found here, before the first exchange or before a reload is committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import bylaw_policies
from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan.callers import Callers
from bylaw.plan.compile import GuardPool
from bylaw.plan.config import Config, capture, default_snapshot, load_config
from bylaw.plan.geoip import GeoIp
from bylaw.plan.jurisdiction import JurisdictionResolver
from bylaw.plan.library import Library, load_library
from bylaw.plan.overrides import ENV_PREFIX
from bylaw.plan.planner import Planner, RouteFacts
from bylaw.plan.registry import Registry, load_registry
from bylaw.plan.sections import Route as RouteSection
from bylaw.plan.sections import Upstream as UpstreamSection
from bylaw.plan.snapshot import Snapshot
from bylaw.stages.ports import Upstream
from bylaw.stages.runtime import Route, Runtime
from bylaw.wire.families import FAMILIES

OpenUpstream = Callable[[str, UpstreamSection, Limits], Upstream]


@dataclass(frozen=True, slots=True)
class Source:
    """How to get at the operator's files again, for a reload.

    Args:
        file: the configuration file, or None.
        upstream: URL of `serve --upstream`, if there is no file.
        env: the process environment.
        options: command line values by dotted key.
    """

    file: str | None
    upstream: str | None
    env: Mapping[str, str]
    options: Mapping[str, Any]

    def capture(self) -> Snapshot:
        """Read every file once.

        Raises:
            ConfigError: a file that cannot be read.
        """
        if self.file is not None:
            return capture(Path(self.file), self.env, self.options)
        if self.upstream is None:
            raise ConfigError("neither --config nor --upstream is given")
        return default_snapshot(self.upstream)


@dataclass(frozen=True, slots=True)
class Load:
    """One load of the configuration: what the files say, compiled.

    Args:
        config: the configuration.
        registry: installed guards, resolvers and commands.
        library: packs and policies.
        planner: makes plans.
    """

    config: Config
    registry: Registry
    library: Library
    planner: Planner
    digest: str


def load(snapshot: Snapshot, env: Mapping[str, str], options: Mapping[str, Any], at: date) -> Load:
    """Compile captured files.

    Args:
        snapshot: files as captured.
        env: the process environment.
        options: command line values by dotted key.
        at: date as of which obligations are in force.

    Raises:
        ConfigError: whatever is wrong, with file and line.
    """
    config = load_config(snapshot, env, options)
    registry = load_registry(config.plugins.disabled)
    policies = config.policies
    library = load_library(
        bylaw_policies.packs(),
        bylaw_policies.profiles(),
        [str(pack) for pack in policies.packs],
        policies.directories,
        files=snapshot,
    )
    policy = library.policy(policies.profile, policies.place if policies.place.file else None)
    planner = Planner(policy, library.packs, config.deployment, GuardPool(registry), config.limits, at)
    loaded = Load(config, registry, library, planner, _digest(snapshot, env, options, registry, at))
    _compile_all(loaded)
    return loaded


def runtime(loaded: Load, env: Mapping[str, str], open_upstream: OpenUpstream) -> Runtime:
    """The runtime of a load, with its providers' clients."""
    config = loaded.config
    callers = Callers(config.callers)
    geoip_file = config.jurisdictions.geoip_file
    geoip = GeoIp(geoip_file) if geoip_file else None
    resolver = JurisdictionResolver(config.jurisdictions, callers, geoip, loaded.registry.resolvers)
    clients = {
        name: open_upstream(name, section, config.limits) for name, section in config.upstreams.items()
    }
    routes = tuple(_route(section, config.upstreams[section.upstream], env) for section in config.routes)
    known = {name: sorted(values) for name, values in config.deployment.known.items()}
    return Runtime(loaded.digest, routes, callers, resolver, loaded.planner, clients, MappingProxyType(known))


def route_facts(section: RouteSection) -> RouteFacts:
    """What of a route goes into its plans."""
    return RouteFacts(str(section.match), section.pass_through, section.unread or "")


def _route(section: RouteSection, upstream: UpstreamSection, env: Mapping[str, str]) -> Route:
    credential = (upstream.key_header, upstream.key.resolve(env).reveal()) if upstream.key else None
    return Route(
        match=str(section.match),
        upstream=section.upstream,
        dialect=section.dialect,
        family=FAMILIES.get(section.dialect),
        pass_through=section.pass_through,
        websocket=section.websocket,
        methods=frozenset(section.methods or ()),
        credential=credential,
        facts=route_facts(section),
    )


def _compile_all(loaded: Load) -> None:
    """Compile what can be foreseen, so that a mistake shows at start: each route under the default, under each
    caller's jurisdictions, under each pack alone and under all packs together."""
    config = loaded.config
    default = frozenset(config.jurisdictions.default)
    packs = [frozenset(pack.jurisdictions) for pack in loaded.library.packs]
    callers = [frozenset(caller.jurisdictions) for caller in config.callers.values()]
    for codes in {default, *packs, *callers, frozenset().union(default, *packs)} - {frozenset()}:
        for section in config.routes:
            for codec in operations(section) or ("",):
                loaded.planner.plan(route_facts(section), codec, codes)


def operations(section: RouteSection) -> tuple[str, ...]:
    """Wire codecs that a route's dialect has; none if it is passed through."""
    family = FAMILIES.get(section.dialect)
    return () if family is None or section.pass_through else tuple(codec.name for codec in family.codecs)


def _digest(
    snapshot: Snapshot, env: Mapping[str, str], options: Mapping[str, Any], registry: Registry, at: date
) -> str:
    guards = sorted((name, info.version) for name, info in registry.guards.items())
    overrides = {name: value for name, value in env.items() if name.startswith(ENV_PREFIX)}
    parts = [dict(snapshot.files), overrides, dict(options), guards, str(at)]
    whole = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]
