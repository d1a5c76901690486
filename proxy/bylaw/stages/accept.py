"""accept: connection -> permit, exchange id, caller.

Law of this stage: a full worker says so at once (503 with Retry-After); nobody waits in a queue here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bylaw.errors import ClientError, Overloaded
from bylaw.exchange import SECRET_HEADERS, Exchange
from bylaw.plan.callers import present_key
from bylaw.stages.ports import Inbound, Outbound, RawHeaders
from bylaw.stages.services import Services
from bylaw.stages.transit import Transit


class PublicHeaders(Mapping[str, str]):
    """Request headers as guards may see them: lower case, credentials left out, decoded when first asked for."""

    __slots__ = ("_fields", "_raw")

    def __init__(self, raw: RawHeaders) -> None:
        self._raw = raw
        self._fields: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._fields is None:
            pairs = ((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in self._raw)
            self._fields = {key: value for key, value in pairs if key not in SECRET_HEADERS}
        return self._fields

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def begin(services: Services, inbound: Inbound, outbound: Outbound) -> Transit:
    """A transit for a request whose head has been read."""
    exchange = Exchange(
        services.new_id(), inbound.method, inbound.path, headers=PublicHeaders(inbound.headers)
    )
    transit = Transit(services, services.runtime, inbound, outbound, exchange)
    transit.began_ns = transit.mark_ns = services.clock.monotonic_ns()
    transit.at_us = services.clock.wall_us()
    return transit


def accept(t: Transit) -> None:
    """Take a permit and identify the caller.

    Raises:
        Overloaded: all permits are taken, or the worker is draining.
        ClientError: 401, the caller's key is missing or unknown.
    """
    services, inbound = t.services, t.inbound
    if services.in_flight >= services.limits.exchanges_max or services.draining:
        raise Overloaded("exchanges_full", "this proxy is at its capacity", 1)
    services.in_flight += 1
    t.admitted = True
    t.exchange.session = inbound.header("bylaw-session") or ""
    t.exchange.subject = inbound.header("bylaw-subject") or ""
    t.exchange.deployment = t.runtime.facts
    if t.runtime.callers:
        identify(t)


def identify(t: Transit) -> None:
    """Find the caller by the key that it presents."""
    key = present_key(t.inbound.header)
    caller = t.runtime.callers.find(key) if key else None
    if caller is None:
        raise ClientError(
            401, "unknown_caller", "a valid Bylaw key is needed (header Bylaw-Key, or as API key)"
        )
    t.caller_key = key
    t.exchange.caller, t.exchange.tenant = caller.name, caller.tenant


def leave(t: Transit) -> None:
    """Give the permit back."""
    if t.admitted:
        t.services.in_flight -= 1
        t.admitted = False
