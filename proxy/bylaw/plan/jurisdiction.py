"""Which jurisdictions an exchange is under: header, caller, geo-IP, plugins, default.

Law of this module: the answer is never empty, and a caller can only add to it. The resolvers other than the
header make the base, in order: one of mode `first` is asked only if none before it knew, one of mode `union`
always. The header is added to the base if it is believed, and ignored (and recorded as such) if not. A
plugin's resolver that fails counts as one that does not know, and the default is added: an unknown place
takes the stricter law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from bylaw.errors import ClientError, ConfigError
from bylaw.exchange import SECRET_HEADERS
from bylaw.plan.addresses import Network, parse_ip
from bylaw.plan.callers import Caller, Callers
from bylaw.plan.codes import CODE, parse_codes
from bylaw.plan.sections import Jurisdictions, Resolver
from bylaw.plan.typed import nearest

if TYPE_CHECKING:
    from bylaw.plan.geoip import GeoIp
    from bylaw.spec.hooks import Resolver as PluginResolver

HEADER = "bylaw-jurisdiction"
FORWARDED = "x-forwarded-for"
HOPS_MAX = 32
PEERS_CACHED = 4096
HEADERS_CACHED = 1024
BUILTIN = ("header", "caller", "geoip", "default")

Headers = Callable[[str], str | None]
Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The jurisdictions of one exchange.

    Args:
        codes: never empty.
        ignored_header: a `Bylaw-Jurisdiction` header came from somebody who is not trusted.
        sources: names of the resolvers that contributed, in order; `NAME:failed` for a plugin's that failed.
    """

    codes: frozenset[str]
    ignored_header: bool = False
    sources: tuple[str, ...] = ()


class JurisdictionResolver:
    """Resolves; made once a start or reload, used by every exchange of a worker.

    Args:
        config: the section `jurisdictions`.
        callers: all callers; if there are any, the header is believed from trusted ones only.
        geoip: the database, or None; then the resolver `geoip` never knows.
        plugin_resolvers: resolvers of plugins by name.

    Raises:
        ConfigError: `resolve` names a resolver that nobody has, or a plugin took a built-in name.
    """

    def __init__(
        self,
        config: Jurisdictions,
        callers: Callers,
        geoip: GeoIp | None = None,
        plugin_resolvers: Mapping[str, PluginResolver] | None = None,
    ) -> None:
        self._plugins = dict(plugin_resolvers or {})
        self._geoip = geoip
        self._default = frozenset[str](config.default)
        silent = {"header"} if geoip else {"header", "geoip"}
        self._steps = [step for step in config.resolve if self._known(step) and step.name not in silent]
        self._hears = any(step.name == "header" for step in config.resolve)
        self._forwarded_for = config.forwarded_for
        self._by_key = bool(callers)
        self._trusts = lru_cache(PEERS_CACHED)(lambda peer: _within(peer, config.trust))
        self._ready: dict[str, Resolution] = {}
        if all(step.name in {"caller", "default"} for step in self._steps):
            self._ready = {caller.name: self._base(caller, "", ()) for caller in callers}
            self._ready[""] = self._base(None, "", ())

    def resolve(self, headers: Headers, peer: str, caller: Caller | None, fields: Fields = ()) -> Resolution:
        """The jurisdictions of one exchange.

        Args:
            headers: gives the first field of a lower-case name, or None.
            peer: address of the socket's other end; may be empty.
            caller: who has shown a key, or None.
            fields: all header fields as received. They are looked at only where one is not enough: several
                fields of one name count as one list (RFC 9110, section 5.3), and plugins may ask for any.

        Raises:
            ClientError: 400 `invalid_jurisdiction`, a trusted caller sent a malformed code.
        """
        base = self._ready.get(caller.name if caller else "")
        if base is None:
            base = self._base(caller, self.client(peer, fields), fields)
        said = headers(HEADER)
        return base if said is None else self._heard(joined(fields, HEADER) or said, base, peer, caller)

    def client(self, peer: str, fields: Fields) -> str:
        """Address of the client: the peer, or whom trusted front proxies say they speak for.

        Walking `X-Forwarded-For` from the right, the first address that is not one of our proxies is the
        client; what stands left of it was written by the client and proves nothing. Empty if there is none.
        """
        if not self._forwarded_for or not _within(peer, self._forwarded_for):
            return peer
        for hop in reversed(joined(fields, FORWARDED).rsplit(",", HOPS_MAX)[-HOPS_MAX:]):
            address = _without_port(hop.strip(" \t"))
            if not _within(address, self._forwarded_for):
                return address
        return ""

    def _heard(self, said: str, base: Resolution, peer: str, caller: Caller | None) -> Resolution:
        trusted = caller is not None and caller.trusted if self._by_key else self._trusts(peer)
        if not trusted or not self._hears:
            return replace(base, ignored_header=True)
        try:
            codes = _codes_of(said)
        except ValueError as error:
            raise ClientError(400, "invalid_jurisdiction", f"Bylaw-Jurisdiction: {error}") from None
        return Resolution(base.codes | codes, sources=("header", *base.sources)) if codes else base

    def _base(self, caller: Caller | None, client: str, fields: Fields) -> Resolution:
        codes: frozenset[str] = frozenset()
        sources: list[str] = []
        for step in self._steps:
            if codes and step.mode == "first":
                continue
            found = self._ask(step.name, caller, client, fields)
            if found is None:
                codes, found = codes | self._default, frozenset()
                sources.append(f"{step.name}:failed")
            if found:
                codes |= found
                sources.append(step.name)
        return Resolution(codes, sources=tuple(sources))

    def _ask(self, name: str, caller: Caller | None, client: str, fields: Fields) -> frozenset[str] | None:
        """What one resolver says; None if it failed."""
        if name == "caller":
            return caller.jurisdictions if caller else frozenset()
        if name == "default":
            return self._default
        if name == "geoip":
            return self._geoip.codes(client) if self._geoip else frozenset()
        try:
            found = frozenset(self._plugins[name](_public(fields), client))
            return found if all(CODE.fullmatch(code) for code in found) else None
        except Exception:  # a plugin's own fault must not let an exchange through under no law
            return None

    def _known(self, step: Resolver) -> bool:
        if taken := [name for name in BUILTIN if name in self._plugins]:
            raise ConfigError(f"a plugin registers the resolver `{taken[0]}`, which is built in")
        names = [*BUILTIN, *self._plugins]
        if step.name not in names:
            hint = nearest(step.name, names)
            raise ConfigError(f"no resolver `{step.name}`{hint} Resolvers: {', '.join(names)}", step.place)
        return True


_codes_of = lru_cache(HEADERS_CACHED)(parse_codes)


def joined(fields: Fields, name: str) -> str:
    """All fields of a name (lower case) as one list (RFC 9110, section 5.3); empty if there are none."""
    wanted = name.encode()
    return ",".join(value.decode("latin-1") for key, value in fields if key.lower() == wanted)


def _public(fields: Fields) -> Mapping[str, str]:
    names = {key.decode("latin-1").lower() for key, _ in fields}
    return {name: joined(fields, name) for name in names - SECRET_HEADERS}


def _without_port(hop: str) -> str:
    """Some front proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    ip = parse_ip(address)
    return ip is not None and any(ip in network for network in networks)
