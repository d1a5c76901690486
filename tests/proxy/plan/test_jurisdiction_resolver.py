"""Header, caller, geo-IP, plugins, default -> jurisdictions; a caller can only add."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import write_mmdb

from bylaw.errors import ClientError, ConfigError
from bylaw.plan.callers import CallerEntry, Callers
from bylaw.plan.geoip import GeoIp
from bylaw.plan.jurisdiction import JurisdictionResolver, Resolution
from bylaw.plan.sections import Jurisdictions
from bylaw.plan.source import parse
from bylaw.plan.typed import build

NO_CALLERS = Callers({})
LOOPBACK, STRANGER, CLIENT_US = "127.0.0.1", "203.0.113.9", "8.8.8.8"


def section(text: str = "{}") -> Jurisdictions:
    return build(Jurisdictions, parse(text, "/etc/bylaw.yaml"))


def entry(key: str, jurisdictions: str = "", trusted: bool = False) -> CallerEntry:
    codes = jurisdictions.split()
    digest = hashlib.sha256(key.encode()).hexdigest()
    return build(CallerEntry, {"key_sha256": digest, "jurisdictions": codes, "trusted": trusted})


CALLERS = Callers({"app": entry("a", "CN", trusted=True), "job": entry("j", "US-CA"), "bare": entry("b")})


def headers(**given_headers: str):
    named = {name.replace("_", "-"): value for name, value in given_headers.items()}
    return named.get


def fields(*pairs: tuple[str, str]):
    return [(name.encode(), value.encode()) for name, value in pairs]


@pytest.fixture
def geoip(tmp_path):
    networks = {
        "8.8.8.0/24": {"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "CA"}]},
        "202.96.0.0/12": {"country": {"iso_code": "CN"}},
    }
    database = GeoIp(write_mmdb(tmp_path / "geo.mmdb", networks))
    yield database
    database.close()


def test_without_anything_the_default_applies():
    resolver = JurisdictionResolver(section("default: [EU, CN]"), NO_CALLERS)
    assert Resolution(frozenset({"EU", "CN"}), False, ("default",)) == resolver.resolve(
        headers(), STRANGER, None
    )


def test_a_developer_on_loopback_is_believed():
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="CN"), LOOPBACK, None)
    assert Resolution(frozenset({"EU", "CN"}), False, ("header", "default")) == found


@pytest.mark.parametrize("peer", [STRANGER, "", "unix:", "10.0.0.1", "::2"])
def test_a_stranger_is_not_believed_and_the_attempt_is_recorded(peer):
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="CN"), peer, None)
    assert Resolution(frozenset({"EU"}), True, ("default",)) == found


def test_a_malformed_header_of_a_stranger_is_ignored_too():
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="'; drop table"), STRANGER, None)
    assert Resolution(frozenset({"EU"}), True, ("default",)) == found


@pytest.mark.parametrize("peer", ["10.1.2.3", "fd00::7", "::ffff:10.1.2.3"])
def test_configured_networks_are_believed(peer):
    resolver = JurisdictionResolver(section("trust: [10.0.0.0/8, 'fd00::/8']"), NO_CALLERS)
    assert {"EU", "CN"} == resolver.resolve(headers(bylaw_jurisdiction="CN"), peer, None).codes


def test_with_callers_a_network_is_not_enough():
    resolver = JurisdictionResolver(section(), CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="KR"), LOOPBACK, CALLERS.named("job"))
    assert (frozenset({"US-CA"}), True) == (found.codes, found.ignored_header)


def test_a_trusted_caller_adds_to_its_own_jurisdictions():
    resolver = JurisdictionResolver(section(), CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="KR, US-CA"), STRANGER, CALLERS.named("app"))
    assert Resolution(frozenset({"CN", "KR", "US-CA"}), False, ("header", "caller")) == found


def test_a_header_does_not_replace_the_default():
    callers = Callers({"app": entry("a", "", trusted=True)})
    found = JurisdictionResolver(section(), callers).resolve(
        headers(bylaw_jurisdiction="CN"), STRANGER, callers.named("app")
    )
    assert Resolution(frozenset({"CN", "EU"}), False, ("header", "default")) == found


@pytest.mark.parametrize(
    "header", ["eu", "EU;US", "EUR", "EU, U", "US-CALI", "US_CA", "*", "EU US", "EU,\u00e9", "-"]
)
def test_a_malformed_code_of_a_trusted_caller_is_its_mistake(header):
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    with pytest.raises(ClientError) as caught:
        resolver.resolve(headers(bylaw_jurisdiction=header), LOOPBACK, None)
    assert (400, "invalid_jurisdiction") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("header", [",".join(["EU"] * 33), "EU" + " " * 512])
def test_a_header_has_a_bound(header):
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    with pytest.raises(ClientError, match="more than 32 jurisdictions"):
        resolver.resolve(headers(bylaw_jurisdiction=header), LOOPBACK, None)


@pytest.mark.parametrize("header", ["", " ", ",", " , ,"])
def test_an_empty_header_adds_nothing(header):
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    assert Resolution(frozenset({"EU"}), False, ("default",)) == resolver.resolve(
        headers(bylaw_jurisdiction=header), LOOPBACK, None
    )


def test_an_unknown_but_well_formed_code_is_kept():
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    assert {"EU", "XX-9Z"} == resolver.resolve(headers(bylaw_jurisdiction="XX-9Z"), LOOPBACK, None).codes


def test_all_header_fields_of_the_name_count():
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    sent = fields(("Bylaw-Jurisdiction", "CN"), ("BYLAW-JURISDICTION", "KR"))
    assert {"EU", "CN", "KR"} == resolver.resolve(
        headers(bylaw_jurisdiction="CN"), LOOPBACK, None, sent
    ).codes


def test_a_header_that_is_not_among_the_resolvers_is_ignored():
    resolver = JurisdictionResolver(section("resolve: [caller, default]"), NO_CALLERS)
    found = resolver.resolve(headers(bylaw_jurisdiction="CN"), LOOPBACK, None)
    assert Resolution(frozenset({"EU"}), True, ("default",)) == found


def test_a_first_resolver_is_asked_only_if_none_before_it_knew(geoip):
    resolver = JurisdictionResolver(section(), CALLERS, geoip)
    codes = [resolver.resolve(headers(), CLIENT_US, CALLERS.named(name)).codes for name in ("job", "bare")]
    assert [{"US-CA"}, {"US", "US-CA"}] == codes


def test_a_union_resolver_always_adds(geoip):
    resolver = JurisdictionResolver(section("resolve: [caller, geoip: union, default]"), CALLERS, geoip)
    found = resolver.resolve(headers(), "202.96.0.1", CALLERS.named("job"))
    assert Resolution(frozenset({"US-CA", "CN"}), False, ("caller", "geoip")) == found


def test_a_union_default_always_adds():
    resolver = JurisdictionResolver(section("resolve: [caller, default: union]"), CALLERS)
    assert {"US-CA", "EU"} == resolver.resolve(headers(), STRANGER, CALLERS.named("job")).codes


def test_geoip_without_a_database_knows_nothing():
    resolver = JurisdictionResolver(section(), NO_CALLERS)
    assert ("default",) == resolver.resolve(headers(), CLIENT_US, None).sources


FRONT = "forwarded_for: [10.0.0.0/8]\nresolve: [geoip, default]"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (CLIENT_US, "", CLIENT_US),
        (CLIENT_US, "202.96.0.1", CLIENT_US),
        ("10.0.0.1", "8.8.8.8", CLIENT_US),
        ("10.0.0.1", "202.96.0.1, 8.8.8.8", CLIENT_US),
        ("10.0.0.1", "202.96.0.1, 8.8.8.8, 10.0.0.2,10.0.0.3", CLIENT_US),
        ("10.0.0.1", "8.8.8.8:4711", CLIENT_US),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "8.8.8.8, unknown", "unknown"),
        ("10.0.0.1", "8.8.8.8,", ""),
        ("10.0.0.1", "10.0.0.9", ""),
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "8.8.8.8" + ",10.0.0.2" * 40, ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_ours(peer, forwarded, client):
    resolver = JurisdictionResolver(section(FRONT), NO_CALLERS)
    assert client == resolver.client(peer, fields(("X-Forwarded-For", forwarded)))


def test_of_several_forwarded_fields_the_last_is_believed(geoip):
    """HAProxy adds a field of its own behind the one that the client invented."""
    resolver = JurisdictionResolver(section(FRONT), NO_CALLERS, geoip)
    sent = fields(("X-Forwarded-For", "202.96.0.1"), ("X-Forwarded-For", "8.8.8.8"))
    found = resolver.resolve(headers(x_forwarded_for="202.96.0.1"), "10.0.0.1", None, sent)
    assert {"US", "US-CA"} == found.codes


def test_a_proxied_client_that_nobody_named_is_unknown(geoip):
    resolver = JurisdictionResolver(section(FRONT), NO_CALLERS, geoip)
    assert ("default",) == resolver.resolve(headers(x_forwarded_for="8.8.8.8"), "10.0.0.1", None).sources


def test_a_resolver_of_a_plugin_gets_public_headers_and_the_client():
    seen = []

    def plugin(public, client):
        seen.append((dict(public), client))
        return frozenset({"KR"})

    resolver = JurisdictionResolver(
        section("resolve: [tenant, default]"), NO_CALLERS, None, {"tenant": plugin}
    )
    sent = fields(("X-Tenant", "a"), ("x-tenant", "b"), ("Authorization", "Bearer s"), ("X-Api-Key", "s"))
    assert Resolution(frozenset({"KR"}), False, ("tenant",)) == resolver.resolve(
        headers(), STRANGER, None, sent
    )
    assert [({"x-tenant": "a,b"}, STRANGER)] == seen


def _raise(*_):
    raise RuntimeError("my database is down")


@pytest.mark.parametrize(
    "plugin", [_raise, lambda *_: None, lambda *_: "EU", lambda *_: {"eu"}, lambda *_: [7]]
)
def test_a_plugin_that_fails_brings_the_default_in(plugin):
    text = "resolve: [caller, tenant: union, default]"
    resolver = JurisdictionResolver(section(text), CALLERS, None, {"tenant": plugin})
    found = resolver.resolve(headers(), STRANGER, CALLERS.named("job"))
    assert Resolution(frozenset({"US-CA", "EU"}), False, ("caller", "tenant:failed")) == found


def test_a_plugin_that_does_not_know_leaves_it_to_the_next():
    resolver = JurisdictionResolver(
        section("resolve: [tenant, default]"), NO_CALLERS, None, {"tenant": lambda *_: frozenset()}
    )
    assert Resolution(frozenset({"EU"}), False, ("default",)) == resolver.resolve(headers(), STRANGER, None)


def test_an_unknown_resolver_is_named_with_its_place_and_the_nearest():
    with pytest.raises(ConfigError) as caught:
        JurisdictionResolver(section("resolve:\n  - geopi\n  - default"), NO_CALLERS)
    assert (
        "/etc/bylaw.yaml:2: resolve[0]: no resolver `geopi`, did you mean `geoip`?"
        " Resolvers: header, caller, geoip, default"
    ) == str(caught.value)


def test_a_plugin_may_not_take_a_builtin_name():
    with pytest.raises(ConfigError, match="a plugin registers the resolver `default`, which is built in"):
        JurisdictionResolver(section(), NO_CALLERS, None, {"default": lambda *_: frozenset()})


CODES = st.frozensets(st.sampled_from(["EU", "CN", "US-CA", "KR", "XX"]), max_size=4)


@settings(deadline=None)
@given(base=CODES.filter(bool), own=CODES, said=CODES, trusted=st.booleans(), union=st.booleans())
def test_a_caller_can_only_add(base, own, said, trusted, union):
    callers = Callers({"app": entry("a", " ".join(own), trusted)})
    mode = "union" if union else "first"
    text = f"resolve: [header, caller, default: {mode}]\ndefault: [{','.join(base)}]"
    resolver = JurisdictionResolver(section(text), callers)
    silent = resolver.resolve(headers(), STRANGER, callers.named("app"))
    loud = resolver.resolve(headers(bylaw_jurisdiction=", ".join(said)), STRANGER, callers.named("app"))
    assert silent.codes
    assert loud.codes == silent.codes | (said if trusted else frozenset())
