"""What a reply may depend on, read once from a chat body; hashable, so that replies can be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from bylaw_loadtest.scripted.script import Script
from bylaw_loadtest.scripted.text import generated

_DEFAULT_ANSWER = "This is what the scripted model answers."
INPUT_TOKENS = 9


class BadRequestError(Exception):
    """The caller must act: answered 400 in the dialect of the route."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The caller's part of a chat reply: model, form, and the last user text where the script echoes it."""

    model: str
    stream: bool
    usage_chunk: bool
    choices: int
    prompt: str


def read_ask(body: bytes, script: Script) -> Ask:
    """Read a chat request of either dialect; raises BadRequestError where a real server would."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"The body is not JSON: {error}") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
        raise BadRequestError("'messages' is a required property")
    return Ask(
        model=str(asked.get("model", "scripted-1")),
        stream=asked.get("stream") is True,
        usage_chunk=bool((asked.get("stream_options") or {}).get("include_usage")),
        choices=min(int(asked.get("n") or 1), 16),
        prompt=_last_user_text(asked["messages"]) if script.echo_prompt else "",
    )


def answer_text(script: Script, ask: Ask, choice: int) -> str:
    """The text of one choice."""
    if script.echo_prompt:
        return ask.prompt
    if script.words:
        return generated(script.words, script.seed + choice)
    if script.answer is not None:
        return script.answer[choice % len(script.answer)]
    return "" if script.tool_calls else _DEFAULT_ANSWER


def output_tokens(script: Script, ask: Ask) -> int:
    """A count in the usage block: words of the answers, at least one."""
    return max(1, sum(len(answer_text(script, ask, choice).split()) for choice in range(ask.choices)))


def json_writer(script: Script) -> Callable[[Any], str]:
    """How JSON is written: compact UTF-8, or with every other character than ASCII escaped."""
    if script.ascii:
        return partial(json.dumps, separators=(",", ":"))
    return lambda value: orjson.dumps(value).decode()


def _last_user_text(messages: list[Any]) -> str:
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _content_text(message.get("content"))
    return ""


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
