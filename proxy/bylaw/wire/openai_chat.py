"""OpenAI chat completions: requests, whole replies, errors.

Law of this module: every string of a body is a segment or unread, save the identifiers in `_STRUCTURAL`.
The shapes are those of the `openai` package (`types/chat`); providers that speak the same dialect add fields
(`reasoning`, `reasoning_content`), and unknown ones are read as `other`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bylaw.content import Json, Path, Prompt, Reply, ToolCall
from bylaw.wire.calls import parsed_call, tool_call
from bylaw.wire.errors import WireError, block_status
from bylaw.wire.openai_chat_stream import OpenAIChatStream, repeated
from bylaw.wire.splice import step
from bylaw.wire.walk import UNPARSED, Walk, is_token, parsed_arguments

_STRUCTURAL = frozenset(
    {
        "id", "object", "model", "type", "role", "tool_call_id", "finish_reason", "native_finish_reason",
        "system_fingerprint", "service_tier", "reasoning_effort", "verbosity", "tool_choice", "function_call",
        "modalities", "voice", "format", "detail", "mode", "ttl", "severity", "code", "param", "provider",
        "prompt_cache_retention", "search_context_size",
    }
)  # fmt: skip
_SCHEMA = frozenset({"type"})
_ROLES = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
    "tool": "tool", "function": "tool",
}  # fmt: skip
_TEXTS = {"refusal": "refusal", "reasoning_content": "reasoning", "reasoning": "reasoning"}
_JSON_FORMATS = frozenset({"json_object", "json_schema"})
_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
}  # fmt: skip


class OpenAIChat:
    """`POST .../chat/completions`."""

    name = "openai_chat"
    operations: tuple[tuple[str, str], ...] = (("POST", "/chat/completions"),)

    def prompt(self, body: Json) -> Prompt:
        """Every text of a request; see `Codec`."""
        if type(body) is not dict or type(body.get("messages")) is not list:
            raise WireError("invalid_request", "the body is not a chat completion request")
        walk = Walk()
        for key, value in body.items():
            if key == "messages":
                _messages(walk, value)
            elif type(value) is str:
                if not (key in _STRUCTURAL and is_token(value)):
                    walk.text(value, (step(key),), "other", "other")
            elif type(value) is dict or type(value) is list:
                _field(walk, key, value)
        model = body.get("model")
        return Prompt(
            tuple(walk.segments),
            tuple(walk.unread),
            model if type(model) is str else "",
            body.get("stream") is True,
            _json_reply(body),
            body,
        )

    def reply(self, body: Json, status: int) -> Reply:
        """Every text of a whole reply; see `Codec`."""
        if type(body) is not dict:
            raise WireError("invalid_reply", "the reply is not an object")
        walk = Walk()
        for key, value in body.items():
            if key == "choices" and type(value) is list:
                for index, choice in enumerate(value):
                    _choice(walk, choice, ("choices", index))
            else:
                walk.member(key, value, (), structural=_STRUCTURAL)
        return Reply(tuple(walk.segments), tuple(walk.unread), status, body)

    def calls(self, body: Json) -> list[tuple[ToolCall, Path]]:
        """Tool calls of a whole reply; see `Codec`."""
        found: list[tuple[ToolCall, Path]] = []
        for index, choice in enumerate(_list(body, "choices")):
            message = choice.get("message") if type(choice) is dict else None
            if type(message) is dict:
                _calls(found, message, ("choices", index, "message"), f"choices.{index}")
        return found

    def tools(self, body: Json) -> dict[str, Mapping[str, Any]]:
        """Declared parameters by tool name; see `Codec`."""
        named = [one.get("function") for one in _list(body, "tools") if type(one) is dict]
        schemas = {}
        for one in [*named, *_list(body, "functions")]:
            if type(one) is dict and type(one.get("name")) is str and type(one.get("parameters")) is dict:
                schemas[one["name"]] = one["parameters"]
        return schemas

    def repeats(self, body: Json, path: Path) -> tuple[Path, ...]:
        """Log probabilities repeat the answer token by token."""
        if len(path) != 4 or path[0] != "choices" or path[2] != "message":
            return ()
        choice = _list(body, "choices")[path[1]]  # type: ignore[index]
        return (("choices", path[1], "logprobs"),) if choice.get("logprobs") is not None else ()

    def stream(self) -> OpenAIChatStream:
        """A reader for one stream."""
        return OpenAIChatStream()

    def block_reply(self, status: int, code: str, message: str, exchange: str) -> tuple[int, bytes]:
        """A block before the first byte; see `Codec`."""
        status = block_status(status)
        return status, self.error_body(status, code, message, exchange)

    def error_body(self, status: int, code: str, message: str, exchange: str) -> bytes:
        """`{"error": {...}}` as the API writes it; see `Codec`."""
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        error = {"message": message, "type": kind, "param": None, "code": code}
        return json.dumps({"error": error, "request_id": exchange}).encode()


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if type(value) is dict else None
    return found if type(found) is list else []


def _json_reply(body: Mapping[str, Any]) -> bool:
    wanted = body.get("response_format")
    return type(wanted) is dict and wanted.get("type") in _JSON_FORMATS


def _field(walk: Walk, key: str, value: Json) -> None:
    """A member of the request beside `messages`."""
    path: Path = (step(key),)
    if key in {"tools", "functions", "response_format"}:
        walk.leaves(value, path, "other", "tool_schema", structural=_SCHEMA)
    elif key == "prediction" and type(value) is dict:
        _message(walk, value, path, "assistant")
    elif key == "metadata":
        walk.leaves(value, path, keys=True)
    elif key == "modalities" and type(value) is list:
        for index, one in enumerate(value):
            if type(one) is not str or not is_token(one):
                walk.leaves(one, (*path, index))
    else:
        walk.leaves(value, path, structural=_STRUCTURAL)


def _messages(walk: Walk, messages: Json) -> None:
    assert type(messages) is list
    for index, message in enumerate(messages):
        if type(message) is not dict:
            raise WireError("invalid_request", "a message is not an object")
        role = message.get("role")
        _message(
            walk, message, ("messages", index), _ROLES.get(role, "other") if type(role) is str else "other"
        )


def _message(walk: Walk, message: dict[str, Json], path: Path, role: str) -> None:
    trusted = role != "tool"
    for key, value in message.items():
        if value is None:
            continue
        at = (*path, step(key))
        if key == "content":
            _content(walk, value, at, role, trusted)
        elif key == "tool_calls" and type(value) is list:
            for index, call in enumerate(value):
                _tool_call(walk, call, (*at, index), role)
        elif key == "function_call" and type(value) is dict:
            _function(walk, value, at, role)
        elif key == "audio" and type(value) is dict:
            _audio(walk, value, at, role)
        elif key in _TEXTS and type(value) is str:
            walk.text(value, at, role, _TEXTS[key], trusted)
        else:
            walk.member(key, value, path, role, "other", trusted=trusted, structural=_STRUCTURAL)


def _content(walk: Walk, content: Json, path: Path, role: str, trusted: bool) -> None:
    if type(content) is str:
        walk.text(content, path, role, "text", trusted)
    elif type(content) is list:
        for index, part in enumerate(content):
            if type(part) is dict:
                _part(walk, part, (*path, index), role, trusted)
            else:
                walk.leaves(part, (*path, index), role, "text", trusted)
    else:
        walk.leaves(content, path, role, "text", trusted)


def _part(walk: Walk, part: dict[str, Json], path: Path, role: str, trusted: bool) -> None:
    for key, value in part.items():
        at = (*path, step(key))
        if key in {"text", "refusal"} and type(value) is str:
            walk.text(value, at, role, key, trusted)
        elif key == "image_url" and type(value) is str:
            walk.link(value, at, "image", role, trusted)
        elif key in _MEDIA and type(value) is dict:
            _media(walk, key, value, at, role=role, trusted=trusted)
        else:
            walk.member(key, value, path, role, "other", trusted=trusted, structural=_STRUCTURAL)


_MEDIA = {"image_url": ("image", "url"), "input_audio": ("audio", "data"), "file": ("file", "file_data")}


def _media(walk: Walk, key: str, media: dict[str, Json], path: Path, *, role: str, trusted: bool) -> None:
    kind, payload = _MEDIA[key]
    for field, value in media.items():
        at = (*path, step(field))
        if field == "url" and kind == "image":
            walk.link(value, at, kind, role, trusted)
        elif field == payload:
            walk.skip(kind, at)
        elif field == "file_id":
            walk.skip(kind, at, "held_upstream")
        else:
            walk.member(field, value, path, role, "other", trusted=trusted, structural=_STRUCTURAL)


def _audio(walk: Walk, audio: dict[str, Json], path: Path, role: str) -> None:
    """Audio of an answer, or an earlier one by its id."""
    if set(audio) == {"id"}:
        walk.skip("audio", (*path, "id"), "held_upstream")
    for field, value in audio.items():
        at = (*path, step(field))
        if field == "data":
            walk.skip("audio", at)
        elif field == "transcript" and type(value) is str:
            walk.text(value, at, role, "text")
        else:
            walk.member(field, value, path, role, structural=_STRUCTURAL)


def _tool_call(walk: Walk, call: Json, path: Path, role: str) -> None:
    if type(call) is not dict:
        walk.leaves(call, path, role, "tool_arguments")
        return
    for key, value in call.items():
        if key in {"function", "custom"} and type(value) is dict:
            _function(walk, value, (*path, key), role)
        else:
            walk.member(key, value, path, role, structural=_STRUCTURAL)


def _function(walk: Walk, function: dict[str, Json], path: Path, role: str) -> None:
    for key, value in function.items():
        at = (*path, step(key))
        if key in {"arguments", "input"} and type(value) is str:
            walk.arguments(value, at, role)
        elif key in {"arguments", "input"}:
            walk.leaves(value, at, role, "tool_arguments", keys=True)
        else:
            walk.member(key, value, path, role)


def _choice(walk: Walk, choice: Json, path: Path) -> None:
    if type(choice) is not dict:
        walk.leaves(choice, path)
        return
    for key, value in choice.items():
        if key == "message" and type(value) is dict:
            _message(walk, value, (*path, key), "assistant")
        elif key == "logprobs" and type(value) is dict:
            _logprobs(walk, value, choice.get("message"), (*path, key))
        else:
            walk.member(key, value, path, structural=_STRUCTURAL)


def _logprobs(walk: Walk, logprobs: dict[str, Json], message: Json, path: Path) -> None:
    """Tokens that spell a text which is read anyway are a repetition; others are read one by one."""
    for field, tokens in logprobs.items():
        text = message.get(field) if type(message) is dict else None
        if not repeated(tokens, text):
            walk.leaves(tokens, (*path, step(field)), "assistant")


def _calls(found: list[tuple[ToolCall, Path]], message: dict[str, Any], path: Path, key: str) -> None:
    for number, call in enumerate(_list(message, "tool_calls")):
        for form in ("function", "custom") if type(call) is dict else ():
            _call(found, call.get(form), f"{key}.tool_calls.{number}", (*path, "tool_calls", number, form))
    _call(found, message.get("function_call"), f"{key}.function_call", (*path, "function_call"))


def _call(found: list[tuple[ToolCall, Path]], function: Any, key: str, path: Path) -> None:
    if type(function) is not dict:
        return
    field = "input" if "input" in function else "arguments"
    named, value, at = function.get("name"), function.get(field), (*path, field)
    name = named if type(named) is str else ""
    if type(value) is not str:
        found.append((parsed_call(name, value, key), at))
        return
    opened = parsed_arguments(value) is not UNPARSED
    found.append((tool_call(name, value, key), (*at, "@json") if opened else at))
