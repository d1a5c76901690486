"""Each bad input has one clear answer, nothing of it is forwarded, and it is on record."""

from __future__ import annotations

import gzip
import json
import zlib

import brotli
import pytest
import pytest_asyncio
import zstandard

from bylaw_loadtest.upstream import ScriptedUpstream
from rawhttp import Wire, exchange, request
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON = ("Content-Type", "application/json")
GOOD = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
LIMITS = (
    "{body_bytes_max: 100000, read_ms_max: 700, first_byte_ms_max: 1000, idle_ms_max: 1500, drain_ms_max: 1500,"
    " headers_max: 40}"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(upstream.url, limits=LIMITS, jurisdictions="{default: [ZZ]}")


def bad_bodies() -> dict[str, tuple[bytes, str]]:
    text = '{"model":"m","messages":[{"role":"user","content":%s}]}'
    return {
        "invalid json": (b'{"model": ', "invalid_json"),
        "trailing garbage": (json.dumps(GOOD).encode() + b"{}", "invalid_json"),
        "duplicate keys": (b'{"model":"a","model":"b","messages":[]}', "duplicate_key"),
        "invalid UTF-8": ((text % '"X"').encode().replace(b"X", b"\xff"), "invalid_utf8"),
        "overlong UTF-8": ((text % '"X"').encode().replace(b"X", b"\xc0\xaf"), "invalid_utf8"),
        "lone surrogate": ((text % '"\\ud800"').encode(), "lone_surrogate"),
        "NaN": ((text % "NaN").encode(), "not_a_number"),
        "Infinity": ((text % "-Infinity").encode(), "not_a_number"),
        "too deep": ((text % ("[" * 140 + "]" * 140)).encode(), "too_deep"),
        "no object": (b'["model"]', "invalid_request"),
        "messages no list": (b'{"model":"m","messages":{}}', "invalid_request"),
        "empty": (b"", "invalid_json"),
        "byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "invalid_json"),
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("name", sorted(bad_bodies()))
async def test_a_body_that_two_parsers_could_read_differently_is_400(
    proxy: Proxy, upstream: ScriptedUpstream, name: str, path: str
) -> None:
    upstream.requests.clear()
    body, code = bad_bodies()[name]
    answer = await exchange(proxy.address, request("POST", path, [JSON], body))
    error = answer.json()["error"]
    assert (400, code, 0) == (answer.status, error["code"], len(upstream.requests))
    assert ("error" == answer.json().get("type")) == (path == "/v1/messages")
    entry = await proxy.entry(answer.header("Bylaw-Exchange"))
    assert ("blocked", 400, code, False) == (
        entry["decision"],
        entry["status"],
        entry["error"],
        entry["forwarded"],
    )


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", sorted(ENCODERS))
async def test_a_coded_body_is_inspected_and_leaves_as_it_came(
    proxy: Proxy, upstream: ScriptedUpstream, coding: str
) -> None:
    body = ENCODERS[coding](json.dumps(GOOD).encode())
    headers = [JSON, ("Content-Encoding", coding)]
    await exchange(proxy.address, request("POST", "/v1/chat/completions", headers, body))
    got = upstream.requests[-1]
    assert (body, coding.encode()) == (got.body, got.header(b"content-encoding"))


@pytest.mark.parametrize("coding", sorted(ENCODERS))
async def test_a_secret_in_a_coded_body_is_redacted(
    proxy: Proxy, upstream: ScriptedUpstream, coding: str
) -> None:
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "AKIAIOSFODNN7EXAMPLE"}]}
    ).encode()
    headers = [JSON, ("Content-Encoding", coding)]
    await exchange(proxy.address, request("POST", "/v1/chat/completions", headers, ENCODERS[coding](body)))
    got = upstream.requests[-1]
    assert (None, "[REDACTED:aws_access_key]") == (
        got.header(b"content-encoding"), json.loads(got.body)["messages"][0]["content"],
    )  # fmt: skip


@pytest.mark.parametrize("coding", sorted(ENCODERS))
async def test_a_bomb_is_413(proxy: Proxy, upstream: ScriptedUpstream, coding: str) -> None:
    upstream.requests.clear()
    bomb = ENCODERS[coding](b" " * 50_000_000)
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, ("Content-Encoding", coding)], bomb)
    )
    assert (413, 0) == (answer.status, len(upstream.requests))


async def test_an_unknown_coding_is_415(proxy: Proxy) -> None:
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, ("Content-Encoding", "snappy")], b"x")
    )
    assert 415 == answer.status


async def test_a_truncated_coding_is_400(proxy: Proxy) -> None:
    body = gzip.compress(json.dumps(GOOD).encode())[:-9]
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, ("Content-Encoding", "gzip")], body)
    )
    assert 400 == answer.status


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_over_the_limit_is_413(proxy: Proxy, framing: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 150_000}]}).encode()
    if framing == "length":
        data = request("POST", "/v1/chat/completions", [JSON], body)
    else:
        data = request("POST", "/v1/chat/completions", [JSON, ("Transfer-Encoding", "chunked")])
        data += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    answer = await exchange(proxy.address, data)
    assert (413, "body_too_large") == (answer.status, answer.json()["error"]["code"])


async def test_a_body_that_arrives_too_slowly_is_408(proxy: Proxy) -> None:
    whole = request("POST", "/v1/chat/completions", [JSON], json.dumps(GOOD).encode())
    answer = await exchange(proxy.address, whole[:-5])
    assert (408, "close") == (answer.status, answer.header("Connection"))


async def test_a_head_that_does_not_end_is_closed(proxy: Proxy) -> None:
    wire = await Wire.open(proxy.address)
    await wire.send(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
    assert b"" == await wire.reader.read()


async def test_an_unknown_route_is_404(proxy: Proxy) -> None:
    answer = await exchange(proxy.address, request("GET", "/admin"))
    assert (404, "unknown_route") == (answer.status, answer.json()["error"]["code"])


async def test_an_operation_that_nobody_reads_is_404(proxy: Proxy, upstream: ScriptedUpstream) -> None:
    upstream.requests.clear()
    answer = await exchange(proxy.address, request("POST", "/v1/embeddings", [JSON], b'{"input":"x"}'))
    assert (404, "unread_operation", 0) == (
        answer.status,
        answer.json()["error"]["code"],
        len(upstream.requests),
    )


@pytest.mark.parametrize(
    "path",
    ["/raw/../v1/embeddings", "/raw/%2e%2e/v1/embeddings", "/raw/..%2fv1", "/raw/x\\..\\y", "/raw/./x"],
)
async def test_a_path_with_two_readings_is_400(proxy: Proxy, path: str) -> None:
    answer = await exchange(proxy.address, request("GET", path))
    assert 400 == answer.status


@pytest.mark.parametrize(
    "head",
    [
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /raw/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nX: a\r\n\r\n",
        b"GET /raw/x HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /raw/x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_an_ambiguous_message_is_refused_and_never_forwarded(
    proxy: Proxy, upstream: ScriptedUpstream, head: bytes
) -> None:
    upstream.requests.clear()
    answer = await exchange(proxy.address, head)
    assert 400 <= answer.status < 500
    complete = [r for r in upstream.requests if r.replied_s]
    assert [] == complete


async def test_too_many_headers_are_refused(proxy: Proxy) -> None:
    many = [(f"X-{i}", "1") for i in range(60)]
    answer = await exchange(proxy.address, request("GET", "/raw/x", many))
    assert 431 == answer.status


async def test_a_header_over_the_limit_is_refused(proxy: Proxy) -> None:
    answer = await exchange(proxy.address, request("GET", "/raw/x", [("X", "y" * 40_000)]))
    assert 400 <= answer.status < 500


async def test_a_provider_that_is_too_late_is_504(proxy: Proxy) -> None:
    script = ("X-Script", '{"first_delay_ms": 3000}')
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON, script], json.dumps(GOOD).encode())
    )
    assert (504, "upstream_timeout") == (answer.status, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('{"malformed": "garbage_head"}', "upstream_malformed"),
        ('{"malformed": "content_length"}', "upstream_reset"),
        ('{"malformed": "http_framing", "framing": "chunked"}', "upstream_malformed"),
        ('{"reset_after_events": -1}', "upstream_reset"),
        (
            '{"answer": "x", "encoding": "gzip", "headers": [["Content-Encoding", "snappy"]]}',
            "upstream_malformed",
        ),
    ],
)
async def test_garbage_of_the_provider_is_502(proxy: Proxy, script: str, code: str) -> None:
    answer = await exchange(
        proxy.address,
        request("POST", "/v1/chat/completions", [JSON, ("X-Script", script)], json.dumps(GOOD).encode()),
    )
    assert (502, code) == (answer.status, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    "script",
    ['{"malformed": "sse_json", "words": 30}', '{"reset_after_events": 5, "words": 30, "chunk_delay_ms": 3}'],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_stream_that_breaks_ends_with_the_dialects_error_and_no_clean_end(
    proxy: Proxy, script: str, path: str
) -> None:
    body = json.dumps(GOOD | {"stream": True, "max_tokens": 9}).encode()
    answer = await exchange(proxy.address, request("POST", path, [JSON, ("X-Script", script)], body))
    last = answer.body.decode().strip().split("\n\n")[-1]
    assert (200, False, True, False) == (answer.status, answer.whole, '"error"' in last, "[DONE]" in last)


async def test_full_is_503_with_retry_after(start: Start, upstream: ScriptedUpstream) -> None:
    proxy = await start(upstream.url, limits="{exchanges_max: 1}")
    slow = await Wire.open(proxy.address)
    upstream.requests.clear()
    script = ("X-Script", '{"first_delay_ms": 800}')
    await slow.send(request("POST", "/v1/chat/completions", [JSON, script], json.dumps(GOOD).encode()))
    await upstream.until(lambda: len(upstream.requests))
    answer = await exchange(
        proxy.address, request("POST", "/v1/chat/completions", [JSON], json.dumps(GOOD).encode())
    )
    assert (503, "1", 200) == (answer.status, answer.header("Retry-After"), (await slow.answer()).status)
    await slow.close()
