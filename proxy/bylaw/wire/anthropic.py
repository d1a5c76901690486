"""Anthropic messages: requests, whole replies, errors.

Law of this module: every string of a body is a segment or unread, save identifiers and signatures. The shapes
are those of the `anthropic` package (`types`); unknown blocks and fields are read as `other`. What tools,
documents and searches brought in is not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bylaw.content import Json, Path, Prompt, Reply, ToolCall
from bylaw.wire.anthropic_stream import OPAQUE, TOOL_BLOCKS, AnthropicStream
from bylaw.wire.calls import parsed_call
from bylaw.wire.errors import WireError, block_status
from bylaw.wire.splice import step
from bylaw.wire.walk import Walk, is_opaque, is_token

_STRUCTURAL = frozenset(
    {
        "id", "type", "role", "model", "media_type", "tool_use_id", "stop_reason", "service_tier", "ttl",
        "effort", "inference_geo", "container", "speed", "display", "caller", "tool_id", "error_code",
        "request_id",
    }
)  # fmt: skip
_SCHEMA = frozenset({"type"})
_ROLES = {"system": "system", "user": "user", "assistant": "assistant"}
_TEXTS = {"text": "text", "thinking": "reasoning"}
_KINDS = {"image": "image", "document": "file", "file": "file", "audio": "audio", "video": "image"}
_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


class Anthropic:
    """`POST .../v1/messages` and the counting of its tokens."""

    name = "anthropic"
    operations: tuple[tuple[str, str], ...] = (
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
    )

    def prompt(self, body: Json) -> Prompt:
        """Every text of a request; see `Codec`."""
        if type(body) is not dict or type(body.get("messages")) is not list:
            raise WireError("invalid_request", "the body is not a messages request")
        walk = Walk()
        for key, value in body.items():
            if key == "messages":
                _messages(walk, value)
            elif key == "system":
                _content(walk, value, (key,), "system", True)
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
            if key == "content":
                _content(walk, value, (key,), "assistant", True)
            else:
                walk.member(key, value, (), structural=_STRUCTURAL)
        return Reply(tuple(walk.segments), tuple(walk.unread), status, body)

    def calls(self, body: Json) -> list[tuple[ToolCall, Path]]:
        """Tool calls of a whole reply; see `Codec`."""
        content = body.get("content") if type(body) is dict else None
        found: list[tuple[ToolCall, Path]] = []
        for index, block in enumerate(content if type(content) is list else ()):
            if type(block) is dict and block.get("type") in TOOL_BLOCKS:
                named, path = block.get("name"), ("content", index, "input")
                name, key = named if type(named) is str else "", f"content.{index}.input"
                found.append((parsed_call(name, block.get("input"), key), path))
        return found

    def tools(self, body: Json) -> dict[str, Mapping[str, Any]]:
        """Declared parameters by tool name; see `Codec`."""
        tools = body.get("tools") if type(body) is dict else None
        schemas: dict[str, Mapping[str, Any]] = {}
        for one in tools if type(tools) is list else ():
            name, schema = (one.get("name"), one.get("input_schema")) if type(one) is dict else ("", None)
            if type(name) is str and type(schema) is dict:
                schemas[name] = schema
        return schemas

    def repeats(self, body: Json, path: Path) -> tuple[Path, ...]:
        """Nothing repeats an answer in this dialect."""
        return ()

    def stream(self) -> AnthropicStream:
        """A reader for one stream."""
        return AnthropicStream()

    def block_reply(self, status: int, code: str, message: str, exchange: str) -> tuple[int, bytes]:
        """A block before the first byte; see `Codec`."""
        status = block_status(status)
        return status, self.error_body(status, code, message, exchange)

    def error_body(self, status: int, code: str, message: str, exchange: str) -> bytes:
        """`{"type": "error", ...}` as the API writes it; see `Codec`."""
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        error = {"type": kind, "message": message, "code": code}
        return json.dumps({"type": "error", "error": error, "request_id": exchange}).encode()


def _json_reply(body: Mapping[str, Any]) -> bool:
    config, choice = body.get("output_config"), body.get("tool_choice")
    return (
        (type(config) is dict and config.get("format") is not None)
        or body.get("output_format") is not None
        or (type(choice) is dict and choice.get("type") in {"tool", "any"})
    )


def _field(walk: Walk, key: str, value: Json) -> None:
    """A member of the request beside `messages` and `system`."""
    path: Path = (step(key),)
    if key in {"tools", "output_config", "output_format"}:
        walk.leaves(value, path, "other", "tool_schema", structural=_SCHEMA)
    elif key == "metadata":
        walk.leaves(value, path, keys=True)
    else:
        walk.leaves(value, path, structural=_STRUCTURAL)


def _messages(walk: Walk, messages: Json) -> None:
    assert type(messages) is list
    for index, message in enumerate(messages):
        if type(message) is not dict:
            raise WireError("invalid_request", "a message is not an object")
        named = message.get("role")
        role = _ROLES.get(named, "other") if type(named) is str else "other"
        for key, value in message.items():
            if key == "content":
                _content(walk, value, ("messages", index, key), role, True)
            else:
                walk.member(key, value, ("messages", index), role, structural=_STRUCTURAL)


def _content(walk: Walk, content: Json, path: Path, role: str, trusted: bool) -> None:
    if type(content) is str:
        walk.text(content, path, role, "text", trusted)
    elif type(content) is list:
        for index, block in enumerate(content):
            if type(block) is dict:
                _block(walk, block, (*path, index), role, trusted)
            else:
                walk.leaves(block, (*path, index), role, "text", trusted)
    else:
        walk.leaves(content, path, role, "text", trusted)


def _block(walk: Walk, block: dict[str, Json], path: Path, role: str, trusted: bool) -> None:
    named = block.get("type")
    kind = named if type(named) is str else ""
    if kind.endswith("_result"):
        # `search_result` is a document of the conversation; every other result is what a tool answered.
        trusted, role = False, role if kind == "search_result" else "tool"
    elif kind == "document":
        trusted = False
    for key, value in block.items():
        at = (*path, step(key))
        if key == _NAMED.get(kind, kind) and key in _TEXTS and type(value) is str:
            walk.text(value, at, role, _TEXTS[key], trusted)
        elif key == "source" and kind in _KINDS and type(value) is dict:
            _source(walk, value, at, _KINDS[kind], role=role, trusted=trusted)
        elif key == "input" and kind in TOOL_BLOCKS:
            walk.leaves(value, at, role, "tool_arguments", trusted, keys=True)
        elif key == "content":
            _content(walk, value, at, role, trusted)
        elif key == "file_id":
            walk.skip("file", at, "held_upstream")
        else:
            _member(walk, key, value, path, kind, role=role, trusted=trusted)


_NAMED = {"compaction": "text"}


def _member(walk: Walk, key: str, value: Json, path: Path, kind: str, *, role: str, trusted: bool) -> None:
    at = (*path, step(key))
    if type(value) is str and is_opaque(value):
        if key == "signature" and kind == "thinking":
            return
        if key in OPAQUE or (key == "data" and kind == "redacted_thinking"):
            walk.skip("history", at, "encrypted")
            return
    walk.member(key, value, path, role, "other", trusted=trusted, structural=_STRUCTURAL)


def _source(walk: Walk, source: dict[str, Json], path: Path, kind: str, *, role: str, trusted: bool) -> None:
    """Where a picture or document comes from: inline text is read, everything else is not."""
    form = source.get("type")
    for key, value in source.items():
        at = (*path, step(key))
        if key == "data" and form == "base64":
            walk.skip(kind, at)
        elif key == "data" and type(value) is str:
            walk.text(value, at, role, "text", trusted)
        elif key == "url":
            walk.link(value, at, kind, role, trusted)
        elif key == "file_id":
            walk.skip(kind, at, "held_upstream")
        elif key == "content":
            _content(walk, value, at, role, trusted)
        else:
            walk.member(key, value, path, role, "other", trusted=trusted, structural=_STRUCTURAL)
