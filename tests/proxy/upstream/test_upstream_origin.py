"""The configured URL: taken apart, or refused at start."""

import pytest

from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.upstream import UpstreamClient
from bylaw.upstream.origin import Origin, read_url


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.openai.com", Origin("api.openai.com", 443, True, b"", b"api.openai.com")),
        ("https://api.openai.com:443/", Origin("api.openai.com", 443, True, b"", b"api.openai.com")),
        ("http://HOST:8000/base/v2/", Origin("host", 8000, False, b"/base/v2", b"host:8000")),
        ("http://host:443", Origin("host", 443, False, b"", b"host:443")),
        ("http://[::1]:8000", Origin("::1", 8000, False, b"", b"[::1]:8000")),
        ("http://bücher.example", Origin("xn--bcher-kva.example", 80, False, b"", b"xn--bcher-kva.example")),
    ],
)
def test_a_url_names_server_prefix_and_host_header(url, origin):
    assert origin == read_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "api.openai.com", "ftp://host", "https://", "http://host:0", "http://host:99999", "http://host:x",
        "http://[::1", "https://user:secret@host", "https://host/?key=1", "https://host/#a", "http://host/ä",
        "http://" + "a" * 64 + ".example",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_meant_is_the_operators_mistake(url):
    with pytest.raises(ConfigError) as caught:
        read_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_the_operators_mistake(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="ca_file"):
        UpstreamClient("https://host", Limits(), ca_file=str(path))
