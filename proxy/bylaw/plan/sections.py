"""Every key of the configuration file, its type, default and meaning, on one page.

Law of this module: it holds data and what one section can check by itself. What needs two sections is in
`crosscheck`. `docs/configuration.md` is made from these docstrings, and a test holds the two together; that
is why they are complete and why this file is long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from bylaw.errors import Place
from bylaw.limits import Limits
from bylaw.plan.addresses import Address, BaseUrl, Network
from bylaw.plan.callers import CallerEntry
from bylaw.plan.codes import Code
from bylaw.plan.facts import Facts, read_facts
from bylaw.plan.references import SecretRef
from bylaw.plan.source import Node
from bylaw.plan.typed import build

NO_PLACE = Place("")
LOOPBACK = (Network.from_text("127.0.0.0/8"), Network.from_text("::1/128"))
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
KeyHeader = Literal["auto", "authorization", "x-api-key"]


class Prefix(str):
    """How a path begins."""

    __slots__ = ()
    EXPECTED: ClassVar[str] = "a path prefix such as /v1/"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Check a prefix.

        Raises:
            ValueError: no leading slash, dot segments, a query, escapes, or characters that no path has.
        """
        plain = text.isascii() and text.isprintable() and not set(text) & set(" ?#%\\")
        if not plain or not text.startswith("/") or {".", ".."} & set(text.split("/")) or "//" in text:
            raise ValueError(f"`{text[:60]}` is not {cls.EXPECTED}")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Admin:
    """The control plane: health, metrics, console, audit.

    Args:
        listen: where it listens; port 0 lets the system choose.
        open: answer without a token; only on a loopback address.
        token: bearer token that it asks for, by reference.
    """

    listen: Address = field(default=Address("127.0.0.1", 9090))
    open: bool = False
    token: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider.

    Args:
        url: http or https, without credentials, query or fragment; the path of a request is put behind it.
        key: key that replaces the caller's own credentials, by reference; without one, theirs pass through.
        key_header: header that carries `key`; `auto` is what the route's dialect uses.
        ca_file: certificates (PEM) that are trusted for this provider instead of the system's.
        region: where the provider processes data, in the operator's words; recorded.
    """

    url: BaseUrl
    key: SecretRef | None = None
    key_header: KeyHeader = "auto"
    ca_file: Path | None = None
    region: str = ""

    def __post_init__(self) -> None:
        if self.key_header != "auto" and self.key is None:
            raise ValueError("`key_header` says how `key` is sent, but there is no `key`")
        if self.ca_file is not None and self.url.scheme != "https":
            raise ValueError("`ca_file` has no effect on an http URL")


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go where; the first route that matches wins, and what none matches is 404.

    Args:
        match: how the path begins, compared as text: `/v1` also matches `/v1beta`, `/v1/` does not.
        upstream: a name under `upstreams`.
        dialect: family of operations that are read; `raw` reads nothing.
        pass_through: let every body pass unread, and record that; `raw` and `websocket` ask for it.
        unread: `refuse`: a request with a part that no guard can read (an image, a file) is blocked;
            `record`: on a passed route, accepts that mandatory guards leave it unread. Not given: as the
            policy says.
        websocket: let connections be upgraded.
        methods: HTTP methods that match; all if not given.
    """

    match: Prefix
    upstream: str
    dialect: Literal["openai", "anthropic", "raw"]
    pass_through: bool = False
    unread: Literal["record", "refuse"] | None = None
    websocket: bool = False
    methods: frozenset[Method] | None = None
    place: Place = field(default=NO_PLACE, compare=False)

    def __post_init__(self) -> None:
        unread = "bodies on this route are read by no guard; if that is meant, write `pass_through: true`"
        if not self.pass_through and (self.dialect == "raw" or self.websocket):
            why = "`dialect: raw`" if self.dialect == "raw" else "`websocket: true`"
            raise ValueError(f"{why}: {unread}")
        if self.pass_through and self.unread == "refuse":
            raise ValueError("`pass_through: true` with `unread: refuse` would refuse every request")
        if self.methods is not None and not self.methods:
            raise ValueError("`methods` is empty, so nothing would match; leave it out for all methods")

    def shadows(self, later: Route) -> bool:
        """Whether no request can reach `later` because this route comes first."""
        mine, theirs = self.methods, later.methods
        every_method = mine is None or (theirs is not None and theirs <= mine)
        return every_method and later.match.startswith(self.match)


@dataclass(frozen=True, slots=True)
class Deployment(Facts):
    """Facts that decide which obligations apply; each is one word or a list of words, except the date."""

    EXPECTED: ClassVar[str] = "a mapping"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read the section.

        Raises:
            ConfigError: an unknown fact or value.
        """
        facts = read_facts(node)
        return cls(facts.known, facts.placed_on_market)


@dataclass(frozen=True, slots=True)
class Resolver:
    """A resolver of jurisdictions, written as `NAME` or `{NAME: union}`.

    Args:
        name: `header`, `caller`, `geoip`, `default`, or a plugin's.
        mode: `first`: asked only if none before it knew; `union`: always asked, and its answer is added.
        place: where it is written.
    """

    EXPECTED: ClassVar[str] = "the name of a resolver, or {name: union} or {name: first}"

    name: str
    mode: Literal["first", "union"] = "first"
    place: Place = field(default=NO_PLACE, compare=False)

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one entry of the list.

        Raises:
            ConfigError: neither a name nor a mapping from one name to its mode.
        """
        if isinstance(node.value, str) and node.value:
            return cls(node.value, place=node.place)
        if not isinstance(node.value, dict) or len(node.value) != 1:
            raise node.error(f"expected {cls.EXPECTED}")
        modes = build(dict[str, Literal["first", "union"]], node)
        (name, mode) = next(iter(modes.items()))
        if name == "header":
            raise node.error("the header always adds to what the others say; it has no mode")
        return cls(name, mode, node.place)

    @classmethod
    def every(cls) -> tuple[Self, ...]:
        """The built-in resolvers in their usual order."""
        return cls("header"), cls("caller"), cls("geoip"), cls("default")


@dataclass(frozen=True, slots=True)
class Jurisdictions:
    """How the jurisdictions of an exchange are found; there is always at least one.

    Args:
        resolve: resolvers in order; the last is `default`. What the header says is added to what they find.
        default: codes that apply when no resolver knew any.
        trust: networks whose `Bylaw-Jurisdiction` header is believed while no `callers` are configured.
        geoip_file: MaxMind database (.mmdb) for the resolver `geoip`; without one it knows nothing.
        forwarded_for: networks of front proxies whose `X-Forwarded-For` names the client.
    """

    resolve: tuple[Resolver, ...] = field(default_factory=Resolver.every)
    default: frozenset[Code] = frozenset({Code("EU")})
    trust: tuple[Network, ...] = LOOPBACK
    geoip_file: Path | None = None
    forwarded_for: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        names = [resolver.name for resolver in self.resolve]
        if not self.default:
            raise ValueError("`default` is empty: every exchange needs at least one jurisdiction")
        if names[-1:] != ["default"]:
            raise ValueError("`default` must be the last resolver, so that every exchange has a jurisdiction")
        if len(set(names)) != len(names):
            raise ValueError("`resolve` names a resolver twice")
        if self.geoip_file is not None and "geoip" not in names:
            raise ValueError("`geoip_file` has no effect: `resolve` does not name `geoip`")


@dataclass(frozen=True, slots=True)
class Policies:
    """What is enforced.

    Args:
        profile: `observe-only`, `default` or `strict`, or the path of a policy file (.yaml).
        packs: jurisdiction packs: `builtin`, and paths of pack files or of folders with them.
        directories: folders with the operator's own policy files (.yaml, .yml).
    """

    profile: str = "default"
    packs: tuple[Literal["builtin"] | Path, ...] = ("builtin",)
    directories: tuple[Path, ...] = ()
    place: Place = field(default=NO_PLACE, compare=False)


@dataclass(frozen=True, slots=True)
class Plugins:
    """Installed plugins.

    Args:
        disabled: entry-point names of plugins that are not loaded.
    """

    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scoring:
    """Where classifiers run.

    Args:
        engine: `local`: in the worker.
    """

    engine: Literal["local"] = "local"


@dataclass(frozen=True, slots=True)
class LedgerSection:
    """How evidence is kept.

    Args:
        store: `local`: files under `data_dir`.
        mode: what is durable when: `strict`: the intent before the first upstream byte, and the outcome
            before the last client byte; `final`: the outcome only; `async`: neither (power loss costs at
            most 50 ms).
        deadline_ms: time to make an entry durable; then the exchange is answered 503 instead.
        buffer_bytes_max: entries that wait for the disk in one worker; in mode `async`, what does not fit is
            lost, counted and reported.
    """

    store: Literal["local"] = "local"
    mode: Literal["strict", "final", "async"] = "strict"
    deadline_ms: int = 2000
    buffer_bytes_max: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Log:
    """The log on stderr.

    Args:
        level: the least severe events that are written.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file.

    Args:
        listen: where the data plane listens; port 0 lets the system choose.
        admin: the control plane.
        data_dir: folder of the ledger and its keys.
        workers: processes that serve.
        upstreams: providers by name.
        routes: which requests go where, first match wins.
        deployment: facts that decide which obligations apply.
        jurisdictions: how the jurisdictions of an exchange are found.
        callers: proxy keys by name of the caller; if there are any, every request needs one.
        policies: what is enforced.
        plugins: installed plugins.
        scoring: where classifiers run.
        ledger: how evidence is kept.
        limits: bounds of one worker.
        log: the log on stderr.
    """

    upstreams: Mapping[str, Upstream]
    routes: tuple[Route, ...]
    listen: Address = field(default=Address("127.0.0.1", 8080))
    admin: Admin = field(default_factory=Admin)
    data_dir: Path = Path("bylaw-data")
    workers: int = 1
    deployment: Deployment = field(default_factory=Deployment)
    jurisdictions: Jurisdictions = field(default_factory=Jurisdictions)
    callers: Mapping[str, CallerEntry] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    plugins: Plugins = field(default_factory=Plugins)
    scoring: Scoring = field(default_factory=Scoring)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
