"""OpenAI's shapes, as the official SDK's types read them: chat completions, models, embeddings, errors."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from bylaw_loadtest.scripted.ask import INPUT_TOKENS, Ask, answer_text, json_writer, output_tokens
from bylaw_loadtest.scripted.script import Script
from bylaw_loadtest.scripted.text import cut, cut_arguments

_CREATED_S = 1_750_000_000
_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_EMBEDDING = (0.125, -0.25, 0.5, -0.125, 0.25, -0.5, 0.0625, 1.0)

Delta = tuple[dict[str, Any], str | None]


def plain(script: Script, ask: Ask) -> bytes:
    """The body of a whole chat completion."""
    choices = [_choice(script, ask, index) for index in range(ask.choices)]
    whole = _envelope("chat.completion", ask) | {"choices": choices, "usage": _usage(script, ask)}
    return json_writer(script)(whole).encode()


def events(script: Script, ask: Ask) -> list[bytes]:
    """The SSE events of a streamed chat completion, the last one `[DONE]`."""
    write = json_writer(script)
    chunks = [_chunk(ask, index, *delta) for index, delta in _in_order(script, ask)]
    if ask.usage_chunk:
        usage = _envelope("chat.completion.chunk", ask) | {"choices": [], "usage": _usage(script, ask)}
        chunks = [chunk | {"usage": None} for chunk in chunks] + [usage]
    return [f"data: {write(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


def error(status: int, message: str) -> bytes:
    """The error body that the SDK turns into the exception of the status."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}})


def models() -> bytes:
    """The list of models: one."""
    model = {"id": "scripted-1", "object": "model", "created": _CREATED_S, "owned_by": "scripted"}
    return orjson.dumps({"object": "list", "data": [model]})


def embeddings(body: bytes) -> bytes:
    """A small vector for each input, in base64 where asked (the SDK's default)."""
    asked = orjson.loads(body)
    given = asked["input"]
    # A list of numbers is one input of token ids.
    many = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    packed = base64.b64encode(struct.pack(f"<{len(_EMBEDDING)}f", *_EMBEDDING)).decode()
    vector = packed if asked.get("encoding_format") == "base64" else _EMBEDDING
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(many)]
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    return orjson.dumps({"object": "list", "data": data, "model": str(asked.get("model")), "usage": usage})


def _envelope(kind: str, ask: Ask) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": _CREATED_S, "model": ask.model}


def _usage(script: Script, ask: Ask) -> dict[str, int]:
    completion = output_tokens(script, ask)
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": completion,
        "total_tokens": INPUT_TOKENS + completion,
    }


def _finish(script: Script) -> str:
    return "tool_calls" if script.tool_calls else "stop"


def _choice(script: Script, ask: Ask, index: int) -> dict[str, Any]:
    text = answer_text(script, ask, index)
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
    if script.reasoning:
        message["reasoning_content"] = script.reasoning
    if script.tool_calls:
        message["tool_calls"] = [
            {
                "id": f"call_{at}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for at, call in enumerate(script.tool_calls)
        ]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(script)}


def _chunk(ask: Ask, index: int, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _envelope("chat.completion.chunk", ask) | {"choices": [choice]}


def _in_order(script: Script, ask: Ask) -> Iterator[tuple[int, Delta]]:
    per_choice = [[(index, delta) for delta in _deltas(script, ask, index)] for index in range(ask.choices)]
    if not script.interleave:
        for deltas in per_choice:
            yield from deltas
        return
    for turn in zip_longest(*per_choice):
        yield from (delta for delta in turn if delta)


def _deltas(script: Script, ask: Ask, index: int) -> Iterator[Delta]:
    yield {"role": "assistant", "content": ""}, None
    for piece in cut(script.reasoning, script.chunks):
        yield {"reasoning_content": piece}, None
    for piece in cut(answer_text(script, ask, index), script.chunks):
        yield {"content": piece}, None
    for at, call in enumerate(script.tool_calls):
        function = {"name": call.name, "arguments": ""}
        yield (
            {"tool_calls": [{"index": at, "id": f"call_{at}", "type": "function", "function": function}]},
            None,
        )
        for piece in cut_arguments(call.arguments, script.chunks):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, None
    yield {}, _finish(script)
