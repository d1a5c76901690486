"""Exchanges, prompts, replies and tool calls, made from as little as a text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bylaw.content import Path, Prompt, Reply, Segment, ToolCall
from bylaw.exchange import Exchange


def make_exchange(**facts: Any) -> Exchange:
    """An exchange; `facts` are the fields of `Exchange` (`headers`, `session`, `jurisdictions`, ...)."""
    return Exchange(
        **{"id": "test-exchange", "path": "/v1/chat/completions", "dialect": "openai_chat", **facts}
    )


def make_prompt(
    text: str = "", *, messages: Sequence[Mapping[str, str]] = (), model: str = "test-model", **facts: Any
) -> Prompt:
    """A chat request.

    Args:
        text: what the user says, if there is nothing else.
        messages: `{"role": ..., "content": ...}`, instead of `text`.
        model: the model that is asked for.
        facts: further fields of `Prompt`; `body` is added to the body.
    """
    messages = messages or [{"role": "user", "content": text}]
    segments = tuple(
        Segment(
            message["content"],
            message["role"],
            "text",
            ("messages", index, "content"),
            message["role"] != "tool",
        )
        for index, message in enumerate(messages)
    )
    body = {"model": model, "messages": list(messages), **facts.pop("body", {})}
    return Prompt(segments, model=model, body=body, **facts)


def make_reply(text: str = "", *, texts: Sequence[str] = (), **facts: Any) -> Reply:
    """A whole reply of the assistant.

    Args:
        text: the answer.
        texts: several answers, instead of `text`.
        facts: further fields of `Reply`.
    """
    segments = tuple(
        Segment(answer, "assistant", "text", ("choices", index, "message", "content"))
        for index, answer in enumerate(texts or [text])
    )
    return Reply(segments, **facts)


def make_tool_call(name: str, arguments: Any, **facts: Any) -> ToolCall:
    """A tool call; every string in `arguments`, keys included, becomes a segment."""
    segments = tuple(
        Segment(text, "assistant", "tool_arguments", path) for text, path in _strings(arguments, ())
    )
    return ToolCall(name, json.loads(json.dumps(arguments)), segments, **facts)


def _strings(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key, (*path, key, "@key")
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))
