"""The official `anthropic` SDK through Bylaw, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "AKIAIOSFODNN7EXAMPLE"
ASK = [{"role": "user", "content": "say something"}]
PLAIN = "{default: [ZZ]}"
BLOCKING = """
policy: blocking
steps:
  - guard: patterns
    options: {rules: [{name: no_zebra, expression: zebra, action: block}]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    return await start(upstream.url, jurisdictions=PLAIN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(proxy: Proxy) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=proxy.url, api_key="sk-test", max_retries=2) as sdk:
        yield sdk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blocked(start: Start, upstream: ScriptedUpstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    proxy = await start(upstream.url, "--profile", start.file("zebra.yaml", BLOCKING), jurisdictions=PLAIN)
    async with anthropic.AsyncAnthropic(base_url=proxy.url, api_key="sk-test", max_retries=3) as sdk:
        yield sdk


async def test_a_plain_answer_arrives_as_it_left(client: anthropic.AsyncAnthropic) -> None:
    reply = await client.messages.create(
        model="m", max_tokens=64, messages=ASK, extra_headers=script_header(answer="Good morning.")
    )
    assert ("Good morning.", "end_turn") == (reply.content[0].text, reply.stop_reason)


async def test_a_stream_arrives_whole(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(
        model="m",
        max_tokens=64,
        messages=ASK,
        extra_headers=script_header(answer="one two three", chunks="char"),
    ) as stream:
        text = "".join([piece async for piece in stream.text_stream])
    assert "one two three" == text


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_arrive_with_their_arguments(client: anthropic.AsyncAnthropic, stream: bool) -> None:
    script = script_header(tool_calls=[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}])
    tool = {"name": "weather", "description": "w", "input_schema": {"type": "object"}}
    call = {"model": "m", "max_tokens": 64, "messages": ASK, "tools": [tool], "extra_headers": script}
    if stream:
        async with client.messages.stream(**call) as s:
            reply = await s.get_final_message()
    else:
        reply = await client.messages.create(**call)
    block = next(block for block in reply.content if block.type == "tool_use")
    assert ("weather", {"city": "Oslo", "days": 3}) == (block.name, block.input)


async def test_thinking_passes_untouched(client: anthropic.AsyncAnthropic) -> None:
    script = script_header(answer="done", reasoning="let me think")
    async with client.messages.stream(model="m", max_tokens=64, messages=ASK, extra_headers=script) as s:
        reply = await s.get_final_message()
    assert ["let me think"] == [block.thinking for block in reply.content if block.type == "thinking"]


@pytest.mark.parametrize("chunks", ["char", "word", [3, 7, 1]])
async def test_a_secret_of_the_model_never_reaches_the_client(
    client: anthropic.AsyncAnthropic, chunks: object
) -> None:
    script = script_header(answer=f"use {KEY} now", chunks=chunks)
    async with client.messages.stream(model="m", max_tokens=64, messages=ASK, extra_headers=script) as stream:
        text = "".join([piece async for piece in stream.text_stream])
    assert "use [REDACTED:aws_access_key] now" == text


async def test_the_providers_error_is_typed_as_the_sdk_types_it(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(
            model="m", max_tokens=9, messages=ASK, extra_headers=script_header(status=404)
        )


async def test_a_stream_that_the_provider_breaks_off_raises(client: anthropic.AsyncAnthropic) -> None:
    script = script_header(words=200, chunk_delay_ms=2, reset_after_events=20)
    with pytest.raises(anthropic.APIError):
        async with client.messages.stream(
            model="m", max_tokens=64, messages=ASK, extra_headers=script
        ) as stream:
            async for _ in stream.text_stream:
                pass


@pytest.mark.parametrize("stream", [False, True])
async def test_a_block_is_a_typed_4xx_without_a_retry(
    blocked: anthropic.AsyncAnthropic, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.requests.clear()
    with pytest.raises(anthropic.BadRequestError) as error:
        await blocked.messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "zebra"}], stream=stream
        )
    assert "zebra" not in str(error.value)
    assert [] == list(upstream.requests)


async def test_a_block_in_mid_stream_ends_with_refusal(blocked: anthropic.AsyncAnthropic) -> None:
    script = script_header(answer="one two zebra four", chunks="word", chunk_delay_ms=5)
    async with blocked.messages.stream(
        model="m", max_tokens=64, messages=ASK, extra_headers=script
    ) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert ("one two", "refusal") == (text, final.stop_reason)
