"""The configuration as a whole: the file of the contract, its defaults, and every cross-check."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bylaw.errors import ConfigError
from bylaw.limits import Limits
from bylaw.plan.addresses import Address, BaseUrl
from bylaw.plan.config import Config, default_config, load_config
from bylaw.plan.sections import Admin, Resolver
from bylaw.plan.snapshot import Snapshot

FILE = "/etc/bylaw/bylaw.yaml"
MINIMAL = "upstreams: {u: {url: 'http://h'}}\nroutes: [{match: /v1/, upstream: u, dialect: openai}]\n"
CONTRACT = """\
listen: 127.0.0.1:8080
admin: {listen: 127.0.0.1:9090}
data_dir: ./bylaw-data
upstreams:
  openai: {url: https://api.openai.com}
routes:                       # first match wins; no match: 404, nothing is passed through unseen
  - {match: /v1/, upstream: openai, dialect: openai}
deployment: {role: deployer, purpose: [general_assistant], placed_on_market: 2026-09-01}
jurisdictions:
  resolve: [header, caller, geoip, default]     # union or first, per resolver; default is never empty
  default: [EU]
policies: {profile: default, packs: [builtin], directories: [./policies]}
plugins: {}
scoring: {engine: local}      # local | remote (Open Inference Protocol v2: Triton, KServe, OVMS, MLServer)
ledger: {store: local}        # local | postgresql
"""


def load(text: str, env: dict[str, str] | None = None, **options) -> Config:
    return load_config(Snapshot(FILE, {FILE: text}), env or {}, options)


def refusal(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [line.removeprefix(f"{FILE}:") for line in str(caught.value).splitlines()]


def test_the_file_of_the_contract_is_valid():
    config = load(CONTRACT)
    assert Address("127.0.0.1", 8080) == config.listen
    assert BaseUrl("https", "api.openai.com", 443) == config.upstreams["openai"].url
    assert {"role": {"deployer"}, "purpose": {"general_assistant"}} == config.deployment.known
    assert date(2026, 9, 1) == config.deployment.placed_on_market
    assert (Path("/etc/bylaw/bylaw-data"), (Path("/etc/bylaw/policies"),)) == (
        config.data_dir,
        config.policies.directories,
    )


def test_what_is_left_out_has_its_default():
    config = load(MINIMAL)
    assert (Address("127.0.0.1", 8080), Admin(), Path("bylaw-data"), 1, Limits()) == (
        config.listen,
        config.admin,
        config.data_dir,
        config.workers,
        config.limits,
    )
    assert ("strict", "local", "default", ("builtin",), "info") == (
        config.ledger.mode,
        config.ledger.store,
        config.policies.profile,
        config.policies.packs,
        config.log.level,
    )
    assert (Resolver.every(), {"EU"}) == (config.jurisdictions.resolve, config.jurisdictions.default)
    assert ["127.0.0.0/8", "::1/128"] == [str(network) for network in config.jurisdictions.trust]


def test_a_profile_that_is_a_file_is_taken_from_the_folder_of_the_configuration():
    assert "/etc/bylaw/own.yaml" == load(MINIMAL + "policies: {profile: own.yaml}").policies.profile
    assert "strict" == load(MINIMAL + "policies: {profile: strict}").policies.profile


def test_norway_is_not_false():
    assert {"NO"} == load(MINIMAL + "jurisdictions: {default: [NO]}").jurisdictions.default


def test_resolvers_have_modes():
    config = load(MINIMAL + "jurisdictions: {resolve: [caller: union, tenant, {geoip: first}, default]}")
    assert [("caller", "union"), ("tenant", "first"), ("geoip", "first"), ("default", "first")] == [
        (step.name, step.mode) for step in config.jurisdictions.resolve
    ]


def test_an_empty_file_says_what_is_missing():
    assert ["1: missing `upstreams`, `routes`"] == refusal("")


def test_a_misspelt_key_names_the_nearest():
    line = refusal(MINIMAL + "jurisdiction: {default: [EU]}")[0]
    assert line.startswith(
        "3: jurisdiction: unknown key, did you mean `jurisdictions`? Valid keys: upstreams, routes"
    )


DIGEST = hashlib.sha256(b"k").hexdigest()
ROUTE = "{match: /v1/, upstream: u, dialect: openai}"
WRONG = {
    "scoring: {engine: remote}": "scoring.engine: `remote` is not available in this version; write `local`",
    "scoring: {engine: gpu}": 'scoring.engine: expected one of `local`, found the text "gpu"',
    "ledger: {store: postgresql}": "ledger.store: `postgresql` is not available in this version; write",
    "ledger: {mode: replicated}": "ledger.mode: `replicated` is not available in this version; write",
    "ledger: {deadline_ms: 0}": "ledger.deadline_ms: expected at least 1",
    "ledger: {buffer_bytes_max: 1000}": "ledger.buffer_bytes_max: expected at least 131072",
    "workers: 0": "workers: expected 1 to 256",
    "workers: 257": "workers: expected 1 to 256",
    "limits: {exchanges_max: 0}": "limits.exchanges_max: expected at least 1",
    "limits: {exchange_max: 1}": "limits.exchange_max: unknown key, did you mean `exchanges_max`?",
    "listen: 8080": "listen: expected HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, found something else",
    "listen: 127.0.0.1:9090": "listen: the data plane and the control plane listen on the same address",
    "admin: {listen: 127.0.0.1:8080}": "admin.listen: the data plane and the control plane listen",
    "admin: {listen: 0.0.0.0:9090, open: true}": (
        "admin.open: other machines can reach 0.0.0.0:9090; use a `token`, or listen on loopback"
    ),
    "admin: {token: hunter2}": "admin.token: a secret is never written into a configuration: write",
    "admin: {open: true, token: 'env:T'}": "admin.token: `token` has no effect while `open` is true",
    "admin:": "admin: expected a mapping, found nothing",
    "jurisdictions: {default: []}": "jurisdictions: `default` is empty: every exchange needs at least one",
    "jurisdictions: {default: [eu]}": "jurisdictions.default[0]: `eu` is not a jurisdiction such as",
    "jurisdictions: {default: EU}": 'jurisdictions.default: expected a list, found the text "EU"',
    "jurisdictions: {resolve: []}": "jurisdictions: `default` must be the last resolver",
    "jurisdictions: {resolve: [default, caller]}": "jurisdictions: `default` must be the last resolver",
    "jurisdictions: {resolve: [geoip, geoip, default]}": "jurisdictions: `resolve` names a resolver twice",
    "jurisdictions: {resolve: [{header: union}, default]}": "jurisdictions.resolve[0]: the header",
    "jurisdictions: {resolve: [{geoip: all}, default]}": (
        'jurisdictions.resolve[0].geoip: expected one of `first`, `union`, found the text "all"'
    ),
    "jurisdictions: {resolve: [{a: first, b: first}, default]}": "jurisdictions.resolve[0]: expected the",
    "jurisdictions: {resolve: [7, default]}": "jurisdictions.resolve[0]: expected the name of a resolver",
    "jurisdictions: {resolve: [default], geoip_file: g.mmdb}": "jurisdictions: `geoip_file` has no effect",
    "jurisdictions: {trust: [10.0.0.1/8]}": "jurisdictions.trust[0]: `10.0.0.1/8` is not a network such as",
    f"callers: {{a: {{key_sha256: {DIGEST}}}, b: {{key_sha256: {DIGEST}}}}}": (
        "callers.b.key_sha256: `a` has the same key"
    ),
    "callers: {a: {key_sha256: bylaw_secret}}": "callers.a.key_sha256: expected the SHA-256 of a key",
    "callers: {a: {}}": "callers.a: missing `key_sha256`",
    "callers: {}": "callers: no caller is listed; without any, leave `callers` out",
    f"callers: {{anonymous: {{key_sha256: {DIGEST}}}}}": "callers.anonymous: a name has letters, digits",
    f"callers: {{'a b': {{key_sha256: {DIGEST}}}}}": "callers.a b: a name has letters, digits",
    f"callers: {{a: {{key_sha256: {DIGEST}, limits: 1}}}}": "callers.a.limits: unknown key.",
    "deployment: {role: deploier}": "deployment.role: unknown role `deploier`, did you mean `deployer`?",
    "deployment: {rule: deployer}": "deployment.rule: unknown fact, did you mean `role`?",
    "policies: {packs: builtin}": 'policies.packs: expected a list, found the text "builtin"',
    "plugins: {enabled: [a]}": "plugins.enabled: unknown key",
    "log: {level: warn}": "log.level: expected one of `debug`, `info`, `warning`, `error`, found",
}


@pytest.mark.parametrize(("section", "message"), WRONG.items())
def test_a_wrong_section_is_refused_at_its_line(section, message):
    assert [True] == [line.startswith(f"3: {message}") for line in refusal(MINIMAL + section)]


def test_trust_without_effect_is_refused():
    text = MINIMAL + f"jurisdictions: {{trust: [10.0.0.0/8]}}\ncallers: {{a: {{key_sha256: {DIGEST}}}}}"
    assert [
        "3: jurisdictions.trust: `trust` has no effect while there are `callers`;"
        " set `trusted: true` on a caller"
    ] == (refusal(text))


def upstream(text: str) -> str:
    return f"upstreams:\n  u: {text}\nroutes: [{ROUTE}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "2: upstreams.u: missing `url`"),
        ("{url: 'https://user:hunter2@h'}", "2: upstreams.u.url: a URL holds no user or password here"),
        ("{url: 'https://h', key: sk-live-1}", "2: upstreams.u.key: a secret is never written"),
        ("{url: 'https://h', key_header: x-api-key}", "2: upstreams.u: `key_header` says how `key` is sent"),
        (
            "{url: 'https://h', key: 'env:K', key_header: cookie}",
            "2: upstreams.u.key_header: expected one of `auto`",
        ),
        ("{url: 'http://h', ca_file: ca.pem}", "2: upstreams.u: `ca_file` has no effect on an http URL"),
        (
            "{url: 'https://h/v1'}",
            "2: upstreams.u.url: requests would go to https://h/v1/v1/...: the URL ends",
        ),
    ],
)
def test_a_wrong_upstream_is_refused_at_its_line(text, message):
    assert [True] == [line.startswith(message) for line in refusal(upstream(text))]


def routes(*texts: str) -> str:
    return "upstreams: {openai: {url: 'http://h'}, claude: {url: 'http://h/x'}}\nroutes:\n" + "".join(
        f"  - {text}\n" for text in texts
    )


OPENAI = "{match: /v1/, upstream: openai, dialect: openai}"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "2: routes: expected a list, found nothing"),
        (
            ["{match: /v1/, upstream: opnai, dialect: openai}"],
            "3: routes[0].upstream: no upstream has the name `opnai`, did you mean `openai`?",
        ),
        (
            ["{match: v1/, upstream: openai, dialect: openai}"],
            "3: routes[0].match: `v1/` is not a path prefix such as /v1/",
        ),
        (["{match: /v1/?a=b, upstream: openai, dialect: openai}"], "3: routes[0].match: `/v1/?a=b` is not"),
        (["{match: /v1/../, upstream: openai, dialect: openai}"], "3: routes[0].match: `/v1/../` is not"),
        (["{match: /%76, upstream: openai, dialect: openai}"], "3: routes[0].match: `/%76` is not"),
        (
            ["{match: /, upstream: openai, dialect: raw}"],
            "3: routes[0]: `dialect: raw`: bodies on this route are read by no guard; if that is meant, write"
            " `pass_through: true`",
        ),
        (
            ["{match: /, upstream: openai, dialect: openai, websocket: true}"],
            "3: routes[0]: `websocket: true`: bodies on this route are read by no guard",
        ),
        (
            ["{match: /, upstream: openai, dialect: raw, pass_through: true, unread: refuse}"],
            "3: routes[0]: `pass_through: true` with `unread: refuse` would refuse every request",
        ),
        (["{match: /, upstream: openai, dialect: openai, methods: []}"], "3: routes[0]: `methods` is empty"),
        (
            ["{match: /, upstream: openai, dialect: openai, methods: [post]}"],
            "3: routes[0].methods[0]: expected",
        ),
        (["{match: /, upstream: openai, dialect: gemini}"], "3: routes[0].dialect: expected one of `openai`"),
        ([OPENAI, OPENAI], "4: routes[1].match: nothing reaches this route: `/v1/` in line 3 comes first"),
        (
            [OPENAI, "{match: /v1/messages, upstream: claude, dialect: anthropic}"],
            "4: routes[1].match: nothing reaches this route: `/v1/` in line 3 comes first",
        ),
        (
            [OPENAI, "{match: /v1/x, upstream: openai, dialect: openai, methods: [GET]}"],
            "4: routes[1].match: nothing reaches this route",
        ),
        (
            [
                "{match: /, upstream: openai, dialect: openai, methods: [GET, POST]}",
                "{match: /v1/, upstream: openai, dialect: openai, methods: [GET]}",
            ],
            "4: routes[1].match: nothing reaches this route",
        ),
    ],
)
def test_a_wrong_route_is_refused_at_its_line(texts, message):
    assert [True] == [line.startswith(message) for line in refusal(routes(*texts))]


def test_routes_that_can_all_be_reached_are_fine():
    config = load(
        routes(
            "{match: /v1/messages, upstream: claude, dialect: anthropic}",
            "{match: /v1/, upstream: openai, dialect: openai, methods: [GET]}",
            "{match: /v1/, upstream: openai, dialect: openai}",
            "{match: /v1beta, upstream: openai, dialect: raw, pass_through: true, websocket: true}",
        )
    )
    assert [3, 4, 5, 6] == [route.place.line for route in config.routes]


def test_both_planes_may_leave_the_port_to_the_system():
    config = load(MINIMAL + "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}")
    assert config.listen == config.admin.listen


def test_a_moved_line_is_no_other_upstream():
    """Workers keep the connections of an upstream that a reload did not change."""
    text = upstream("{url: 'https://h', key: 'env:K'}")
    before, after = (load(lines).upstreams["u"] for lines in (text, "# one line more\n" + text))
    assert (before, hash(before)) == (after, hash(after))


def test_several_mistakes_are_reported_together():
    text = MINIMAL + "workers: 0\nadmin: {listen: 0.0.0.0:1, open: true}\n"
    assert ["3: workers: expected 1 to 256", "4: admin.open: other machines can reach 0.0.0.0:1"] == [
        line.partition(";")[0] for line in refusal(text)
    ]


def test_without_a_file_the_dialect_is_told_by_the_path():
    config = default_config("http://127.0.0.1:9999")
    assert [("/v1/messages", "anthropic"), ("/v1/", "openai")] == [
        (r.match, r.dialect) for r in config.routes
    ]
    assert {"http://127.0.0.1:9999"} == {str(upstream.url) for upstream in config.upstreams.values()}


@pytest.mark.parametrize("url", ["ftp://h", "", "'", 'http://h"}, x: {url: "http://evil', "http://h/v1"])
def test_without_a_file_a_wrong_url_is_the_command_lines(url):
    with pytest.raises(ConfigError) as caught:
        default_config(url)
    assert caught.value.place.file in {"command line", "serve --upstream"}


def test_a_key_is_kept_as_a_reference():
    config = load(upstream("{url: 'https://h', key: 'env:OPENAI_API_KEY'}"))
    assert "env:OPENAI_API_KEY" == str(config.upstreams["u"].key)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_configuration_error_or_fine(data):
    lines = CONTRACT.splitlines()
    n = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[n])))
    put = data.draw(st.sampled_from([":", "[", "}", " ", "\t", "-", "null", "'", "!", "x", "0"]))
    lines[n] = lines[n][:at] + put + lines[n][at + data.draw(st.integers(0, 6)) :]
    try:
        assert load("\n".join(lines)).routes
    except ConfigError as error:
        assert FILE == error.place.file
