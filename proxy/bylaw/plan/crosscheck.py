"""What needs more than one key of the configuration to be seen as wrong.

Law of this module: a configuration that passes can be started, and every line of it has an effect.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from bylaw.errors import ConfigError
from bylaw.plan.callers import ANONYMOUS
from bylaw.plan.sections import Config, Route, Upstream
from bylaw.plan.source import Node
from bylaw.plan.typed import nearest, raise_all

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WORKERS_MAX = 256
BUFFER_BYTES_MIN = 128 * 1024  # an entry may have 64 KiB
NOT_YET: dict[tuple[str, str], dict[str, str]] = {
    ("scoring", "engine"): {"remote": "local"},
    ("ledger", "store"): {"postgresql": "local"},
    ("ledger", "mode"): {"replicated": "strict"},
}


def refuse_not_yet(root: Node) -> None:
    """Say of known values that this version does not have them, instead of calling them unknown.

    Raises:
        ConfigError: at the value.
    """
    for path, values in NOT_YET.items():
        node = root.get(*path)
        if node and isinstance(node.value, str) and node.value in values:
            raise node.error(f"`{node.value}` is not available in this version; write `{values[node.value]}`")


def crosscheck(config: Config, root: Node) -> None:
    """Compare the sections of a configuration with each other.

    Args:
        config: what was built.
        root: what it was built from, for places.

    Raises:
        ConfigError: every mistake, one a line.
    """
    checks = (_names, _routes, _reachable, _doubled_path, _listeners, _callers, _numbers)
    raise_all([error for check in checks for error in check(config, root)])


def _names(config: Config, root: Node) -> Iterator[ConfigError]:
    for section in ("upstreams", "callers"):
        for name in getattr(config, section):
            if not NAME.fullmatch(name) or name == ANONYMOUS:
                yield root.find(section, name).error(
                    f"a name has letters, digits, dots, underscores and hyphens, and is not `{ANONYMOUS}`"
                )
    for section in ("upstreams", "routes"):
        if not getattr(config, section):
            yield root.find(section).error("at least one is needed")


def _routes(config: Config, root: Node) -> Iterator[ConfigError]:
    for n, route in enumerate(config.routes):
        if route.upstream not in config.upstreams:
            known = ", ".join(config.upstreams) or "none"
            hint = nearest(route.upstream, config.upstreams)
            yield root.find("routes", n, "upstream").error(
                f"no upstream has the name `{route.upstream}`{hint} Upstreams: {known}"
            )


def _reachable(config: Config, root: Node) -> Iterator[ConfigError]:
    for n, later in enumerate(config.routes):
        for earlier in config.routes[:n]:
            if earlier.shadows(later):
                yield root.find("routes", n, "match").error(
                    f"nothing reaches this route: `{earlier.match}` in line {earlier.place.line} comes first"
                )
                break


def _doubled_path(config: Config, root: Node) -> Iterator[ConfigError]:
    """`https://host/v1` with the route `/v1/` asks the provider for `/v1/v1/...`."""
    for name, upstream in config.upstreams.items():
        for route in config.routes:
            if route.upstream == name and (twice := _twice(upstream, route)):
                yield root.find("upstreams", name, "url").error(
                    f"requests would go to {upstream.url}/{twice}/...: the URL ends with `/{twice}`"
                    f" and the route `{route.match}` begins with it; remove `/{twice}` from the URL"
                )
                break


def _twice(upstream: Upstream, route: Route) -> str:
    last, first = upstream.url.path.rpartition("/")[2], route.match.split("/")[1]
    return last if last == first else ""


def _listeners(config: Config, root: Node) -> Iterator[ConfigError]:
    if config.admin.open and not config.admin.listen.loopback:
        yield root.find("admin", "open").error(
            f"other machines can reach {config.admin.listen}; use a `token`, or listen on loopback"
        )
    if config.admin.open and config.admin.token is not None:
        yield root.find("admin", "token").error("`token` has no effect while `open` is true")
    if config.listen == config.admin.listen and config.listen.port:
        node = root.get("admin", "listen") or root.find("listen")
        yield node.error("the data plane and the control plane listen on the same address")


def _callers(config: Config, root: Node) -> Iterator[ConfigError]:
    owners: dict[str, str] = {}
    for name, caller in config.callers.items():
        for digest in caller.digests:
            if digest in owners:
                yield root.find("callers", name, "key_sha256").error(f"`{owners[digest]}` has the same key")
            owners[digest] = name
    section, trust = root.get("callers"), root.get("jurisdictions", "trust")
    if section and not config.callers:
        yield section.error("no caller is listed; without any, leave `callers` out")
    if config.callers and trust:
        yield trust.error("`trust` has no effect while there are `callers`; set `trusted: true` on a caller")


def _numbers(config: Config, root: Node) -> Iterator[ConfigError]:
    if not 1 <= config.workers <= WORKERS_MAX:
        yield root.find("workers").error(f"expected 1 to {WORKERS_MAX}")
    if config.ledger.deadline_ms < 1:
        yield root.find("ledger", "deadline_ms").error("expected at least 1")
    if config.ledger.buffer_bytes_max < BUFFER_BYTES_MIN:
        yield root.find("ledger", "buffer_bytes_max").error(f"expected at least {BUFFER_BYTES_MIN}")
    for field in dataclasses.fields(config.limits):
        if getattr(config.limits, field.name) < 1:
            yield root.find("limits", field.name).error("expected at least 1")
