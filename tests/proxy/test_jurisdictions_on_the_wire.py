"""The same prompt under the EU, China, and both: different, explained, and adding never loosens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from rig import Proxy, Start, bylaw

pytestmark = pytest.mark.asyncio(loop_scope="module")
EMAIL = "ada@example.org"
QUESTION = f"Please write to {EMAIL}."
DEPLOYMENT = "{role: deployer, purpose: [general_assistant]}"
CODES = ("EU", "CN", "EU,CN")
EU_NOTICE = "You are interacting with an AI system"
CN_LABEL = "人工智能"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxies(start: Start, upstream: ScriptedUpstream) -> dict[str, Proxy]:
    return {
        codes: await start(upstream.url, "--jurisdiction", codes, deployment=DEPLOYMENT) for codes in CODES
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(proxies: dict[str, Proxy]) -> AsyncIterator[dict[str, openai.AsyncOpenAI]]:
    made = {c: openai.AsyncOpenAI(base_url=f"{p.url}/v1", api_key="k") for c, p in proxies.items()}
    yield made
    for client in made.values():
        await client.close()


async def ask(client: openai.AsyncOpenAI, stream: bool) -> str:
    call = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
    if not stream:
        return (await client.chat.completions.create(**call)).choices[0].message.content
    chunks = await client.chat.completions.create(
        **call, stream=True, extra_headers=script_header(chunks="char")
    )
    return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])


@pytest.mark.parametrize("stream", [False, True])
async def test_the_eu_gets_its_notice_and_china_its_label_and_both_get_both(
    clients: dict[str, openai.AsyncOpenAI], stream: bool
) -> None:
    answers = {codes: await ask(clients[codes], stream) for codes in CODES}
    marks = {codes: (EU_NOTICE in text, CN_LABEL in text) for codes, text in answers.items()}
    assert {"EU": (True, False), "CN": (False, True), "EU,CN": (True, True)} == marks


@pytest.mark.parametrize("stream", [False, True])
async def test_under_china_an_address_never_leaves_and_comes_back(
    clients: dict[str, openai.AsyncOpenAI], upstream: ScriptedUpstream, stream: bool
) -> None:
    seen = {}
    for codes in CODES:
        answer = await ask(clients[codes], stream)
        seen[codes] = (EMAIL.encode() in upstream.requests[-1].body, EMAIL in answer)
    assert {"EU": (True, True), "CN": (False, True), "EU,CN": (False, True)} == seen


@pytest.mark.parametrize("stream", [False, True])
async def test_an_address_comes_back_inside_tool_arguments(
    clients: dict[str, openai.AsyncOpenAI], stream: bool
) -> None:
    script = script_header(tool_calls=[{"name": "mail", "arguments": {"to": "<EMAIL_1>", "n": 1}}])
    call = {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "extra_headers": script}
    if stream:
        async with clients["CN"].chat.completions.stream(**call) as s:
            reply = await s.get_final_completion()
    else:
        reply = await clients["CN"].chat.completions.create(**call)
    arguments = json.loads(reply.choices[0].message.tool_calls[0].function.arguments)
    assert {"to": EMAIL, "n": 1} == arguments


async def test_the_header_adds_and_never_removes(proxies: dict[str, Proxy]) -> None:
    async with openai.AsyncOpenAI(base_url=f"{proxies['EU'].url}/v1", api_key="k") as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="m",
            messages=[{"role": "user", "content": QUESTION}],
            extra_headers={"Bylaw-Jurisdiction": "CN"},
        )
    text = raw.parse().choices[0].message.content
    assert (True, True) == (EU_NOTICE in text, CN_LABEL in text)
    entry = await proxies["EU"].entry(raw.headers["bylaw-exchange"])
    assert ["CN", "EU"] == entry["jurisdictions"]


async def test_the_notice_is_given_once_a_conversation_and_the_label_each_time(
    clients: dict[str, openai.AsyncOpenAI],
) -> None:
    first = await ask(clients["EU,CN"], stream=False)
    history = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first},
        {"role": "user", "content": "and now?"},
    ]
    reply = await clients["EU,CN"].chat.completions.create(model="m", messages=history)
    text = reply.choices[0].message.content
    assert (False, True) == (EU_NOTICE in text, CN_LABEL in text)


async def test_nothing_is_put_into_a_reply_that_a_machine_reads(
    clients: dict[str, openai.AsyncOpenAI],
) -> None:
    raw = await clients["EU"].chat.completions.with_raw_response.create(
        model="m",
        messages=[{"role": "user", "content": "json please"}],
        response_format={"type": "json_object"},
        extra_headers=script_header(answer='{"a": 1}'),
    )
    assert {"a": 1} == json.loads(raw.parse().choices[0].message.content)
    assert "mode=ai-originated" == raw.headers["ai-disclosure"]


async def test_the_difference_is_explained() -> None:
    status, out, _ = await bylaw("policy", "explain", "--jurisdiction", "EU,CN", "--json")
    causes = json.dumps(json.loads(out))
    assert (0, True, True) == (status, "EU-50-1-INTERACT" in causes, "CN-GENAI-PRIVACY" in causes)
