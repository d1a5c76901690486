"""Anthropic message streams: the texts of the events, and the ends.

Law of this module: every string of an event continues a channel of its content block, is a text of its own,
or is an identifier, a signature or encrypted. Thinking is signed by the provider and is never edited.
"""

from __future__ import annotations

import json
from typing import Any

from bylaw.content import Json, Path
from bylaw.wire.errors import WireError
from bylaw.wire.leaves import Leaves
from bylaw.wire.sse import SseEvent
from bylaw.wire.stream_codec import Sink
from bylaw.wire.strict_json import parse_text
from bylaw.wire.walk import is_opaque

OPAQUE = frozenset({"encrypted_content", "encrypted_index", "encrypted_stdout"})
TOOL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_STRUCTURAL = frozenset(
    {
        "id", "type", "role", "model", "name", "tool_use_id", "stop_reason", "service_tier", "inference_geo",
        "file_id", "category", "error_code", "request_id", "tool_id", "speed", "expires_at",
    }
)  # fmt: skip
_DELTAS = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "reasoning")}
_STARTS = {"text": "text", "thinking": "reasoning"}
_NO_MESSAGE: dict[str, Any] = {
    "id": "msg_bylaw",
    "model": "",
    "usage": {"input_tokens": 0, "output_tokens": 0},
}
_INVALID = "invalid_event"


class AnthropicStream:
    """Reads one stream of raw message events."""

    unedited = frozenset({"reasoning"})

    def __init__(self) -> None:
        self.finished = False
        self._over = False
        self._message: dict[str, Any] | None = None
        self._open: set[int] = set()
        self._given: set[int] = set()
        self._left_open: set[int] = set()
        self._left: set[str] = set()
        self._leaves = Leaves(_STRUCTURAL, OPAQUE)
        self._read = {
            "content_block_delta": self._block_delta,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def read(self, event: SseEvent, sink: Sink) -> object:
        """See `StreamCodec`; the note is the type of an event that opens or closes, and its block."""
        if self._over:
            raise WireError("after_end", "an event follows the end of the stream")
        assert event.data is not None
        body = _body(event.data)
        kind = body.get("type")
        if type(kind) is not str or (event.name and event.name != kind.encode(errors="replace")):
            # Some readers go by the event's name, others by the type: both must mean the same.
            raise WireError(_INVALID, "the type of an event is missing or is not its name")
        self._leaves.framing(event)
        read = self._read.get(kind)
        if read is not None:
            return read(body, sink)
        self._leaves.walk(sink, body, ())
        return None

    def _others(self, body: dict[str, Json], known: str, sink: Sink) -> None:
        for key, value in body.items():
            if key != known and type(value) is str:
                self._leaves.string(sink, key, value, (key,))
            elif key != known and (type(value) is dict or type(value) is list):
                self._leaves.walk(sink, value, (key,))

    def _index(self, body: dict[str, Json]) -> int:
        index = body.get("index")
        if type(index) is not int or index < 0:
            raise WireError(_INVALID, "a content block of the stream has no proper index")
        return index

    def _message_start(self, body: dict[str, Json], sink: Sink) -> object:
        message = body.get("message")
        if type(message) is not dict or self._message is not None:
            raise WireError(_INVALID, "the stream does not begin with one message")
        self._message = message
        self._leaves.walk(sink, body, ())
        return "message_start", 0

    def _block_start(self, body: dict[str, Json], sink: Sink) -> object:
        index, block = self._index(body), body.get("content_block")
        if type(block) is not dict or index in self._open:
            raise WireError(_INVALID, "a content block of the stream begins twice, or is none")
        self._open.add(index)
        self._others(body, "content_block", sink)
        self._block(block, index, sink)
        return "content_block_start", index

    def _block(self, block: dict[str, Json], index: int, sink: Sink) -> None:
        kind, group = block.get("type"), f"content.{index}"
        for key, value in block.items():
            path: Path = ("content_block", key)
            if key == kind and key in _STARTS and type(value) is str:
                sink.text(group, key, _STARTS[key], path, value)
            elif key == "input" and kind in TOOL_BLOCKS:
                self._tool(block, value, index, sink)
            elif key == "signature" and type(value) is str and is_opaque(value):
                continue
            elif key == "data" and kind == "redacted_thinking" and type(value) is str and is_opaque(value):
                sink.skip("history", path, "encrypted")
            elif type(value) is str:
                self._leaves.string(sink, key, value, path)
            elif type(value) is dict or type(value) is list:
                self._leaves.walk(sink, value, path)

    def _tool(self, block: dict[str, Json], arguments: Json, index: int, sink: Sink) -> None:
        name = block.get("name")
        given: tuple[Path, Any] | None = (("content_block", "input"), arguments) if arguments else None
        if given:
            self._given.add(index)
        sink.call(f"content.{index}", "input", name if type(name) is str else "", None, "", given=given)

    def _block_delta(self, body: dict[str, Json], sink: Sink) -> object:
        index, delta = self._index(body), body.get("delta")
        if type(delta) is not dict or index not in self._open:
            raise WireError(_INVALID, "a delta of the stream belongs to no open content block")
        if len(body) > 3:
            self._others(body, "delta", sink)
        kind, group = delta.get("type"), f"content.{index}"
        name, channel = _DELTAS.get(kind, ("", "")) if type(kind) is str else ("", "")
        for key, value in delta.items():
            if key == "type" and type(value) is str and self._leaves.is_structural(key, value):
                continue
            path: Path = ("delta", key)
            if key == name and type(value) is str:
                sink.text(group, name, channel, path, value)
            elif key == "partial_json" and kind == "input_json_delta" and type(value) is str:
                self._fragment(group, index, path, value, sink)
            elif key == "signature" and type(value) is str and is_opaque(value):
                continue
            elif key == "citation" and kind == "citations_delta":
                self._leaves.walk(sink, value, path)
            elif key in OPAQUE and type(value) is str:
                self._leaves.string(sink, key, value, path)
            else:
                self._leaves.continued(sink, value, path, group, f"delta.{key}")
        return None

    def _fragment(self, group: str, index: int, path: Path, text: str, sink: Sink) -> None:
        if text and index in self._given:
            raise WireError(_INVALID, "a tool call of the stream has its arguments twice")
        sink.call(group, "input", "", path, text)

    def _block_stop(self, body: dict[str, Json], sink: Sink) -> object:
        index = self._index(body)
        if index not in self._open:
            raise WireError(_INVALID, "a content block of the stream ends that is not open")
        self._open.discard(index)
        self._others(body, "", sink)
        sink.close(f"content.{index}")
        return "content_block_stop", index

    def _message_delta(self, body: dict[str, Json], sink: Sink) -> object:
        # Output that ends in the middle of a tool call has no stop for its block.
        self._leaves.walk(sink, body, ())
        sink.close_all()
        self._open.clear()
        return "message_delta", 0

    def _message_stop(self, body: dict[str, Json], sink: Sink) -> object:
        self._over = self.finished = True
        self._leaves.walk(sink, body, ())
        sink.close_all()
        return "message_stop", 0

    def _error(self, body: dict[str, Json], sink: Sink) -> object:
        self.finished = True
        self._leaves.walk(sink, body, ())
        return None

    def left(self, note: object) -> None:
        """See `StreamCodec`."""
        assert type(note) is tuple
        kind, index = note
        if kind == "content_block_start":
            self._left_open.add(index)
        elif kind == "content_block_stop":
            self._left_open.discard(index)
        else:
            self._left.add(kind)

    def delta(self, key: str, text: str) -> bytes:
        """See `StreamCodec`."""
        head, index, *rest = key.split(".")
        if head != "content" or rest != ["text"]:
            return b""
        delta = {"type": "text_delta", "text": text}
        return _event({"type": "content_block_delta", "index": int(index), "delta": delta})

    def blocked(self, code: str, message: str) -> bytes:
        """Closes what is open at the client and ends with `stop_reason: refusal`."""
        if "message_stop" in self._left:
            return b""
        out = [] if "message_start" in self._left else [self._start()]
        out += [_event({"type": "content_block_stop", "index": index}) for index in sorted(self._left_open)]
        if "message_delta" not in self._left:
            details = {"type": "refusal", "category": None, "explanation": message}
            delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
            why = {"code": code, "message": message}
            out.append(
                _event({"type": "message_delta", "delta": delta, "usage": self._usage(), "bylaw": why})
            )
        return b"".join([*out, _event({"type": "message_stop"})])

    def _usage(self) -> dict[str, int]:
        usage = (self._message or _NO_MESSAGE).get("usage")
        tokens = usage.get("output_tokens") if type(usage) is dict else None
        return {"output_tokens": tokens if type(tokens) is int else 0}

    def _start(self) -> bytes:
        message = self._message or _NO_MESSAGE
        usage = message.get("usage")
        tokens = usage.get("input_tokens") if type(usage) is dict else None
        fresh: dict[str, Any] = {
            "id": message.get("id"), "type": "message", "role": "assistant", "model": message.get("model"),
            "content": [], "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": tokens if type(tokens) is int else 0, "output_tokens": 0},
        }  # fmt: skip
        return _event({"type": "message_start", "message": fresh})

    def fault(self, code: str, message: str) -> bytes:
        """`event: error`: the SDK raises `APIStatusError`."""
        error = {"type": "api_error", "message": message, "code": code}
        return b"" if "message_stop" in self._left else _event({"type": "error", "error": error})


def _event(body: dict[str, Any]) -> bytes:
    name = str(body["type"]).encode()
    return b"event: " + name + b"\ndata: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _body(data: bytes) -> dict[str, Json]:
    try:
        body = parse_text(data.decode(), lone_surrogates=True)
    except (UnicodeDecodeError, WireError):
        raise WireError(_INVALID, "an event of the stream is not strict JSON") from None
    if type(body) is not dict:
        raise WireError(_INVALID, "an event of the stream is not an object")
    return body
