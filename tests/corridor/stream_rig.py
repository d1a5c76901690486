"""Streams of both dialects made from texts, a host loop around the gate, and a reader of what came out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bylaw.content import Window
from bylaw.verdict import Edit
from bylaw.wire.codec import CODECS
from bylaw.wire.edits import apply
from bylaw.wire.restore import Restorer
from bylaw.wire.stream import StreamGate

MARK = "\u00a7"
"""A character of secrets and of nothing else: it must never come out."""


@dataclass
class Redactor:
    """A guard with an exact hold-back: replaces literals."""

    literals: dict[str, str]
    engine: Restorer = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Restorer(self.literals)

    def look(self, window: Window) -> tuple[int | None, tuple[Edit, ...]]:
        edits, hold = self.engine.edits(window.text, window.final, window.fresh)
        return hold, edits


def redacted(text: str, guards: Sequence[Redactor]) -> str:
    """What the guards together leave of a whole text; the first guard's text wins where spans overlap."""
    from bylaw.wire.edits import merge, span  # the law is about streaming, not about merging

    spans = [span(e, i) for i, guard in enumerate(guards) for e in guard.engine.edits(text, True)[0]]
    return apply(text, [Edit(0, one.start, one.end, one.text) for one in merge(spans)])


@dataclass
class Rig:
    """A host: feeds a gate and lets guards clear it."""

    dialect: str
    guards: Sequence[Redactor] = ()
    hold_calls: bool = False
    call_edits: Callable[[object], Sequence[Edit]] = lambda call: ()
    amend: Callable[[Window], str] | None = None
    blocks: str = ""
    out: bytes = b""
    blocked: bool = False
    calls: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = StreamGate(
            CODECS[self.dialect].stream(),
            [4] * len(self.guards),
            1 << 24,
            1 << 20,
            hold_calls=self.hold_calls,
            amending=self.amend is not None,
        )

    def run(self, pieces: Iterable[bytes]) -> bytes:
        for piece in pieces:
            self.gate.feed(piece)
            self.pump()
            if self.blocked:
                return self.out
        self.gate.eof()
        self.pump()
        return self.out

    def pump(self) -> None:
        for number, guard in enumerate(self.guards):
            for window in self.gate.windows(number):
                self.look(number, guard, window)
        for call in self.gate.calls():
            self.calls.append(call)
            self.gate.clear_call(call.key, self.call_edits(call))
        self.out += self.gate.release()
        while windows := self.gate.amend_windows():
            for window in windows:
                assert self.amend is not None
                at = len(window.text) if window.final else 0
                self.gate.amend(window, [Edit(0, at, at, self.amend(window))])
            self.out += self.gate.release()
        if self.blocked:
            self.out += self.gate.end_blocked("policy", "stopped")

    def look(self, number: int, guard: Redactor, window: Window) -> None:
        at = window.text.find(self.blocks, window.fresh) if self.blocks else -1
        if at >= 0:
            self.blocked = True
            self.gate.cut(number, window, at)
            return
        hold, edits = guard.look(window)
        if self.blocks and not window.final:
            hold = min(
                hold if hold is not None else len(window.text),
                max(window.fresh, len(window.text) - len(self.blocks) + 1),
            )
        self.gate.clear(number, window, hold, edits)


def dump(body: dict, ascii_: bool) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=ascii_).encode()
    except UnicodeEncodeError:
        return json.dumps(body).encode()


def frame(data: bytes, end: str, name: str = "") -> bytes:
    head = f"event: {name}{end}".encode() if name else b""
    return head + b"data: " + data + end.encode() * 2


def openai_stream(parts: Sequence[tuple[int, str, str]], end: str = "\n", ascii_: bool = True) -> list[bytes]:
    """Events from (choice, field, fragment); field `tool` makes a fragment of the choice's tool call."""
    events, seen = [], set()
    for choice, name, text in parts:
        if name == "tool":
            call = {"index": 0, "function": {"arguments": text}}
            if (choice, name) not in seen:
                call |= {"id": f"call_{choice}", "type": "function"}
                call["function"]["name"] = "send"
            delta = {"tool_calls": [call]}
        else:
            delta = {name: text}
        seen |= {(choice, name), choice}
        events.append(chunk([{"index": choice, "delta": delta, "finish_reason": None}], end, ascii_))
    for choice in sorted(one for one in seen if isinstance(one, int)):
        events.append(chunk([{"index": choice, "delta": {}, "finish_reason": "stop"}], end, ascii_))
    return [*events, frame(b"[DONE]", end)]


def chunk(choices: list[dict], end: str = "\n", ascii_: bool = True) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return frame(dump(body, ascii_), end)


_BLOCKS = {
    "content": ({"type": "text", "text": ""}, "text_delta", "text"),
    "reasoning": ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking"),
    "tool": (
        {"type": "tool_use", "id": "toolu_1", "name": "send", "input": {}},
        "input_json_delta",
        "partial_json",
    ),
}


def anthropic_stream(
    parts: Sequence[tuple[int, str, str]], end: str = "\n", ascii_: bool = True
) -> list[bytes]:
    """Events from (block, kind, fragment)."""
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "usage": usage,
    }
    message |= {"stop_reason": None, "stop_sequence": None}
    events, seen = [event({"type": "message_start", "message": message}, end, ascii_)], {}
    for number, kind, text in parts:
        index = seen.get((number, kind))
        block, delta, name = _BLOCKS[kind]
        if index is None:
            index = seen[number, kind] = len(seen)
            events.append(
                event({"type": "content_block_start", "index": index, "content_block": block}, end, ascii_)
            )
        body = {"type": "content_block_delta", "index": index, "delta": {"type": delta, name: text}}
        events.append(event(body, end, ascii_))
    events += [event({"type": "content_block_stop", "index": index}, end, ascii_) for index in seen.values()]
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    last |= {"usage": {"output_tokens": 9}}
    return [*events, event(last, end, ascii_), event({"type": "message_stop"}, end, ascii_)]


def event(body: dict, end: str = "\n", ascii_: bool = True) -> bytes:
    return frame(dump(body, ascii_), end, body["type"])


STREAMS = {"openai_chat": openai_stream, "anthropic": anthropic_stream}


def texts(dialect: str, out: bytes) -> dict[str, str]:
    """Text by channel of a released stream, as a client puts it together."""
    found: dict[str, str] = defaultdict(str)
    for block in out.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        lines = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
        if not lines or lines == [b"[DONE]"]:
            continue
        body = json.loads(b"\n".join(lines))
        for key, text in _openai_texts(body) if dialect == "openai_chat" else _anthropic_texts(body):
            found[key] += text
    return {key: joined(text) for key, text in found.items() if text}


def joined(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def _openai_texts(body: dict) -> Iterable[tuple[str, str]]:
    for choice in body.get("choices", []):
        for name, value in choice["delta"].items():
            if isinstance(value, str):
                yield f"{choice['index']}.{name}", value
            for call in value if name == "tool_calls" else ():
                yield f"{choice['index']}.tool", call["function"]["arguments"]


def _anthropic_texts(body: dict) -> Iterable[tuple[str, str]]:
    if body["type"] == "content_block_delta":
        delta = body["delta"]
        for name in ("text", "thinking", "partial_json"):
            if name in delta:
                yield f"{body['index']}", delta[name]
