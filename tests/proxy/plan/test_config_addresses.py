"""Addresses: one spelling, one meaning."""

from __future__ import annotations

import ipaddress

import pytest

from bylaw.plan.addresses import Address, BaseUrl, Network, parse_ip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        ("localhost:80", Address("localhost", 80)),
        ("my-host.example:80", Address("my-host.example", 80)),
    ],
)
def test_an_address_is_read_and_written_back(text, expected):
    assert (expected, text) == (Address.from_text(text), str(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8080", "`8080` is not HOST:PORT such as 127.0.0.1:8080 or [::1]:8080"),
        (":8080", "`:8080` names no host; for all interfaces write 0.0.0.0:8080 or [::]:8080"),
        ("localhost", "`localhost` is not HOST:PORT"),
        ("localhost:", "`localhost:` is not HOST:PORT"),
        ("localhost:http", "`localhost:http` is not HOST:PORT"),
        ("localhost:65536", "`localhost:65536` is not HOST:PORT"),
        ("localhost:-1", "`localhost:-1` is not HOST:PORT"),
        ("localhost:\u0661", "is not HOST:PORT"),
        ("::1:8080", "`::1:8080`: an IPv6 address stands in brackets, e.g. [::1]:8080"),
        ("[localhost]:80", "`[localhost]:80`: between brackets stands an IPv6 address"),
        ("[127.0.0.1]:80", "`[127.0.0.1]:80`: between brackets stands an IPv6 address"),
        ("256.0.0.1:80", "does not name a host: an IPv4 address has four numbers up to 255"),
        ("http://localhost:80", "`http://localhost:80`: an IPv6 address stands in brackets"),
        ("a b:80", "`a b:80` does not name a host"),
    ],
)
def test_what_is_not_an_address_is_refused(text, message):
    with pytest.raises(ValueError) as caught:
        Address.from_text(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
        ("localhost.evil.com", False),
    ],
)
def test_loopback_is_what_no_other_machine_reaches(host, expected):
    assert expected is Address(host, 80).loopback


def test_a_network_contains_its_addresses_only():
    network = Network.from_text("10.0.0.0/8")
    found = [parse_ip(text) in network for text in ("10.255.0.1", "11.0.0.1", "::1")]
    assert ([True, False, False], "10.0.0.0/8") == (found, str(network))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "", "10.0.0.0/8,11.0.0.0/8"])
def test_what_is_not_a_network_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a network such as 10\.0\.0\.0/8"):
        Network.from_text(text)


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("https://api.openai.com", BaseUrl("https", "api.openai.com", 443), "https://api.openai.com"),
        ("http://LOCALHOST:11434/", BaseUrl("http", "localhost", 11434), "http://localhost:11434"),
        ("https://h:443/openai/", BaseUrl("https", "h", 443, "/openai"), "https://h/openai"),
        ("http://[::1]:80/a/b", BaseUrl("http", "::1", 80, "/a/b"), "http://[::1]/a/b"),
    ],
)
def test_a_url_is_read_and_written_back(text, expected, written):
    assert (expected, written) == (BaseUrl.from_text(text), str(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("api.openai.com", "only http and https are spoken"),
        ("ftp://h", "only http and https are spoken"),
        ("file:///etc/passwd", "only http and https are spoken"),
        ("https://", "only http and https are spoken"),
        ("https://h\u00f6st", "only http and https are spoken"),
        ("https://h/\n", "only http and https are spoken"),
        ("https://user:hunter2@h", "holds no user or password"),
        ("https://hunter2@h", "holds no user or password"),
        ("https://h?key=hunter2", "no query and no fragment"),
        ("https://h/#hunter2", "no query and no fragment"),
        ("https://h/?", "no query and no fragment"),
        ("https://h:port", "this is not a URL"),
        ("https://h:99999", "this is not a URL"),
        ("https://h:0", "port 0"),
        ("https://[::1", "this is not a URL"),
        ("https://h/a/../b", "empty or a dot segment"),
        ("https://h/a/%2E%2e/b", "empty or a dot segment"),
        ("https://h//a", "empty or a dot segment"),
        ("https://h/a b", "empty or a dot segment"),
        ("https://h\\@evil", "holds no user or password"),
        ("https://a_%20b", "does not name a host"),
    ],
)
def test_what_is_not_a_base_url_is_refused_and_a_password_not_repeated(text, message):
    with pytest.raises(ValueError) as caught:
        BaseUrl.from_text(text)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1"), ("10.0.0.1", "10.0.0.1")],
)
def test_an_address_is_read_as_what_it_stands_for(text, expected):
    assert ipaddress.ip_address(expected) == parse_ip(text)


@pytest.mark.parametrize("text", ["", "unknown", "10.0.0.1:80", "10.0.0", "010.0.0.1", "%eth0"])
def test_what_is_no_ip_address_is_none(text):
    assert None is parse_ip(text)
