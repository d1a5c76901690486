"""OpenAI chat completion chunks: the texts of a stream, and its ends.

Law of this module: every string of a chunk continues a channel of its choice, is a text of its own, or is an
identifier. An unknown string in a delta continues a channel named by its place, because fragments of a new
field would tell nobody anything one by one.
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

_STRUCTURAL = frozenset(
    {
        "id", "object", "model", "type", "role", "system_fingerprint", "service_tier", "obfuscation", "name",
        "finish_reason", "native_finish_reason", "severity", "provider", "code", "param", "format",
    }
)  # fmt: skip
_TEXTS = {
    "content": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_content": ("reasoning_content", "reasoning"),
    "reasoning": ("reasoning", "reasoning"),
}
_CHOICES_MAX = 1024
_DONE = b"[DONE]"
_HEAD = ("id", "object", "created", "model")
_NO_HEAD = {"id": "chatcmpl-bylaw", "object": "chat.completion.chunk", "created": 0, "model": ""}


class OpenAIChatStream:
    """Reads one stream of `chat.completion.chunk` events."""

    unedited: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.finished = False
        self._done = self._done_left = False
        self._seen: dict[int, bool] = {}
        self._left: dict[int, bool] = {}
        self._head: dict[str, Any] | None = None
        self._leaves = Leaves(_STRUCTURAL)

    def read(self, event: SseEvent, sink: Sink) -> object:
        """See `StreamCodec`; the note is the choices that begin (False) or end (True) with the event."""
        if self._done:
            raise WireError("after_end", "an event follows the end of the stream")
        self._leaves.framing(event)
        assert event.data is not None
        if event.data.strip() == _DONE:
            self._done = self.finished = True
            sink.close_all()
            return _DONE
        chunk = _chunk(event.data)
        if self._head is None and chunk.get("choices") is not None:
            self._head = {key: chunk.get(key, _NO_HEAD[key]) for key in _HEAD}
        note: dict[int, bool] = {}
        for key, value in chunk.items():
            if key == "choices" and type(value) is list:
                for index, choice in enumerate(value):
                    self._choice(choice, index, sink, note)
            elif type(value) is str:
                self._leaves.string(sink, key, value, (key,))
            elif type(value) is dict or type(value) is list:
                self._leaves.walk(sink, value, (key,))
        if chunk.get("error"):
            self.finished = True
        return note or None

    def _choice(self, choice: Json, position: int, sink: Sink, note: dict[int, bool]) -> None:
        if type(choice) is not dict:
            raise WireError("invalid_event", "a choice of the stream is not an object")
        index = choice.get("index", position)
        if type(index) is not int or not 0 <= index < _CHOICES_MAX:
            raise WireError("invalid_event", "a choice of the stream has no proper index")
        path: Path = ("choices", position)
        group = f"choices.{index}"
        delta = choice.get("delta")
        for key, value in choice.items():
            if key == "delta" and type(value) is dict:
                self._delta(value, (*path, "delta"), group, sink)
            elif type(value) is str:
                self._leaves.string(sink, key, value, (*path, key))
            elif key != "logprobs" and (type(value) is dict or type(value) is list):
                self._leaves.walk(sink, value, (*path, key))
        logprobs = choice.get("logprobs")
        if type(logprobs) is dict:
            self._logprobs(logprobs, delta, path, group, sink)
        self._state(index, bool(choice.get("finish_reason")), group, sink, note)

    def _state(self, index: int, ends: bool, group: str, sink: Sink, note: dict[int, bool]) -> None:
        if ends:
            self._seen[index] = note[index] = True
            sink.close(group)
            self.finished = all(self._seen.values())
        elif index not in self._seen:
            self._seen[index] = note[index] = False
            self.finished = False

    def _delta(self, delta: dict[str, Json], path: Path, group: str, sink: Sink) -> None:
        for key, value in delta.items():
            if value is None:
                continue
            if type(value) is str:
                if key in _TEXTS:
                    name, kind = _TEXTS[key]
                    sink.text(group, name, kind, (*path, key), value)
                elif not self._leaves.is_structural(key, value):
                    sink.text(group, f"delta.{key}", "other", (*path, key), value)
            elif key == "tool_calls" and type(value) is list:
                for position, call in enumerate(value):
                    self._call(call, (*path, key, position), group, position, sink)
            elif key == "function_call" and type(value) is dict:
                self._function(value, (*path, key), group, "function_call", sink)
            elif key == "audio" and type(value) is dict:
                self._audio(value, (*path, key), group, sink)
            elif type(value) is dict or type(value) is list:
                self._leaves.continued(sink, value, (*path, key), group, f"delta.{key}")

    def _call(self, call: Json, path: Path, group: str, position: int, sink: Sink) -> None:
        if type(call) is not dict:
            raise WireError("invalid_event", "a tool call of the stream is not an object")
        index = call.get("index", position)
        if type(index) is not int:
            raise WireError("invalid_event", "a tool call of the stream has no proper index")
        name = f"tool_calls.{index}"
        for key, value in call.items():
            if key in {"function", "custom"} and type(value) is dict:
                self._function(value, (*path, key), group, name, sink)
            elif type(value) is str:
                self._leaves.string(sink, key, value, (*path, key))
            elif type(value) is dict or type(value) is list:
                self._leaves.walk(sink, value, (*path, key))

    def _function(self, function: dict[str, Json], path: Path, group: str, name: str, sink: Sink) -> None:
        tool = function.get("name")
        field = "input" if "input" in function else "arguments"
        text = function.get(field)
        at = (*path, field) if type(text) is str else None
        sink.call(group, name, tool if type(tool) is str else "", at, text if type(text) is str else "")
        for key, value in function.items():
            if type(value) is str and key != field:
                self._leaves.string(sink, key, value, (*path, key))
            elif type(value) is dict or type(value) is list:
                self._leaves.walk(sink, value, (*path, key))

    def _audio(self, audio: dict[str, Json], path: Path, group: str, sink: Sink) -> None:
        for key, value in audio.items():
            if key == "transcript" and type(value) is str:
                sink.text(group, "audio.transcript", "text", (*path, key), value)
            elif key == "data":
                sink.skip("audio", (*path, key))
            elif type(value) is str:
                self._leaves.string(sink, key, value, (*path, key))
            elif type(value) is dict or type(value) is list:
                self._leaves.walk(sink, value, (*path, key))

    def _logprobs(self, logprobs: dict[str, Json], delta: Json, path: Path, group: str, sink: Sink) -> None:
        """Tokens that spell this event's text go when it changes; others are a text, cut off by `null`."""
        place = (*path, "logprobs")
        for field, tokens in logprobs.items():
            text = delta.get(field) if type(delta) is dict else None
            if text and field in _TEXTS:
                sink.mirror(group, _TEXTS[field][0], place)
            if not repeated(tokens, text):
                spelled = "".join(_tokens(tokens))
                sink.text(group, f"logprobs.{field}", "other", place, spelled, nulls=True)

    def left(self, note: object) -> None:
        """See `StreamCodec`."""
        if note is _DONE:
            self._done_left = True
        elif type(note) is dict:
            self._left.update(note)

    def _event(self, choices: list[dict[str, Any]], **more: object) -> bytes:
        chunk = {**(self._head or _NO_HEAD), "choices": choices, **more}
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    def delta(self, key: str, text: str) -> bytes:
        """See `StreamCodec`."""
        head, index, *rest = key.split(".")
        if head != "choices" or rest != ["text"]:
            return b""
        return self._event([{"index": int(index), "delta": {"content": text}, "finish_reason": None}])

    def blocked(self, code: str, message: str) -> bytes:
        """`finish_reason: content_filter` for every choice that is open at the client, then `[DONE]`."""
        if self._done_left:
            return b""
        still_open = [index for index, ended in sorted((self._left or {0: False}).items()) if not ended]
        end: dict[str, Any] = {"delta": {}, "logprobs": None, "finish_reason": "content_filter"}
        choices = [{"index": index, **end} for index in still_open]
        why = {"code": code, "message": message}
        return (self._event(choices, bylaw=why) if choices else b"") + b"data: [DONE]\n\n"

    def fault(self, code: str, message: str) -> bytes:
        """An error in the place of a chunk, and no `[DONE]`: the SDK raises `APIError`."""
        error = {"message": message, "type": "server_error", "param": None, "code": code}
        return b"" if self._done_left else b"data: " + json.dumps({"error": error}).encode() + b"\n\n"


def _chunk(data: bytes) -> dict[str, Json]:
    try:
        chunk = parse_text(data.decode(), lone_surrogates=True)
    except (UnicodeDecodeError, WireError):
        raise WireError("invalid_event", "an event of the stream is not strict JSON") from None
    if type(chunk) is not dict:
        raise WireError("invalid_event", "an event of the stream is not an object")
    return chunk


def _tokens(tokens: Json) -> list[str]:
    """The tokens of a list of log probabilities, or every string of what should have been one."""
    if type(tokens) is dict:
        return [text for value in tokens.values() for text in _tokens(value)]
    if type(tokens) is list:
        single = (value.get("token") if type(value) is dict else value for value in tokens)
        return [text for value in single for text in _tokens(value)]
    return [tokens] if type(tokens) is str else []


def repeated(tokens: Json, text: Json) -> bool:
    """Whether log probabilities spell exactly this text, by bytes where a token is no whole character."""
    if not tokens:
        return True
    if type(tokens) is not list or type(text) is not str:
        return False
    spelled = b""
    for one in tokens:
        if type(one) is not dict or type(one.get("token")) is not str:
            return False
        codes = one.get("bytes")
        if type(codes) is list and all(type(code) is int and 0 <= code < 256 for code in codes):
            spelled += bytes(codes)  # type: ignore[arg-type]
        else:
            spelled += str(one["token"]).encode(errors="replace")
    return spelled == text.encode(errors="replace")
