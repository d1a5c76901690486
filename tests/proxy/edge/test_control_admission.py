"""Who may use the control plane."""

import pytest
from multidict import CIMultiDict

from bylaw.edge.admission import Admission, is_loopback, name_of
from bylaw.errors import ClientError, ConfigError

TOKEN = "correct-horse-battery"


def refusal(admission, **headers):
    """The status and code of the refusal, or None."""
    try:
        admission.admit(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))
    except ClientError as error:
        return error.status, error.code
    return None


def test_the_token_is_let_in():
    assert None is refusal(Admission("0.0.0.0", TOKEN), authorization=f"Bearer {TOKEN}")
    assert None is refusal(Admission("0.0.0.0", TOKEN), Authorization=f"bearer  {TOKEN}")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ünïcödé",
    ],
)
def test_anything_else_is_not(shown):
    assert (401, "token_required") == refusal(Admission("0.0.0.0", TOKEN), authorization=shown)


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Bearer None"])
def test_without_a_token_nobody_is_let_in_even_on_loopback(shown):
    assert (403, "admin_closed") == refusal(Admission("127.0.0.1"), authorization=shown)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9090", "127.0.0.1:9090", "127.9.9.9", "[::1]:9090", "LOCALHOST"]
)
def test_open_on_loopback_lets_callers_by_loopback_names_in(host):
    assert None is refusal(Admission("127.0.0.1", open=True), host=host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9090",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[evil",
        "10.0.0.1",
    ],
)
def test_a_name_that_a_page_made_resolve_to_loopback_is_refused(host):
    assert (421, "wrong_host") == refusal(Admission("127.0.0.1", open=True), host=host)


def test_a_configured_name_is_let_in():
    admission = Admission("127.0.0.1", open=True, names=frozenset({"bylaw.test"}))
    assert None is refusal(admission, host="bylaw.test:9090")


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("cross-site", (403, "cross_site")),
        ("same-site", (403, "cross_site")),
        ("same-origin", None),
        ("none", None),
    ],
)
def test_a_request_that_another_site_made_is_refused_when_open(site, expected):
    assert expected == refusal(Admission("127.0.0.1", open=True), host="localhost", Sec_Fetch_Site=site)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "bylaw.example", ""])
def test_open_to_more_than_this_machine_is_the_operators_error(host):
    with pytest.raises(ConfigError, match=r"admin\.open needs a loopback address"):
        Admission(host, TOKEN, open=True)


@pytest.mark.parametrize("token", ["", "short", "ü" * 20])
def test_a_token_that_is_weak_or_cannot_be_sent_is_the_operators_error(token):
    with pytest.raises(ConfigError, match=r"admin\.token needs 16 or more ASCII characters"):
        Admission("0.0.0.0", token)


def test_the_token_is_not_shown():
    assert TOKEN not in repr(Admission("0.0.0.0", TOKEN))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("a", "a"),
        ("A:80", "a"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("a:b", "a:b"),
        ("", ""),
        ("::1", ":"),
    ],
)
def test_the_name_of_a_host_header(header, name):
    assert name == name_of(header)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("x", False),
    ],
)
def test_what_is_loopback(host, expected):
    assert expected is is_loopback(host)
