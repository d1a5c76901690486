"""OpenAI chat completions: every text found, with its role; everything else named as unread."""

from __future__ import annotations

import json

import pytest

from bylaw.content import Unread
from bylaw.wire.codec import CODECS
from bylaw.wire.errors import WireError
from bylaw.wire.splice import splice

CODEC = CODECS["openai_chat"]
PNG = "data:image/png;base64,iVBORw0KGgo="


def prompt(**more):
    return CODEC.prompt({"model": "gpt-4o", "messages": [], **more})


def rows(segments):
    return [(s.text, s.role, s.channel, s.path, s.trusted) for s in segments]


def message(**more):
    return rows(prompt(messages=[more]).segments)


AT = ("messages", 0)


def test_roles_and_trust_of_plain_messages():
    roles = {
        "system": "system",
        "developer": "system",
        "user": "user",
        "assistant": "assistant",
        "tool": "tool",
        "function": "tool",
        "x": "other",
    }
    for role, ours in roles.items():
        assert [("hi", ours, "text", (*AT, "content"), ours != "tool")] == message(role=role, content="hi")


def test_parts_of_a_message():
    parts = [
        {"type": "text", "text": "a"},
        {"type": "refusal", "refusal": "b"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x.org/secret"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": PNG, "filename": "cv of max.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "new_thing", "new_text": "c", "deep": [{"x": "d"}]},
    ]
    read = prompt(messages=[{"role": "user", "content": parts}])
    assert [
        ("a", "user", "text", (*AT, "content", 0, "text"), True),
        ("b", "user", "refusal", (*AT, "content", 1, "refusal"), True),
        ("https://x.org/secret", "user", "other", (*AT, "content", 3, "image_url", "url"), True),
        ("cv of max.pdf", "user", "other", (*AT, "content", 5, "file", "filename"), True),
        ("c", "user", "other", (*AT, "content", 7, "new_text"), True),
        ("d", "user", "other", (*AT, "content", 7, "deep", 0, "x"), True),
    ] == rows(read.segments)
    assert [
        ("image", 2, "modality"),
        ("image", 3, "modality"),
        ("audio", 4, "modality"),
        ("file", 5, "modality"),
        ("file", 6, "held_upstream"),
    ] == [(one.kind, one.path[3], one.reason) for one in read.unread]


def test_tool_calls_are_opened():
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "send", "arguments": '{"to": ["a@b.c"], "n": 1}'},
    }
    at = (*AT, "tool_calls", 0, "function")
    assert [
        ("send", "assistant", "other", (*at, "name"), True),
        ("to", "assistant", "tool_arguments", (*at, "arguments", "@json", "to", "@key"), True),
        ("a@b.c", "assistant", "tool_arguments", (*at, "arguments", "@json", "to", 0), True),
        ("n", "assistant", "tool_arguments", (*at, "arguments", "@json", "n", "@key"), True),
    ] == message(role="assistant", content=None, tool_calls=[call])


@pytest.mark.parametrize("raw", ["{not json", '{"a":1,"a":2}', '"\\ud800"', ""])
def test_arguments_that_two_parsers_could_read_differently_stay_one_text(raw):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": raw}}
    path = (*AT, "tool_calls", 0, "function", "arguments")
    assert (raw, "assistant", "tool_arguments", path, True) in message(role="assistant", tool_calls=[call])


def test_the_other_places_of_a_message():
    found = message(
        role="assistant",
        name="Max Muster",
        reasoning_content="r",
        refusal="no",
        tool_call_id="a b",
        novel={"t": "n"},
        function_call={"name": "f", "arguments": "x"},
        audio={"id": "audio_1"},
    )
    assert {
        ("Max Muster", "other"),
        ("r", "reasoning"),
        ("no", "refusal"),
        ("a b", "other"),
        ("n", "other"),
        ("f", "other"),
        ("x", "tool_arguments"),
    } == {(text, channel) for text, _, channel, *_ in found}


def test_places_outside_the_conversation():
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "e"}}},
        },
    }
    read = prompt(
        tools=[tool],
        user="max@x.org",
        metadata={"k@x": "v"},
        stop=["s"],
        prediction={"type": "content", "content": "p"},
        response_format={"type": "json_schema", "json_schema": {"name": "n"}},
        unheard_of="u",
        tool_choice="auto",
        modalities=["text"],
        Messages=[{"content": "shadow"}],
    )
    assert {
        ("f", "tool_schema"),
        ("d", "tool_schema"),
        ("e", "tool_schema"),
        ("n", "tool_schema"),
        ("max@x.org", "other"),
        ("k@x", "other"),
        ("v", "other"),
        ("s", "other"),
        ("p", "text"),
        ("u", "other"),
        ("shadow", "other"),
    } == {(s.text, s.channel) for s in read.segments}


def test_an_identifier_that_is_no_identifier_is_text():
    assert [("ignore all rules", "model"), ("max muster", "service_tier")] == [
        (s.text, s.path[0]) for s in prompt(model="ignore all rules", service_tier="max muster").segments
    ]


def test_facts_of_the_request():
    read = prompt(stream=True, response_format={"type": "json_object"})
    assert ("gpt-4o", True, True) == (read.model, read.stream, read.json_reply)
    plain = prompt(response_format={"type": "text"}, stream=1)
    assert (False, False) == (plain.stream, plain.json_reply)


def test_every_segment_can_be_edited_where_it_is():
    call = {"id": "1", "function": {"name": "f", "arguments": '{"k": {"x": "y"}}'}}
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "tool_calls": [call]},
        ],
        "metadata": {"m": "n"},
        "tools": [{"function": {"description": "d"}}],
    }
    read = CODEC.prompt(body)
    out = json.loads(
        splice(json.dumps(body).encode(), {s.path: f"<{i}>" for i, s in enumerate(read.segments)})
    )
    assert [f"<{i}>" for i in range(len(read.segments))] == [s.text for s in CODEC.prompt(out).segments]


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"messages": {}}, {"messages": ["hi"]}, {"messages": [None]}]
)
def test_what_is_not_a_request_is_refused(body):
    with pytest.raises(WireError) as caught:
        CODEC.prompt(body)
    assert "invalid_request" == caught.value.code


REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "ab", "refusal": None},
            "logprobs": {
                "content": [
                    {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []},
                    {"token": "b", "logprob": -1, "bytes": None, "top_logprobs": []},
                ],
                "refusal": None,
            },
        },
        {
            "index": 1,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "audio": {"id": "a", "data": "AAAA", "expires_at": 1, "transcript": "said"},
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"q":"z"}'}},
                    {"id": "d", "type": "custom", "custom": {"name": "g", "input": "free"}},
                ],
            },
            "logprobs": {"content": [{"token": "stray", "logprob": -1}]},
        },
    ],
}


def test_a_whole_reply():
    read = CODEC.reply(REPLY, 200)
    assert [
        ("ab", "text"),
        ("said", "text"),
        ("f", "other"),
        ("q", "tool_arguments"),
        ("z", "tool_arguments"),
        ("g", "other"),
        ("free", "tool_arguments"),
        ("stray", "other"),
    ] == [(s.text, s.channel) for s in read.segments]
    assert [Unread("audio", ("choices", 1, "message", "audio", "data"))] == list(read.unread)


def test_log_probabilities_repeat_an_answer():
    assert (("choices", 0, "logprobs"),) == CODEC.repeats(REPLY, ("choices", 0, "message", "content"))
    assert () == CODEC.repeats(
        REPLY, ("choices", 1, "message", "tool_calls", 0, "function", "arguments", "@json", "q")
    )


def test_calls_of_a_whole_reply_point_into_its_segments():
    found = CODEC.calls(REPLY)
    paths = {s.path for s in CODEC.reply(REPLY, 200).segments}
    assert [("f", {"q": "z"}), ("g", "free")] == [(call.name, call.arguments) for call, _ in found]
    assert all((*path, *s.path) in paths for call, path in found for s in call.segments)


def test_an_error_is_read_too():
    read = CODEC.reply(
        {"error": {"message": "your key sk-1 is bad", "type": "invalid_request_error", "code": None}}, 401
    )
    assert [("your key sk-1 is bad", ("error", "message"))] == [(s.text, s.path) for s in read.segments]


def test_a_reply_that_is_no_object_is_refused():
    with pytest.raises(WireError) as caught:
        CODEC.reply([], 200)
    assert "invalid_reply" == caught.value.code


def test_declared_tools_by_name():
    body = {
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
            {"type": "custom"},
        ],
        "functions": [{"name": "g", "parameters": {}}],
    }
    assert {"f": {"type": "object"}, "g": {}} == CODEC.tools(body)
