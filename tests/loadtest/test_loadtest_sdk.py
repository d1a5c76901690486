"""The official SDKs find nothing wrong with the scripted server."""

import anthropic
import openai
import pytest

from bylaw_loadtest.upstream import Script, ScriptedUpstream, script_header

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Write to ann@example.org"},
]
CALL = {"name": "send", "arguments": {"to": "ann@example.org", "urgent": True}}


@pytest.fixture
async def up():
    async with ScriptedUpstream() as up:
        yield up


@pytest.fixture
async def gpt(up):
    async with openai.AsyncOpenAI(base_url=f"{up.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(up):
    async with anthropic.AsyncAnthropic(base_url=up.url, api_key="k", max_retries=0) as client:
        yield client


def ask_gpt(gpt, script, **more):
    return gpt.chat.completions.create(
        model="m", messages=MESSAGES, extra_headers=script_header(**script), **more
    )


def ask_claude(claude, script, **more):
    return claude.messages.create(
        model="m", max_tokens=64, messages=MESSAGES[1:], extra_headers=script_header(**script), **more
    )


async def test_openai_reads_a_plain_answer(gpt):
    reply = await ask_gpt(gpt, {"answer": "hello there"})
    assert ("hello there", "stop", "m") == (
        reply.choices[0].message.content,
        reply.choices[0].finish_reason,
        reply.model,
    )
    assert 11 == reply.usage.total_tokens


@pytest.mark.parametrize("line_ending", ["lf", "crlf"])
@pytest.mark.parametrize("encoding", ["none", "gzip", "deflate", "br"])
async def test_openai_reads_a_stream_in_every_coding_and_line_ending(gpt, encoding, line_ending):
    script = {
        "answer": "hello große Welt",
        "chunks": "char",
        "encoding": encoding,
        "line_ending": line_ending,
    }
    stream = await ask_gpt(gpt, script, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "hello große Welt" == "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert ([], 12) == (chunks[-1].choices, chunks[-1].usage.total_tokens)


@pytest.mark.parametrize("interleave", [False, True])
async def test_openai_reads_several_choices(gpt, interleave):
    script = {"answer": ["one two", "drei vier"], "interleave": interleave}
    texts, order = ["", ""], []
    async for chunk in await ask_gpt(gpt, script, n=2, stream=True):
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
        order.append(choice.index)
    assert ["one two", "drei vier"] == texts
    assert ([0, 1] * 4 if interleave else [0] * 4 + [1] * 4) == order


async def test_openai_reads_tool_calls_whole_and_in_fragments(gpt):
    script = {"tool_calls": [CALL, {"name": "stop", "arguments": "{}"}]}
    whole = (await ask_gpt(gpt, script)).choices[0]
    expected = [(call.function.name, call.function.arguments) for call in whole.message.tool_calls]
    got, fragments = [["", ""], ["", ""]], 0
    async for chunk in await ask_gpt(gpt, script, stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            got[call.index][0] += call.function.name or ""
            got[call.index][1] += call.function.arguments or ""
            fragments += 1
    assert "tool_calls" == whole.finish_reason
    assert expected == [tuple(call) for call in got]
    assert fragments > 6


async def test_openai_reads_reasoning(gpt):
    script = {"reasoning": "I think so.", "answer": "Yes."}
    text = ""
    async for chunk in await ask_gpt(gpt, script, stream=True):
        text += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
    assert "I think so." == text
    assert "I think so." == (await ask_gpt(gpt, script)).choices[0].message.reasoning_content


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_openai_raises_the_exception_of_the_status(gpt, status, raised):
    with pytest.raises(raised) as error:
        await ask_gpt(gpt, {"status": status, "answer": "because"})
    assert "because" == error.value.body["message"]


async def test_openai_lists_models_and_embeds(gpt):
    assert ["scripted-1"] == [model.id for model in (await gpt.models.list()).data]
    reply = await gpt.embeddings.create(model="e", input=["a", "b"])
    plain = await gpt.embeddings.create(model="e", input="a", encoding_format="float")
    assert 2 == len(reply.data)
    assert list(reply.data[1].embedding) == plain.data[0].embedding


async def test_the_prompt_comes_back_when_echoed(gpt, claude):
    reply = await ask_gpt(gpt, {"echo_prompt": True})
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    message = await claude.messages.create(
        model="m", max_tokens=9, messages=parts, extra_headers=script_header(echo_prompt=True)
    )
    assert MESSAGES[1]["content"] == reply.choices[0].message.content
    assert "ab" == message.content[0].text


async def test_anthropic_reads_a_plain_answer(claude):
    reply = await ask_claude(claude, {"answer": "hello there"})
    assert ("hello there", "end_turn", "req_scripted") == (
        reply.content[0].text,
        reply.stop_reason,
        reply._request_id,
    )


@pytest.mark.parametrize("chunks", ["word", "char", [1, 5]])
async def test_anthropic_assembles_the_stream_into_the_plain_reply(claude, chunks):
    script = {"reasoning": "Let me see.", "answer": "Größe 😀 ok", "tool_calls": [CALL], "chunks": chunks}
    whole = await ask_claude(claude, script)
    async with claude.messages.stream(
        model="m", max_tokens=64, messages=MESSAGES[1:], extra_headers=script_header(**script)
    ) as stream:
        streamed = await stream.get_final_message()
    assert ["thinking", "text", "tool_use"] == [block.type for block in whole.content]
    assert [block.to_dict() for block in whole.content] == [
        {key: value for key, value in block.to_dict().items() if key != "parsed_output"}
        for block in streamed.content
    ]
    assert ("tool_use", whole.usage.output_tokens) == (streamed.stop_reason, streamed.usage.output_tokens)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, anthropic.BadRequestError),
        (403, anthropic.PermissionDeniedError),
        (429, anthropic.RateLimitError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_anthropic_raises_the_exception_of_the_status(claude, status, raised):
    with pytest.raises(raised) as error:
        await ask_claude(claude, {"status": status, "answer": "because"}, stream=True)
    assert "because" == error.value.body["error"]["message"]


async def test_anthropic_lists_models(claude):
    assert ["scripted-1"] == [model.id async for model in claude.models.list()]


async def test_a_script_that_cannot_be_carried_out_is_a_400(gpt, claude):
    with pytest.raises(openai.BadRequestError, match="unknown script field"):
        await gpt.chat.completions.create(
            model="m", messages=MESSAGES, extra_headers={"X-Script": '{"wrods": 1}'}
        )
    with pytest.raises(anthropic.BadRequestError, match="must be JSON"):
        await ask_claude(claude, {"tool_calls": [{"name": "f", "arguments": "{"}]})


async def test_the_script_of_the_server_applies_where_the_request_has_none(up, gpt):
    up.script = Script.of(answer="from the server")
    reply = await gpt.chat.completions.create(model="m", messages=MESSAGES)
    assert "from the server" == reply.choices[0].message.content


async def test_a_retry_of_the_sdk_is_seen_as_two_requests(up):
    async with openai.AsyncOpenAI(base_url=f"{up.url}/v1", api_key="k", max_retries=1) as client:
        with pytest.raises(openai.InternalServerError):
            await ask_gpt(client, {"status": 503, "headers": [["Retry-After-Ms", "1"]]})
    assert 2 == len(up.requests)
