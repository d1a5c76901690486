"""The official `openai` SDK through Bylaw, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from rig import Proxy, Start

KEY = "AKIAIOSFODNN7EXAMPLE"
ASK = [{"role": "user", "content": "say something"}]


pytestmark = pytest.mark.asyncio(loop_scope="module")
PLAIN = "{default: [ZZ]}"  # no pack covers it, so no notice is added
BLOCKING = """
policy: blocking
steps:
  - guard: patterns
    options: {rules: [{name: no_zebra, expression: zebra, action: block}]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(upstream.url, "--profile", "default", jurisdictions=PLAIN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blocking(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(upstream.url, "--profile", start.file("zebra.yaml", BLOCKING), jurisdictions=PLAIN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(proxy: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{proxy.url}/v1", api_key="sk-test-of-the-provider", max_retries=2
    ) as sdk:
        yield sdk


async def test_a_plain_answer_arrives_as_it_left(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model="m", messages=ASK, extra_headers=script_header(answer="Good morning.")
    )
    assert ("Good morning.", "stop") == (reply.choices[0].message.content, reply.choices[0].finish_reason)


async def test_a_stream_arrives_whole(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m",
        messages=ASK,
        stream=True,
        extra_headers=script_header(answer="one two three", chunks="char"),
    )
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert "one two three" == text


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_arrive_with_their_arguments(client: openai.AsyncOpenAI, stream: bool) -> None:
    script = script_header(tool_calls=[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}])
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    if stream:
        async with client.chat.completions.stream(
            model="m", messages=ASK, tools=[tool], extra_headers=script
        ) as s:
            reply = await s.get_final_completion()
    else:
        reply = await client.chat.completions.create(
            model="m", messages=ASK, tools=[tool], extra_headers=script
        )
    call = reply.choices[0].message.tool_calls[0]
    assert ("weather", {"city": "Oslo", "days": 3}) == (
        call.function.name,
        json.loads(call.function.arguments),
    )


async def test_a_secret_never_reaches_the_provider(
    client: openai.AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": f"my key is {KEY}"}]
    )
    assert KEY.encode() not in upstream.requests[-1].body
    assert b"my key is [REDACTED:" in upstream.requests[-1].body


@pytest.mark.parametrize("chunks", ["char", "word", [3, 7, 1]])
async def test_a_secret_of_the_model_never_reaches_the_client(
    client: openai.AsyncOpenAI, chunks: object
) -> None:
    stream = await client.chat.completions.create(
        model="m",
        messages=ASK,
        stream=True,
        extra_headers=script_header(answer=f"use {KEY} now", chunks=chunks),
    )
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert ("use [REDACTED:", "] now") == (text[:14], text[-5:])


async def test_the_providers_error_is_typed_as_the_sdk_types_it(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="m", messages=ASK, extra_headers=script_header(status=404))


async def test_a_dead_provider_is_a_typed_error(start: Start) -> None:
    proxy = await start("http://127.0.0.1:1")
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0) as sdk:
        with pytest.raises(openai.InternalServerError) as error:
            await sdk.chat.completions.create(model="m", messages=ASK)
    assert (502, "upstream_unreachable") == (error.value.status_code, error.value.code)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_block_is_a_typed_4xx_without_a_retry(
    blocking: Proxy, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.requests.clear()
    before = len(await blocking.entries())
    async with openai.AsyncOpenAI(base_url=f"{blocking.url}/v1", api_key="k", max_retries=3) as sdk:
        with pytest.raises(openai.BadRequestError) as error:
            await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "the word zebra"}], stream=stream
            )
    assert "zebra" not in str(error.value)
    assert [] == list(upstream.requests)
    assert before + 1 == len(await blocking.entries())


async def test_a_block_in_mid_stream_ends_with_content_filter(blocking: Proxy) -> None:
    async with openai.AsyncOpenAI(base_url=f"{blocking.url}/v1", api_key="k", max_retries=3) as sdk:
        stream = await sdk.chat.completions.create(
            model="m", messages=ASK, stream=True,
            extra_headers=script_header(answer="one two zebra four", chunks="word", chunk_delay_ms=5),
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    ends = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert ("one two", ["content_filter"]) == (text, ends)
