"""Callers with keys: who is let in, whose exchange it is, and that no secret or content is ever written down."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import Request, ScriptedUpstream, script_header
from ledger_reading import outcome, read
from rawhttp import Answer, exchange, request
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = {"plain": "bylaw_plain_0123456789", "trusted": "bylaw_trusted_0123456789", "eu": "bylaw_eu_0123456789"}
PROVIDER_KEY = "sk-provider-0123456789"
CALLERS = "".join(
    f"  {name}: {{key_sha256: {hashlib.sha256(KEYS[name].encode()).hexdigest()}, {more}}}\n"
    for name, more in {
        "plain": "tenant: acme",
        "trusted": "tenant: acme, trusted: true",
        "eu": "tenant: umbrella, jurisdictions: [EU, US-CA]",
    }.items()
)
UPSTREAMS = "{{provider: {{url: '{url}', key: 'env:PROVIDER_KEY'}}, bare: {{url: '{url}'}}}}"
ROUTES = (
    "[{match: /bare/, upstream: bare, dialect: raw, pass_through: true, unread: record},"
    " {match: /raw/, upstream: provider, dialect: raw, pass_through: true, unread: record},"
    " {match: /v1/messages, upstream: provider, dialect: anthropic},"
    " {match: /v1/, upstream: provider, dialect: openai}]"
)
PATHS = ("/v1/chat/completions", "/v1/messages", "/raw/x")
Headers = list[tuple[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(
        upstream.url, env={"PROVIDER_KEY": PROVIDER_KEY}, callers=f"\n{CALLERS}", routes=ROUTES,
        upstreams=UPSTREAMS.format(url=upstream.url), jurisdictions="{default: [ZZ]}",
    )  # fmt: skip


def ask(path: str, headers: Headers, text: str = "hello", **script: object) -> bytes:
    fields = [("Content-Type", "application/json"), *headers, *script_header(**script).items()]
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    return request("POST", path, fields, json.dumps(body).encode())


def shown(name: str) -> Headers:
    return [("Bylaw-Key", KEYS[name])]


WRONG: dict[str, Headers] = {
    "none": [],
    "unknown": [("Bylaw-Key", "bylaw_unknown")],
    "empty": [("Bylaw-Key", "")],
    "long": [("Bylaw-Key", "bylaw_" + "x" * 5000)],
    "of the provider": [("Authorization", "Bearer sk-mine")],
    "in basic": [("Authorization", f"Basic {KEYS['plain']}")],
    "its digest": [("Bylaw-Key", hashlib.sha256(KEYS["plain"].encode()).hexdigest())],
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", WRONG)
async def test_without_a_known_key_it_is_401_and_nothing_is_forwarded(
    proxy: Proxy, upstream: ScriptedUpstream, name: str, path: str
) -> None:
    upstream.requests.clear()
    answer = await exchange(proxy.address, ask(path, WRONG[name]))
    assert (401, 0) == (answer.status, len(upstream.requests))
    assert answer.header("WWW-Authenticate")
    assert "unknown_caller" == answer.json()["error"]["code"]


PRESENTED: dict[str, Headers] = {
    "Bylaw-Key": [("Bylaw-Key", KEYS["plain"])],
    "bearer": [("Authorization", f"Bearer {KEYS['plain']}")],
    "lower-case bearer": [("authorization", f"bearer {KEYS['plain']}")],
    "x-api-key": [("x-api-key", KEYS["plain"])],
    "api-key": [("api-key", KEYS["plain"])],
    "everywhere": [
        ("Bylaw-Key", KEYS["plain"]), ("Authorization", f"Bearer {KEYS['eu']}"), ("x-api-key", KEYS["trusted"]),
    ],
}  # fmt: skip


def secrets_of(got: Request) -> list[str]:
    """Proxy keys in what the provider received."""
    whole = repr((got.target, got.headers, got.body))
    return [key for key in KEYS.values() if key in whole]


@pytest.mark.parametrize("path", [*PATHS, "/bare/x"])
@pytest.mark.parametrize("name", PRESENTED)
async def test_a_key_is_taken_from_where_sdks_put_it_and_never_forwarded(
    proxy: Proxy, upstream: ScriptedUpstream, name: str, path: str
) -> None:
    answer = await exchange(proxy.address, ask(path, PRESENTED[name]))
    entry = await outcome(proxy.data_dir, answer.header("Bylaw-Exchange"))
    assert (200, []) == (answer.status, secrets_of(upstream.requests[-1]))
    assert ("plain", "acme") == (entry["caller"], entry["tenant"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions", {b"authorization": f"Bearer {PROVIDER_KEY}".encode()}),
        ("/v1/messages", {b"x-api-key": PROVIDER_KEY.encode()}),
        ("/raw/x", {b"authorization": f"Bearer {PROVIDER_KEY}".encode()}),
        ("/bare/x", {b"authorization": b"Bearer sk-mine"}),
    ],
)
async def test_the_provider_gets_its_key_as_the_dialect_sends_it(
    proxy: Proxy, upstream: ScriptedUpstream, path: str, expected: dict[bytes, bytes]
) -> None:
    await exchange(proxy.address, ask(path, [*shown("plain"), ("Authorization", "Bearer sk-mine")]))
    names = {b"authorization", b"x-api-key", b"api-key"}
    got = [(k.lower(), v) for k, v in upstream.requests[-1].headers if k.lower() in names]
    assert list(expected.items()) == got


async def told(proxy: Proxy, caller: str, said: str | None) -> dict[str, Any]:
    headers = [*shown(caller), *([("Bylaw-Jurisdiction", said)] if said else [])]
    answer = await exchange(proxy.address, ask("/v1/chat/completions", headers))
    return await outcome(proxy.data_dir, answer.header("Bylaw-Exchange"))


@pytest.mark.parametrize(
    ("caller", "said", "codes", "ignored"),
    [
        ("plain", None, ["ZZ"], False),
        ("plain", "CN", ["ZZ"], True),
        ("trusted", "CN", ["CN", "ZZ"], False),
        ("eu", None, ["EU", "US-CA"], False),
        ("eu", "CN", ["EU", "US-CA"], True),
    ],
)
async def test_a_callers_law_is_its_own_and_only_a_trusted_one_can_add_to_it(
    proxy: Proxy, caller: str, said: str | None, codes: list[str], ignored: bool
) -> None:
    entry = await told(proxy, caller, said)
    assert (codes, ignored) == (sorted(entry["jurisdictions"]), entry.get("ignored_header", False))


async def test_a_trusted_caller_with_a_malformed_code_is_400(proxy: Proxy) -> None:
    headers = [*shown("trusted"), ("Bylaw-Jurisdiction", "Atlantis!")]
    answer = await exchange(proxy.address, ask("/v1/chat/completions", headers))
    assert (400, "invalid_jurisdiction") == (answer.status, answer.json()["error"]["code"])


async def test_strangers_are_not_recorded_one_by_one(proxy: Proxy) -> None:
    before = len(read(proxy.data_dir))
    for number in range(20):
        await exchange(proxy.address, ask("/v1/chat/completions", [("Bylaw-Key", f"bylaw_{number}")]))
    await told(proxy, "plain", None)
    new = read(proxy.data_dir)[before:]
    assert {"plain"} == {entry["caller"] for entry in new}


CANARIES = {
    place: f"canary{number}swordfish{number}"
    for number, place in enumerate(
        ("authorization", "x-api-key", "bylaw-key", "bearer", "cookie", "prompt", "tool", "query", "session", "path",
         "reply", "model output", "body", "trailer", "method")
    )
}  # fmt: skip


def singing() -> list[bytes]:
    """Requests that carry a canary in every place where a secret or a content can be."""
    c = CANARIES
    headers = [
        ("Content-Type", "application/json"), ("Authorization", f"Bearer {c['authorization']}"),
        ("x-api-key", c["x-api-key"]), ("Cookie", f"a={c['cookie']}"), *script_header(answer=c["reply"]).items(),
    ]  # fmt: skip
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"a": c["tool"]})},
    }
    messages = [{"role": "user", "content": c["prompt"]}, {"role": "assistant", "tool_calls": [call]}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    broken = f'{{"model": "m", "messages": [{{"role": "user", "content": "{c["body"]}"}}'.encode()
    key = shown("plain")
    query = f"?key={c['query']}"
    reset = [*headers[:4], *script_header(reset_after_events=-1).items()]
    malformed = [*headers[:4], *script_header(malformed="garbage_head").items()]
    return [
        request("POST", f"/v1/chat/completions{query}", [*key, *headers], body),
        request("POST", f"/v1/chat/completions{query}", [*key, *headers], broken),
        request("POST", f"/v1/chat/completions{query}", [*key, *reset], body),
        request("POST", f"/v1/chat/completions{query}", [*key, *malformed], body),
        request("POST", f"/v1/embeddings{query}", [*key, *headers], body),
        request("POST", f"/nowhere/{c['path']}{query}", [*key, *headers], body),
        request("POST", f"/v1/chat/completions{query}", [("Bylaw-Key", c["bylaw-key"]), *headers], body),
        request(
            "POST", f"/v1/chat/completions{query}", [("Authorization", f"Bearer bylaw_{c['bearer']}")], body
        ),
        request(
            "POST", f"/raw/x{query}", [*key, *headers, ("Bylaw-Session", c["session"])], c["body"].encode()
        ),
        request("POST", f"/v1/chat/completions{query}", [*key, *headers, ("Expect", c["trailer"])], body),
        request(
            "POST", f"/v1/chat/completions{query}", [*key, *headers, ("Content-Encoding", c["trailer"])], body
        ),
        request(c["method"].upper(), f"/v1/chat/completions{query}", [*key, *headers], body),
    ]


async def test_no_canary_is_in_log_ledger_metrics_or_an_error(proxy: Proxy) -> None:
    answers: list[Answer] = [await exchange(proxy.address, data) for data in singing()]
    await told(proxy, "plain", None)
    await asyncio.sleep(0.2)
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.admin}/metrics") as reply:
        metrics = await reply.read()
    errors = b"".join(
        answer.body + repr(answer.headers).encode() for answer in answers if answer.status >= 400
    )
    files = b"".join(path.read_bytes() for path in proxy.data_dir.rglob("*") if path.is_file())
    places = {"log": proxy.log.encode(), "ledger": files, "metrics": metrics, "errors": errors}
    secrets = [*CANARIES.values(), *KEYS.values(), PROVIDER_KEY]
    found = [
        (s, place) for s in secrets for place, data in places.items() if s.lower().encode() in data.lower()
    ]
    assert [] == found
    assert [200, 400, 502, 502, 404, 404, 401, 401, 200] == [answer.status for answer in answers[:9]]
    assert b"exchange" in places["log"] and b"outcome" in files
