"""`BYLAW__SECTION__KEY` and the command line: exactly the key that is named, or an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.addresses import Address
from bylaw.plan.config import Config, load_config
from bylaw.plan.references import SecretRef
from bylaw.plan.snapshot import Snapshot

FILE = "/etc/bylaw/bylaw.yaml"
TEXT = """\
listen: 127.0.0.1:1
upstreams: {open-ai: {url: 'http://h'}}
routes: [{match: /v1/, upstream: open-ai, dialect: openai}]
workers: 2
"""


def load(env=None, options=None, text: str = TEXT) -> Config:
    return load_config(Snapshot(FILE, {FILE: text}), env or {}, options or {})


def refusal(env=None, options=None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(env, options)
    return str(caught.value)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file():
    env = {"BYLAW__WORKERS": "3"}
    assert [2, 3, 4] == [load().workers, load(env).workers, load(env, {"workers": 4}).workers]


def test_an_option_that_was_not_given_changes_nothing():
    assert load() == load({}, {"workers": None, "listen": None})


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("LISTEN", "[::1]:8080", lambda c: c.listen, Address("::1", 8080)),
        ("ADMIN__LISTEN", "127.0.0.1:0", lambda c: c.admin.listen, Address("127.0.0.1", 0)),
        ("ADMIN__OPEN", "true", lambda c: c.admin.open, True),
        ("LOG__LEVEL", "debug", lambda c: c.log.level, "debug"),
        ("LIMITS__EXCHANGES_MAX", "7", lambda c: c.limits.exchanges_max, 7),
        ("DATA_DIR", "data: here", lambda c: c.data_dir, Path("data: here")),
        ("JURISDICTIONS__DEFAULT", "[NO, US-CA]", lambda c: c.jurisdictions.default, {"NO", "US-CA"}),
        ("JURISDICTIONS__GEOIP_FILE", "null", lambda c: c.jurisdictions.geoip_file, None),
        ("UPSTREAMS__OPEN_AI__URL", "https://x", lambda c: str(c.upstreams["open-ai"].url), "https://x"),
        ("UPSTREAMS__MORE", "{url: 'http://m'}", lambda c: str(c.upstreams["more"].url), "http://m"),
        ("UPSTREAMS__MORE__URL", "http://m", lambda c: str(c.upstreams["more"].url), "http://m"),
        ("ROUTES__0__UNREAD", "refuse", lambda c: c.routes[0].unread, "refuse"),
        ("DEPLOYMENT__ROLE", "provider", lambda c: c.deployment.known["role"], {"provider"}),
        ("DEPLOYMENT__PURPOSE", "[coding]", lambda c: c.deployment.known["purpose"], {"coding"}),
        ("POLICIES__PROFILE", "strict", lambda c: c.policies.profile, "strict"),
        ("POLICIES__DIRECTORIES", "[a, /b]", lambda c: c.policies.directories, (Path("a"), Path("/b"))),
        ("PLUGINS__DISABLED", "[x]", lambda c: c.plugins.disabled, {"x"}),
    ],
)
def test_a_variable_sets_its_key(name, value, read, expected):
    assert expected == read(load({f"BYLAW__{name}": value}))


def test_a_secret_of_the_environment_is_still_a_reference():
    key = load({"BYLAW__UPSTREAMS__OPEN_AI__KEY": "env:K"}).upstreams["open-ai"].key
    assert (SecretRef("env", "K", key.place), "environment variable BYLAW__UPSTREAMS__OPEN_AI__KEY") == (
        key,
        key.place.file,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LISTN", "x", "`LISTN` names no key, did you mean `listen`? Valid: upstreams, routes, listen"),
        ("LIMITS__EXCHANGE_MAX", "1", "`LIMITS__EXCHANGE_MAX` names no key, did you mean `exchanges_max`?"),
        ("LISTEN__HOST", "x", "`LISTEN__HOST` names no key: there is nothing below the one before `HOST`"),
        (
            "ROUTES__1__UNREAD",
            "x",
            "`ROUTES__1__UNREAD` names no key: there is nothing below the one before `1`",
        ),
        ("", "x", "`` names no key. Valid: upstreams, "),
        ("WORKERS", "many", 'workers: expected a whole number, found the text "many"'),
        ("WORKERS", "[1", "workers: not valid YAML: expected ',' or ']'"),
        ("WORKERS", "*x", "workers: aliases (`*x`) are not supported"),
        ("ADMIN__TOKEN", "hunter2", "admin.token: a secret is never written into a configuration"),
        ("DEPLOYMENT__ROLL", "x", "deployment.roll: unknown fact, did you mean `role`?"),
        ("JURISDICTIONS__DEFAULT", "EU", 'jurisdictions.default: expected a list, found the text "EU"'),
        ("UPSTREAMS__OPEN_AI__URI", "x", "`UPSTREAMS__OPEN_AI__URI` names no key, did you mean `url`?"),
    ],
)
def test_a_variable_that_goes_nowhere_is_named(name, value, message):
    assert refusal({f"BYLAW__{name}": value}).startswith(f"environment variable BYLAW__{name}: {message}")


def test_other_variables_are_not_ours():
    assert load() == load({"BYLAW_LISTEN": "x", "PATH": "/bin", "XBYLAW__LISTEN": "x"})


def test_a_variable_cannot_reach_into_what_is_no_mapping():
    with pytest.raises(
        ConfigError, match=r"bylaw\.yaml:5: admin: expected a mapping, as environment variable"
    ):
        load({"BYLAW__ADMIN__OPEN": "true"}, text=TEXT + "admin: nonsense")


def test_an_empty_section_can_be_filled_by_a_variable():
    assert True is load({"BYLAW__ADMIN__OPEN": "true"}, text=TEXT + "admin:\n").admin.open


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wrkers": 1}, "command line: `wrkers` names no key, did you mean `workers`?"),
        ({"workers": "1"}, 'command line: workers: expected a whole number, found the text "1"'),
        ({"listen": "x"}, "command line: listen: `x` is not HOST:PORT"),
        (
            {"jurisdictions.default": ["eu"]},
            "command line: jurisdictions.default[0]: `eu` is not a jurisdiction",
        ),
    ],
)
def test_a_wrong_option_is_the_command_lines(options, message):
    assert refusal({}, options).startswith(message)


def test_options_go_below_sections():
    config = load({}, {"policies.profile": "strict", "jurisdictions.default": ["CN", "EU"]})
    assert ("strict", {"CN", "EU"}) == (config.policies.profile, config.jurisdictions.default)


def test_the_file_itself_is_not_changed_by_overrides():
    snapshot = Snapshot(FILE, {FILE: TEXT})
    load_config(snapshot, {"BYLAW__WORKERS": "9"}, {"listen": "127.0.0.1:9"})
    assert load() == load_config(snapshot)
