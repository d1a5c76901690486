"""Anthropic's shapes, as the official SDK's types read them: messages, models, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from bylaw_loadtest.scripted.ask import INPUT_TOKENS, Ask, answer_text, json_writer, output_tokens
from bylaw_loadtest.scripted.script import Script
from bylaw_loadtest.scripted.script_fields import ScriptError
from bylaw_loadtest.scripted.text import cut, cut_arguments

REQUEST_ID = "req_scripted"
_SIGNATURE = "c2NyaXB0ZWQ="
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

Block = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


def plain(script: Script, ask: Ask) -> bytes:
    """The body of a whole message."""
    content = [whole for whole, _, _ in _blocks(script, ask)]
    end = {"content": content, "stop_reason": _stop(script), "usage": _usage(output_tokens(script, ask))}
    return json_writer(script)(_message(ask) | end).encode()


def events(script: Script, ask: Ask) -> list[bytes]:
    """The SSE events of a streamed message, the last one `message_stop`."""
    write = json_writer(script)
    return [f"event: {event['type']}\ndata: {write(event)}\n\n".encode() for event in _stream(script, ask)]


def error(status: int, message: str) -> bytes:
    """The error body that the SDK turns into the exception of the status."""
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    inner = {"type": kind, "message": message}
    return orjson.dumps({"type": "error", "error": inner, "request_id": REQUEST_ID})


def models() -> bytes:
    """The list of models: one."""
    model = {
        "type": "model",
        "id": "scripted-1",
        "display_name": "Scripted",
        "created_at": "2025-06-15T15:06:40Z",
    }
    return orjson.dumps(
        {"data": [model], "has_more": False, "first_id": "scripted-1", "last_id": "scripted-1"}
    )


def _message(ask: Ask) -> dict[str, Any]:
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(1),
    }


def _usage(output: int) -> dict[str, int]:
    return {"input_tokens": INPUT_TOKENS, "output_tokens": output}


def _stop(script: Script) -> str:
    return "tool_use" if script.tool_calls else "end_turn"


def _stream(script: Script, ask: Ask) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message(ask)}
    yield {"type": "ping"}
    for index, (_, start, deltas) in enumerate(_blocks(script, ask)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": _stop(script), "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": output_tokens(script, ask)}}
    yield {"type": "message_stop"}


def _blocks(script: Script, ask: Ask) -> Iterator[Block]:
    """Each content block: whole, as it starts in a stream, and its deltas."""
    if script.reasoning:
        yield _thinking(script)
    if text := answer_text(script, ask, 0):
        deltas = [{"type": "text_delta", "text": piece} for piece in cut(text, script.chunks)]
        yield {"type": "text", "text": text}, {"type": "text", "text": ""}, deltas
    for at in range(len(script.tool_calls)):
        yield _tool_use(script, at)


def _thinking(script: Script) -> Block:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(script.reasoning, script.chunks)]
    deltas.append({"type": "signature_delta", "signature": _SIGNATURE})
    whole = {"type": "thinking", "thinking": script.reasoning, "signature": _SIGNATURE}
    return whole, {"type": "thinking", "thinking": "", "signature": ""}, deltas


def _tool_use(script: Script, at: int) -> Block:
    call = script.tool_calls[at]
    try:
        given = orjson.loads(call.arguments)
    except orjson.JSONDecodeError as error:
        raise ScriptError(f"tool_calls: arguments of {call.name!r} must be JSON in this dialect") from error
    start = {"type": "tool_use", "id": f"toolu_{at}", "name": call.name, "input": {}}
    pieces = cut_arguments(call.arguments, script.chunks)
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return start | {"input": given}, start, deltas
