"""What a reverse proxy owes to HTTP, on real sockets."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import os
import time
from pathlib import Path

import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, pattern, script_header
from rawhttp import Wire, exchange, request
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON = ("Content-Type", "application/json")
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
STREAM = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
).encode()
ROUTES = (
    "[{match: /v1/realtime, upstream: provider, dialect: openai, websocket: true, pass_through: true},"
    " {match: /v1/messages, upstream: provider, dialect: anthropic},"
    " {match: /v1/, upstream: provider, dialect: openai},"
    " {match: /, upstream: provider, dialect: raw, pass_through: true}]"
)


def script(**given: object) -> tuple[str, str]:
    return next(iter(script_header(**given).items()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(
        upstream.url, routes=ROUTES, jurisdictions="{default: [ZZ]}", limits="{drain_ms_max: 2000}"
    )


async def test_hop_by_hop_headers_do_not_cross(proxy: Proxy, upstream: ScriptedUpstream) -> None:
    headers = [
        ("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"),
        ("Proxy-Authorization", "Basic eA=="), ("Upgrade", "h2c"), ("X-Kept", "yes"), ("Bylaw-Session", "s1"),
    ]  # fmt: skip
    await exchange(proxy.address, request("GET", "/echo/x", headers))
    names = {key.decode().lower() for key, _ in upstream.requests[-1].headers}
    assert {"host", "x-kept"} == names


async def test_header_case_order_and_repetition_survive(proxy: Proxy, upstream: ScriptedUpstream) -> None:
    headers = [("x-A", "1"), ("X-b", "2"), ("x-A", "3"), ("Cookie", "a=b"), ("X-Latin", "caf\xe9")]
    await exchange(proxy.address, request("GET", "/echo/x?q=%2F&r=a+b", headers))
    got = upstream.requests[-1]
    expected = [(k.encode(), v.encode("latin-1")) for k, v in headers]
    assert expected == [pair for pair in got.headers if pair[0] != b"Host"]
    assert b"/echo/x?q=%2F&r=a+b" == got.target


async def test_reply_headers_survive_and_bylaws_own_cannot_be_forged(proxy: Proxy) -> None:
    given = [
        ["X-a", "1"],
        ["x-A", "2"],
        ["Set-Cookie", "a=b"],
        ["Set-Cookie", "c=d"],
        ["Bylaw-Decision", "forged"],
    ]
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, script(headers=given)], CHAT)
    )
    kept = [list(pair) for pair in answer.headers if pair[0].lower() in {"x-a", "set-cookie"}]
    assert given[:4] == kept
    assert ["allow"] == [value for key, value in answer.headers if key == "Bylaw-Decision"]


async def test_every_reply_says_who_decided_what_and_how_long_it_took(proxy: Proxy) -> None:
    answer = await exchange(proxy.address, request("POST", "/v1/chat/completions", [JSON], CHAT))
    stages = [part.split(";")[0] for part in (answer.header("Server-Timing") or "").split(", ")]
    assert ["read", "route", "inspect", "upstream", "relay", "record"] == stages
    assert ("allow", True) == (
        answer.header("Bylaw-Decision"),
        "default@" in (answer.header("Bylaw-Policy") or ""),
    )


async def test_expect_continue_is_answered_before_the_body(proxy: Proxy) -> None:
    wire = await Wire.open(proxy.address)
    whole = request("POST", "/v1/chat/completions", [JSON, ("Expect", "100-continue")], CHAT)
    await wire.send(whole[: -len(CHAT)])
    assert 100 == (await asyncio.wait_for(wire.head(), 5))[0]
    await wire.send(CHAT)
    assert 200 == (await wire.answer()).status
    await wire.close()


async def test_another_expectation_is_417(proxy: Proxy) -> None:
    answer = await exchange(
        proxy.address,
        request("POST", "/v1/chat/completions", [JSON, ("Expect", "miracles")], CHAT[:0] + b"x"),
    )
    assert answer.status in {400, 417}


@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_body_keeps_the_connection(proxy: Proxy, status: int) -> None:
    wire = await Wire.open(proxy.address)
    await wire.send(request("GET", "/echo/x", [script(status=status)]))
    first = await wire.answer()
    await wire.send(request("POST", "/v1/chat/completions", [JSON], CHAT))
    assert (status, 200) == (first.status, (await wire.answer()).status)
    await wire.close()


async def test_head_has_the_length_and_no_body(proxy: Proxy) -> None:
    wire = await Wire.open(proxy.address)
    await wire.send(request("HEAD", "/download?bytes=100"))
    first = await wire.answer(head_only=True)
    await wire.send(request("GET", "/download?bytes=100"))
    second = await wire.answer()
    assert ((200, "100"), 100) == ((first.status, first.header("Content-Length")), len(second.body))
    await wire.close()


async def test_pipelined_requests_are_answered_in_order(proxy: Proxy) -> None:
    wire = await Wire.open(proxy.address)
    await wire.send(b"".join(request("GET", f"/echo/{i}") for i in range(5)))
    targets = [(await wire.answer()).json()["target"] for _ in range(5)]
    assert [f"/echo/{i}" for i in range(5)] == targets
    await wire.close()


async def test_trailers_are_dropped_and_the_connection_lives(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    wire = await Wire.open(proxy.address)
    head = request("POST", "/echo/t", [JSON, ("Transfer-Encoding", "chunked"), ("Trailer", "X-T")])
    await wire.send(head + b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
    first = await wire.answer()
    await wire.send(request("GET", "/echo/after"))
    assert (200, 200) == (first.status, (await wire.answer()).status)
    names = {key.lower() for key, _ in upstream.requests[-2].headers}
    assert ("hello", False) == (first.json()["body"], b"x-t" in names)
    await wire.close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("stream", [False, True])
async def test_guards_see_through_the_coding_of_a_reply(proxy: Proxy, coding: str, stream: bool) -> None:
    given = script(answer="the key AKIAIOSFODNN7EXAMPLE is secret", encoding=coding, chunks="char")
    headers = [JSON, ("Accept-Encoding", coding), given]
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", headers, STREAM if stream else CHAT)
    )
    assert (None, False, True) == (
        answer.header("Content-Encoding"), b"AKIA" in answer.body, b"REDACTED" in answer.body,
    )  # fmt: skip


async def test_a_coded_reply_that_no_rule_touches_stays_coded(proxy: Proxy) -> None:
    headers = [JSON, ("Accept-Encoding", "gzip"), script(answer="nothing here", encoding="gzip")]
    answer = await exchange(proxy.address, request("POST", "/v1/chat/completions", headers, CHAT))
    assert "nothing here" == json.loads(gzip.decompress(answer.body))["choices"][0]["message"]["content"]
    assert "gzip" == answer.header("Content-Encoding")


async def test_a_coding_that_guards_cannot_undo_is_not_asked_for(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    headers = [JSON, ("Accept-Encoding", "gzip, dcb;q=0.5, br")]
    await exchange(proxy.address, request("POST", "/v1/chat/completions", headers, CHAT))
    assert b"gzip, br" == upstream.requests[-1].header(b"accept-encoding")


def resident_kib(pid: int) -> int:
    """Resident memory of a process and its children."""
    total = 0
    for task in Path("/proc").iterdir():
        if task.name.isdigit():
            try:
                stat = (task / "stat").read_text().rpartition(")")[2].split()
                if int(task.name) == pid or int(stat[1]) == pid:
                    total += int(stat[21]) * os.sysconf("SC_PAGE_SIZE") // 1024
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


async def test_a_large_download_crosses_in_constant_memory(proxy: Proxy) -> None:
    size = 400 * 1024 * 1024
    before = resident_kib(proxy.process.pid)
    wire = await Wire.open(proxy.address)
    await wire.send(request("GET", f"/download?bytes={size}"))
    await wire.head()
    left, peak, seen = size, 0, 0
    while left:
        piece = await wire.reader.read(1 << 20)
        assert piece
        left -= len(piece)
        seen += 1
        if seen % 200 == 0:
            peak = max(peak, resident_kib(proxy.process.pid))
    await wire.close()
    assert peak - before < 40 * 1024


async def test_a_large_upload_crosses_in_constant_memory(proxy: Proxy) -> None:
    block, blocks = b"".join(pattern(1 << 20)), 400
    before, peak = resident_kib(proxy.process.pid), 0
    wire = await Wire.open(proxy.address)
    await wire.send(request("POST", "/upload", [("Content-Length", str(len(block) * blocks))]))
    digest = hashlib.sha256()
    for number in range(blocks):
        await wire.send(block)
        digest.update(block)
        if number % 40 == 0:
            peak = max(peak, resident_kib(proxy.process.pid))
    answer = (await wire.answer(timeout_s=60)).json()
    await wire.close()
    assert (len(block) * blocks, digest.hexdigest()) == (answer["bytes"], answer["sha256"])
    assert peak - before < 40 * 1024


async def test_a_client_that_leaves_cancels_the_upstream_within_a_second(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    for body, given in ((CHAT, {"first_delay_ms": 20_000}), (STREAM, {"words": 5000, "chunk_delay_ms": 50})):
        upstream.requests.clear()
        wire = await Wire.open(proxy.address)
        await wire.send(request("POST", "/v1/chat/completions", [JSON, script(**given)], body))
        await upstream.until(lambda: len(upstream.requests) and upstream.requests[0].received_s)
        await asyncio.sleep(0.2)
        left_s = time.monotonic()
        await wire.close()
        await upstream.until(lambda: upstream.requests[0].disconnected_s)
        assert upstream.requests[0].disconnected_s - left_s < 1.0


async def test_what_a_client_got_before_it_left_is_on_record(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    wire = await Wire.open(proxy.address)
    given = script(words=5000, chunk_delay_ms=20)
    await wire.send(request("POST", "/v1/chat/completions", [JSON, given], STREAM))
    _, headers = await wire.head()
    await wire.reader.readuntil(b"content")
    await asyncio.sleep(0.2)
    await wire.close()
    entry = await proxy.entry(dict(headers)["Bylaw-Exchange"])
    assert ("client_abort", True, True) == (entry["error"], entry["released"] > 0, entry["forwarded"])


async def test_a_client_that_does_not_read_is_cut_off(proxy: Proxy, upstream: ScriptedUpstream) -> None:
    upstream.requests.clear()
    wire = await Wire.open(proxy.address)
    wire.writer.transport.pause_reading()
    await wire.send(request("GET", f"/download?bytes={512 * 1024 * 1024}"))
    await upstream.until(lambda: len(upstream.requests) and upstream.requests[0].disconnected_s, timeout_s=10)
    await wire.close()


async def test_nothing_is_sent_twice_to_a_provider_that_breaks_off(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON], CHAT)
    )  # leaves a kept connection
    upstream.requests.clear()
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, script(reset_after_events=-1)], CHAT)
    )
    assert (502, 1) == (answer.status, len(upstream.requests))


async def test_websockets_cross_on_a_route_that_allows_them(proxy: Proxy) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(f"{proxy.url}/v1/realtime") as ws:
        await ws.send_str("hello")
        text = (await ws.receive(timeout=5)).data
        await ws.send_bytes(b"x" * 200_000)
        data = (await ws.receive(timeout=5)).data
    assert ("hello", b"x" * 200_000) == (text, data)


async def test_a_websocket_is_on_record_as_unread(proxy: Proxy) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    wire = await Wire.open(proxy.address)
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ]
    await wire.send(request("GET", "/v1/realtime", upgrade))
    answer = await wire.answer()
    await wire.close()
    entry = await proxy.entry(answer.header("Bylaw-Exchange"))
    assert (101, 101, True) == (answer.status, entry["status"], "route:websocket" in entry["unread"])


async def test_elsewhere_an_upgrade_is_dropped(proxy: Proxy, upstream: ScriptedUpstream) -> None:
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "eA=="),
        ("Sec-WebSocket-Version", "13"),
    ]
    answer = await exchange(proxy.address, request("GET", "/echo/ws", upgrade))
    assert (200, None) == (answer.status, upstream.requests[-1].header(b"upgrade"))


async def test_http_1_0_gets_a_reply_it_can_read(proxy: Proxy) -> None:
    wire = await Wire.open(proxy.address)
    await wire.send(
        b"POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(STREAM), STREAM)
    )
    answer = await wire.answer()
    assert (None, True) == (answer.header("Transfer-Encoding"), b"[DONE]" in answer.body)
    await wire.close()
