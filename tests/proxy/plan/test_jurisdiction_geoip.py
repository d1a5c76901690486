"""Addresses -> jurisdictions, from databases that the tests write themselves."""

from __future__ import annotations

import pytest
from mmdb_writer import UINT32, write_mmdb

from bylaw.errors import ConfigError, Place
from bylaw.plan.codes import EU_MEMBERS
from bylaw.plan.geoip import CACHE_MAX, GeoIp, codes_of


def country(code, *states):
    return {"country": {"iso_code": code}, "subdivisions": [{"iso_code": state} for state in states]}


@pytest.fixture
def geoip(tmp_path):
    networks = {
        "81.2.69.0/24": country("GB", "ENG"),
        "8.8.8.0/24": country("US", "CA"),
        "24.48.0.0/16": country("CA", "QC"),
        "85.214.0.0/16": country("DE", "BE"),
        "202.96.0.0/12": country("CN"),
        "2001:4860::/32": country("US", "NY"),
        "2a02:8100::/27": country("DE"),
        "10.0.0.0/8": country("US"),
        "9.0.0.0/8": {"country": {"iso_code": (UINT32, 7)}},
        "11.0.0.0/8": {"continent": {"code": "EU"}},
        "193.0.0.0/16": {"registered_country": {"iso_code": "FR"}},
    }
    database = GeoIp(write_mmdb(tmp_path / "city.mmdb", networks))
    yield database
    database.close()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("81.2.69.160", {"GB"}),
        ("8.8.8.8", {"US", "US-CA"}),
        ("24.48.1.1", {"CA", "CA-QC"}),
        ("85.214.1.1", {"DE", "EU"}),
        ("202.96.1.1", {"CN"}),
        ("2001:4860:4860::8888", {"US", "US-NY"}),
        ("2a02:8100::1", {"DE", "EU"}),
        ("::ffff:8.8.8.8", {"US", "US-CA"}),
    ],
)
def test_a_public_address_has_the_jurisdictions_of_its_place(geoip, address, expected):
    assert expected == geoip.codes(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "169.254.1.1", "fe80::1%eth0", "fd00::1", "0.0.0.0",
        "", "unknown", "8.8.8.8:443", "8.8.8.8, 9.9.9.9", "1.1.1.1", "9.1.1.1", "11.1.1.1", "193.0.1.1",
    ],
)  # fmt: skip
def test_an_address_that_says_nothing_has_none(geoip, address):
    assert frozenset() == geoip.codes(address)


def test_ipv6_is_unknown_in_an_ipv4_database(tmp_path):
    networks = {"8.8.8.0/24": country("US")}
    geoip = GeoIp(write_mmdb(tmp_path / "v4.mmdb", networks, "Test-Country", ip_version=4))
    assert ({"US"}, frozenset()) == (geoip.codes("8.8.8.8"), geoip.codes("2001:4860:4860::8888"))
    geoip.close()


def test_the_cache_is_bounded(geoip):
    for number in range(CACHE_MAX + 100):
        geoip.codes(f"8.{number >> 16}.{(number >> 8) & 255}.{number & 255}")
    assert CACHE_MAX == geoip.codes.cache_info().currsize


@pytest.mark.parametrize("code", sorted(EU_MEMBERS))
def test_a_member_state_is_also_the_union(code):
    assert {code, "EU"} == codes_of(country(code))


@pytest.mark.parametrize("code", ["NO", "IS", "LI", "CH", "GB"])
def test_a_neighbour_is_not_the_union(code):
    assert {code} == codes_of(country(code))


def test_union_law_applies_in_outermost_regions_with_a_code_of_their_own():
    assert {"GF", "EU"} == codes_of(country("GF"))


@pytest.mark.parametrize(
    "record",
    [None, [], "US", 7, {}, {"country": None}, {"country": []}, {"country": {"iso_code": "usa"}},
     {"country": {"iso_code": "US,CN"}}],
)  # fmt: skip
def test_a_record_of_an_odd_shape_has_none(record):
    assert frozenset() == codes_of(record)


@pytest.mark.parametrize("states", [[], None, {}, ["CA"], [{"iso_code": None}], [{"iso_code": "cal"}], [{}]])
def test_an_odd_subdivision_leaves_the_country(states):
    assert {"US"} == codes_of({"country": {"iso_code": "US"}, "subdivisions": states})


def test_a_missing_file_is_the_operators_mistake(tmp_path):
    with pytest.raises(
        ConfigError, match=r"bylaw.yaml:3: .*nothing.mmdb cannot be opened as a MaxMind database"
    ):
        GeoIp(tmp_path / "nothing.mmdb", Place("bylaw.yaml", 3))


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text.mmdb").write_text("hello")
    with pytest.raises(ConfigError, match="cannot be opened as a MaxMind database"):
        GeoIp(tmp_path / "text.mmdb")


def test_a_database_without_countries_is_refused(tmp_path):
    path = write_mmdb(tmp_path / "asn.mmdb", {"8.8.8.0/24": {"asn": "1"}}, "Test-ASN")
    with pytest.raises(ConfigError, match="a database of type `Test-ASN`, which has no countries"):
        GeoIp(path)


def test_a_damaged_record_is_unknown(tmp_path):
    path = write_mmdb(tmp_path / "city.mmdb", {"8.8.8.0/24": country("US")})
    whole = path.read_bytes()
    start = whole.index(b"country") - 2
    path.write_bytes(whole[:start] + b"\xff" * 4 + whole[start + 4 :])
    geoip = GeoIp(path)
    assert frozenset() == geoip.codes("8.8.8.8")
    geoip.close()
