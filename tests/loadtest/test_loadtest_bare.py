"""The bare pass-through passes bytes as they are: a baseline that did less or more would bend every ratio."""

import asyncio
import hashlib
import json

import aiohttp
import openai
import pytest

from bylaw_loadtest.bare import BarePassThrough
from bylaw_loadtest.upstream import ScriptedUpstream, pattern, script_header


@pytest.fixture
async def up():
    async with ScriptedUpstream() as up:
        yield up


@pytest.fixture
async def proxy(up):
    async with BarePassThrough(up.url) as proxy:
        yield proxy


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_an_sdk_stream_passes(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="k") as client:
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "q"}],
            stream=True,
            extra_headers=script_header(answer="a b"),
        )
        assert "a b" == "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def test_head_and_body_arrive_as_sent(up, proxy, session):
    async with session.post(f"{proxy.url}/echo/a%2Fb?q=%20", data=b"abc", headers={"X-A": "1"}) as reply:
        assert 200 == reply.status
    request = up.requests[0]
    assert (b"/echo/a%2Fb?q=%20", b"abc", b"1") == (request.target, request.body, request.header(b"x-a"))


async def test_a_coded_reply_is_not_touched(up, proxy, session):
    headers = script_header(encoding="gzip", words=50)
    body = json.dumps({"messages": []})
    bodies = []
    for base in (up.url, proxy.url):
        async with session.post(f"{base}/v1/chat/completions", data=body, headers=headers) as reply:
            bodies.append((reply.headers["Content-Encoding"], await reply.read()))
    assert bodies[0] == bodies[1]


async def test_large_bodies_stream_both_ways(proxy, session):
    whole = b"".join(pattern(3_000_000))
    async with session.post(f"{proxy.url}/upload", data=whole) as reply:
        assert hashlib.sha256(whole).hexdigest() == (await reply.json())["sha256"]
    async with session.get(f"{proxy.url}/download?bytes=3000000") as reply:
        assert whole == await reply.read()


async def test_a_client_that_leaves_cancels_upstream(up, proxy, session):
    headers = script_header(words=200, chunk_delay_ms=20)
    body = json.dumps({"messages": [], "stream": True})
    async with session.post(f"{proxy.url}/v1/chat/completions", data=body, headers=headers) as reply:
        await reply.content.readany()
    reply.close()
    await up.until(lambda: up.requests[0].disconnected_s)


async def test_a_dead_upstream_is_a_502(session):
    async with ScriptedUpstream() as up:
        url = up.url
    async with BarePassThrough(url) as proxy, session.get(f"{proxy.url}/echo") as reply:
        assert 502 == reply.status
    await asyncio.sleep(0)
