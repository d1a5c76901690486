"""Anthropic messages: every text found, with its role; everything else named as unread."""

from __future__ import annotations

import json

import pytest

from bylaw.wire.codec import CODECS
from bylaw.wire.errors import WireError
from bylaw.wire.splice import splice

CODEC = CODECS["anthropic"]


def prompt(*content, role="user", **more):
    return CODEC.prompt(
        {"model": "claude", "max_tokens": 9, "messages": [{"role": role, "content": list(content)}], **more}
    )


def rows(*content, role="user"):
    return [(s.text, s.role, s.channel, s.trusted) for s in prompt(*content, role=role).segments]


def test_plain_messages_and_system():
    read = CODEC.prompt({"messages": [{"role": "user", "content": "hi"}], "system": "rules"})
    assert [("hi", "user", ("messages", 0, "content")), ("rules", "system", ("system",))] == [
        (s.text, s.role, s.path) for s in read.segments
    ]
    blocks = CODEC.prompt(
        {"messages": [], "system": [{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]}
    )
    assert [("r", "system", "text", ("system", 0, "text"))] == [
        (s.text, s.role, s.channel, s.path) for s in blocks.segments
    ]


def test_thinking_is_reasoning_and_its_signature_is_no_text():
    assert [("hm", "assistant", "reasoning", True)] == rows(
        {"type": "thinking", "thinking": "hm", "signature": "EqQB+/="}, role="assistant"
    )


def test_a_signature_that_is_text_is_read():
    assert ("call me", "assistant", "other", True) in rows(
        {"type": "thinking", "thinking": "hm", "signature": "call me"}, role="assistant"
    )


def test_tool_use_is_read_with_its_keys():
    block = {"type": "tool_use", "id": "toolu_1", "name": "send", "input": {"to": ["a@b.c"]}}
    assert [
        ("send", "assistant", "other", True),
        ("to", "assistant", "tool_arguments", True),
        ("a@b.c", "assistant", "tool_arguments", True),
    ] == rows(block, role="assistant")


@pytest.mark.parametrize("content", ["r", [{"type": "text", "text": "r"}]])
@pytest.mark.parametrize("kind", ["tool_result", "mcp_tool_result", "web_search_tool_result"])
def test_tool_results_are_not_trusted(kind, content):
    assert [("r", "tool", "text", False)] == rows({"type": kind, "tool_use_id": "t", "content": content})


def test_documents_are_not_trusted_and_read_where_they_are_text():
    inline = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
        "title": "the title",
        "context": "the context",
    }
    nested = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "n"}]}}
    assert [
        ("d", "user", "text", False),
        ("the title", "user", "other", False),
        ("the context", "user", "other", False),
        ("n", "user", "text", False),
    ] == rows(inline, nested)
    search = {
        "type": "search_result",
        "source": "https://x",
        "title": "t t",
        "content": [{"type": "text", "text": "s"}],
    }
    assert [("https://x", False), ("t t", False), ("s", False)] == [
        (text, trusted) for text, _, _, trusted in rows(search)
    ]


def test_other_modalities_are_unread():
    read = prompt(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/i"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        {"type": "redacted_thinking", "data": "Ab+="},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "t",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "a title",
                    "url": "https://u",
                    "encrypted_content": "Ab==",
                }
            ],
        },
        {"type": "container_upload", "file_id": "file_2"},
    )
    assert [
        ("image", "modality"),
        ("image", "modality"),
        ("image", "held_upstream"),
        ("file", "modality"),
        ("history", "encrypted"),
        ("history", "encrypted"),
        ("file", "held_upstream"),
    ] == [(one.kind, one.reason) for one in read.unread]
    assert ["https://x/i", "a title", "https://u"] == [s.text for s in read.segments]


def test_places_outside_the_conversation():
    read = prompt(
        tools=[{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        metadata={"user_id": "u@x"},
        stop_sequences=["s s"],
        unheard_of={"x": "y"},
    )
    assert [
        ("f", "tool_schema"),
        ("d", "tool_schema"),
        ("user_id", "other"),
        ("u@x", "other"),
        ("s s", "other"),
        ("y", "other"),
    ] == [(s.text, s.channel) for s in read.segments]


@pytest.mark.parametrize(
    ("more", "json_reply"),
    [
        ({}, False),
        ({"output_config": {"effort": "low"}}, False),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, True),
        ({"output_format": {"type": "json_schema"}}, True),
        ({"tool_choice": {"type": "auto"}}, False),
        ({"tool_choice": {"type": "tool", "name": "f"}}, True),
        ({"tool_choice": {"type": "any"}}, True),
    ],
)
def test_whether_prose_may_be_added(more, json_reply):
    assert json_reply == prompt(**more).json_reply


def test_every_segment_can_be_edited_where_it_is():
    body = {
        "model": "m",
        "system": [{"type": "text", "text": "a"}],
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "name": "n", "input": {"k": ["x"]}},
                    {"type": "tool_result", "content": "r"},
                ],
            }
        ],
    }
    read = CODEC.prompt(body)
    out = json.loads(
        splice(json.dumps(body).encode(), {s.path: f"<{i}>" for i, s in enumerate(read.segments)})
    )
    assert [f"<{i}>" for i in range(len(read.segments))] == [s.text for s in CODEC.prompt(out).segments]


@pytest.mark.parametrize("body", [None, [], {}, {"messages": "x"}, {"messages": [1]}])
def test_what_is_not_a_request_is_refused(body):
    with pytest.raises(WireError) as caught:
        CODEC.prompt(body)
    assert "invalid_request" == caught.value.code


REPLY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"output_tokens": 1, "service_tier": "standard"},
    "content": [
        {
            "type": "text",
            "text": "hi",
            "citations": [{"type": "char_location", "cited_text": "quoted", "document_index": 0}],
        },
        {"type": "tool_use", "id": "t", "name": "f", "input": {"q": "z"}},
    ],
}


def test_a_whole_reply_and_its_calls():
    read = CODEC.reply(REPLY, 200)
    assert [
        ("hi", "text"),
        ("quoted", "other"),
        ("f", "other"),
        ("q", "tool_arguments"),
        ("z", "tool_arguments"),
    ] == [(s.text, s.channel) for s in read.segments]
    ((call, path),) = CODEC.calls(REPLY)
    assert ("f", {"q": "z"}, ("content", 1, "input")) == (call.name, call.arguments, path)
    assert {(*path, *s.path) for s in call.segments} <= {s.path for s in read.segments}


def test_counted_tokens_are_a_reply_without_text():
    assert () == CODEC.reply({"input_tokens": 5}, 200).segments


def test_declared_tools_by_name():
    assert {"f": {"type": "object"}} == CODEC.tools(
        {"tools": [{"name": "f", "input_schema": {"type": "object"}}, {"type": "web_search"}]}
    )
