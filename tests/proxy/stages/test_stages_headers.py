"""What of a head crosses, in both directions, and what never does."""

from __future__ import annotations

import pytest
from stage_rig import CHAT, EMPTY, Inbound, Rig, chat, completion, reply

from bylaw.plan.callers import KEY_PREFIX, CallerEntry, digest
from bylaw.spec import Guard, Verdict, impl

KEY = f"{KEY_PREFIX}abc123"
CALLERS = {"app": CallerEntry(digest(KEY).hex())}  # type: ignore[arg-type]
JSON = (b"Content-Type", b"application/json")


def fine(**facts: object) -> object:
    return reply(completion("fine"), **facts)


async def sent(*headers: tuple[bytes, bytes], text: str = "hi", **facts: object) -> Rig:
    rig = Rig(fine(), **facts)  # type: ignore[arg-type]
    out = await rig.run(chat(text, headers=[JSON, *headers]))
    assert 200 == out.status, out.body
    return rig


async def answered(*headers: tuple[bytes, bytes], text: str = "fine", **facts: object) -> Rig:
    body = completion(text)
    rig = Rig(reply(body, headers=[JSON, *headers], length=len(body)), **facts)  # type: ignore[arg-type]
    await rig.run()
    return rig


HOP = [
    (b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"), (b"Keep-Alive", b"timeout=5"), (b"TE", b"trailers"),
    (b"Trailer", b"X"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAA"), (b"Proxy-Authorization", b"Basic eA=="),
    (b"Proxy-Connection", b"close"), (b"Expect", b"100-continue"), (b"Host", b"here"), (b"Content-Length", b"1"),
]  # fmt: skip


@pytest.mark.parametrize("header", [name.lower().decode() for name, _ in HOP])
async def test_what_is_meant_for_this_hop_does_not_reach_the_provider(header):
    assert [] == (await sent(*HOP)).upstream.header(header)


async def test_everything_else_reaches_it_in_order_and_case():
    given = [(b"X-B", b"2"), (b"x-a", b"1"), (b"X-B", b"3"), (b"OpenAI-Organization", b"o")]
    assert [JSON, *given] == (await sent(*given)).upstream.headers


@pytest.mark.parametrize("name", [b"Bylaw-Jurisdiction", b"BYLAW-Session", b"bylaw-anything"])
async def test_our_own_headers_stay_here(name):
    assert [JSON] == (await sent((name, b"EU"))).upstream.headers


@pytest.mark.parametrize(
    "header",
    [(b"Bylaw-Key", KEY), (b"Authorization", f"Bearer {KEY}"), (b"X-Api-Key", KEY), (b"api-key", KEY)],
)
@pytest.mark.parametrize("credential", [None, ("auto", "sk-provider")])
@pytest.mark.parametrize("dialect", ["openai", "raw"])
async def test_the_callers_key_is_never_forwarded(header, credential, dialect):
    policy = {"policy": EMPTY} if dialect == "raw" else {}
    name, value = header
    rig = await sent(
        (name, value.encode()), callers=CALLERS, credential=credential, dialect=dialect, **policy
    )
    assert KEY not in repr(rig.upstream.headers)
    assert "app" == rig.outcome["caller"]


async def test_a_key_that_is_shown_twice_is_taken_out_twice():
    twice = [(b"Bylaw-Key", KEY.encode()), (b"Authorization", f"Bearer {KEY}".encode())]
    assert KEY not in repr((await sent(*twice, callers=CALLERS)).upstream.headers)


async def test_the_callers_own_credential_for_the_provider_passes_if_the_operator_has_none():
    rig = await sent((b"Bylaw-Key", KEY.encode()), (b"Authorization", b"Bearer sk-own"), callers=CALLERS)
    assert ["Bearer sk-own"] == rig.upstream.header("authorization")


@pytest.mark.parametrize(
    ("dialect", "target", "kind", "expected"),
    [
        ("openai", CHAT, "auto", ("authorization", "Bearer sk-provider")),
        ("anthropic", "/v1/messages", "auto", ("x-api-key", "sk-provider")),
        ("openai", CHAT, "x-api-key", ("x-api-key", "sk-provider")),
        ("anthropic", "/v1/messages", "authorization", ("authorization", "Bearer sk-provider")),
    ],
)
async def test_the_operators_credential_replaces_every_other_one(dialect, target, kind, expected):
    rig = Rig(reply(b'{"type": "message", "content": []}'), dialect=dialect, credential=(kind, "sk-provider"))
    given = [(b"Authorization", b"Bearer sk-own"), (b"x-api-key", b"sk-own"), (b"Api-Key", b"sk-own")]
    await rig.run(chat("hi", target=target, headers=given))
    names = ("authorization", "x-api-key", "api-key")
    assert [expected] == [(name, value) for name in names for value in rig.upstream.header(name)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([b"gzip, br"], ["gzip, br"]),
        ([b"gzip;q=0.5, sdch, br;q=1"], ["gzip;q=0.5, br;q=1"]),
        ([b"gzip;q=0, sdch"], ["gzip;q=0"]),
        ([b"*"], ["identity"]),
        ([b"sdch"], ["identity"]),
        ([b"GZIP , Zstd"], ["GZIP , Zstd"]),
        ([b"gzip", b"sdch, br"], ["gzip", "br"]),
        ([], []),
    ],
)
async def test_only_codings_that_can_be_undone_are_asked_for_with_their_weights(given, expected):
    rig = await sent(*((b"Accept-Encoding", value) for value in given))
    assert expected == rig.upstream.header("accept-encoding")


async def test_on_a_route_that_nobody_reads_any_coding_may_be_asked_for():
    rig = await sent((b"Accept-Encoding", b"sdch, *"), dialect="raw", policy=EMPTY)
    assert ["sdch, *"] == rig.upstream.header("accept-encoding")


ABOUT = [
    (b"Content-MD5", b"x"),
    (b"Digest", b"x"),
    (b"Content-Digest", b"x"),
    (b"Repr-Digest", b"x"),
    (b"ETag", b"x"),
]


@pytest.mark.parametrize(("text", "left"), [("hi", 5), ("my secret", 0)])
async def test_statements_about_bytes_are_dropped_when_a_request_is_rewritten(text, left):
    rig = await sent(*ABOUT, text=text)
    assert left == len([1 for name, _ in ABOUT if rig.upstream.header(name.lower().decode())])


@pytest.mark.parametrize(("text", "left"), [("fine", 5), ("a secret", 0)])
async def test_statements_about_bytes_are_dropped_when_a_reply_is_rewritten(text, left):
    rig = await answered(*ABOUT, text=text)
    assert left == len([1 for name, _ in ABOUT if rig.out.header(name.lower().decode()) is not None])


@pytest.mark.parametrize(
    "name", ["connection", "x-hop", "keep-alive", "trailer", "upgrade", "transfer-encoding"]
)
async def test_what_the_provider_means_for_its_hop_does_not_reach_the_client(name):
    rig = await answered(*HOP[:7], (b"Transfer-Encoding", b"chunked"))
    assert rig.out.header(name) is None


@pytest.mark.parametrize("forged", [b"Bylaw-Decision", b"bylaw-exchange", b"BYLAW-POLICY", b"Bylaw-Anything"])
async def test_a_provider_cannot_speak_for_us(forged):
    rig = await answered((forged, b"forged"))
    assert "forged" not in repr(rig.out.headers)
    assert ("x0", "allow") == (rig.out.header("bylaw-exchange"), rig.out.header("bylaw-decision"))


class Discloses(Guard):
    name = "words"

    @impl
    def inspect_request(self, exchange: object, prompt: object) -> Verdict:
        return Verdict.allow(headers={"AI-Disclosure": "mode=ai-originated"})


async def test_a_guards_header_replaces_the_providers():
    rig = await answered((b"ai-disclosure", b"none"), guards=[Discloses])
    assert "mode=ai-originated" == rig.out.header("ai-disclosure")


async def test_a_guard_in_shadow_adds_no_header():
    shadow = "policy: p\nsteps:\n  - {guard: words, enforce: false}\n"
    assert (await answered(guards=[Discloses], policy=shadow)).out.header("ai-disclosure") is None


@pytest.mark.parametrize(
    ("prompt", "answer", "decision"),
    [("hi", "fine", "allow"), ("my secret", "fine", "modified"), ("hi", "a secret", "modified"),
     ("bad", "fine", "blocked"), ("hi", "bad", "blocked")],
)  # fmt: skip
async def test_the_decision_is_told_to_the_client_as_it_is_recorded(prompt, answer, decision):
    rig = Rig(reply(completion(answer)))
    out = await rig.run(chat(prompt))
    assert (decision, decision) == (out.header("bylaw-decision"), rig.outcome["decision"])


async def test_stages_tell_their_time():
    timing = (await answered()).out.header("server-timing")
    assert timing is not None
    assert {"read", "route", "inspect", "upstream"} <= {part.split(";")[0] for part in timing.split(", ")}


class Curious(Guard):
    name = "words"
    seen: dict[str, str] = {}

    @impl
    def inspect_request(self, exchange: object, prompt: object) -> None:
        Curious.seen = dict(exchange.headers)  # type: ignore[attr-defined]


async def test_guards_see_headers_without_credentials():
    secret = [
        (b"Authorization", b"Bearer x"),
        (b"Cookie", b"x"),
        (b"Bylaw-Key", KEY.encode()),
        (b"X-Api-Key", b"x"),
    ]
    await sent(*secret, (b"Accept-Language", b"de"), guards=[Curious], callers=CALLERS)
    assert {"content-type": "application/json", "accept-language": "de"} == Curious.seen


async def test_a_websocket_asks_for_its_upgrade_anew():
    rig = Rig(fine(status=101), dialect="raw", policy=EMPTY, websocket=True)  # type: ignore[arg-type]
    ask = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", b"k")]
    await rig.run(Inbound("GET", headers=ask))
    assert (["Upgrade"], ["websocket"], ["k"]) == tuple(
        rig.upstream.header(name) for name in ("connection", "upgrade", "sec-websocket-key")
    )
    assert ("tunnel" in rig.events, ["route:pass_through", "route:websocket"]) == (
        True,
        rig.outcome["unread"],
    )
