"""route: path, caller, jurisdictions, date -> plan; a dictionary look-up.

Law of this stage: what no route covers is 404. Under a dialect's route, a path that no codec reads is 404
too, unless it carries no content; passing content through unread is something an operator writes down.
"""

from __future__ import annotations

import re

from bylaw.errors import ClientError
from bylaw.exchange import seal
from bylaw.stages.runtime import Route
from bylaw.stages.transit import STAGES, Transit
from bylaw.wire.codec import Codec

# Dot segments (plain or encoded) and backslashes are read differently by different servers: a path that
# matches a pass-through route here could reach a guarded operation there (CWE-22, CWE-436).
AMBIGUOUS_PATH = re.compile(
    r"(?:^|/|%2f|\\|%5c)(?:\.|%2e){1,2}(?:$|/|;|%2f|\\|%5c|%3b)|\\|%5c|%00", re.IGNORECASE
)
ROUTE_LAP = STAGES.index("route")


def route(t: Transit) -> None:
    """Find the route, the codec and the plan.

    Raises:
        ClientError: 404 no route or unread operation; 400 ambiguous path, bad jurisdiction header; 405 method.
    """
    if AMBIGUOUS_PATH.search(t.inbound.path):
        raise ClientError(400, "ambiguous_path", "the path has dot segments or backslashes")
    found = t.route = match(t)
    t.exchange.dialect = found.dialect
    t.codec = codec_of(t, found)
    if t.codec is not None:
        t.exchange.dialect = t.codec.name
    resolved = t.runtime.resolver.resolve(
        t.inbound.header, t.inbound.peer, t.runtime.callers.named(t.exchange.caller), t.inbound.headers
    )
    t.exchange.jurisdictions = resolved.codes
    t.ignored_header = resolved.ignored_header
    t.plan = t.runtime.plan(found, t.codec.name if t.codec else "", resolved.codes)
    t.unread.extend(t.plan.unread)
    seal(t.exchange)
    t.lap(ROUTE_LAP)


def match(t: Transit) -> Route:
    """The first route whose prefix and methods fit."""
    path, method = t.inbound.path, t.inbound.method
    for candidate in t.runtime.routes:
        if path.startswith(candidate.match) and (not candidate.methods or method in candidate.methods):
            return candidate
    raise ClientError(404, "unknown_route", "no route of this proxy covers this path")


def codec_of(t: Transit, found: Route) -> Codec | None:
    """The codec that reads this operation; None where there is nothing to read or the operator said so."""
    if found.family is None or found.pass_through or (found.websocket and t.inbound.upgrade == "websocket"):
        return None
    method, path = t.inbound.method, t.inbound.path
    codec = found.family.codec_for(method, path)
    if codec is not None:
        return codec
    if found.family.is_content_free(method, path) and t.inbound.length == 0:
        return None
    raise ClientError(
        404,
        "unread_operation",
        "no codec of this proxy reads this operation; the operator can add a pass-through route",
    )
