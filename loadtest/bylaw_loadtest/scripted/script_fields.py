"""The fields of a script, each with the one check of its JSON form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

import orjson

Encoding = Literal["none", "gzip", "deflate", "br", "zstd"]
Framing = Literal["auto", "length", "chunked", "close"]
LineEnding = Literal["lf", "crlf"]
Malformed = Literal["none", "sse_json", "http_framing", "content_length", "garbage_head"]


class ScriptError(ValueError):
    """The test's author must act: the script cannot be carried out. Answered 400 when it came in a header."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call the scripted model makes; `arguments` is the JSON text, which need not be valid JSON."""

    name: str
    arguments: str


def read_field(name: str, value: Any) -> Any:
    """One script field from its JSON form; raises ScriptError naming the field and the nearest known one."""
    if name not in _KINDS:
        near = get_close_matches(name, _KINDS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ScriptError(f"unknown script field {name!r}{hint}")
    try:
        return _KINDS[name](value)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ScriptError(f"script field {name!r}: {value!r} is not usable ({error})") from error


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return value

    return check


def _one_of(literal: Any) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in get_args(literal):
            raise ValueError(f"expected one of {', '.join(get_args(literal))}")
        return str(value)

    return check


def _typed(kind: type[bool] | type[str]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}")
        return value

    return check


def _milliseconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 600_000:
        raise ValueError("expected milliseconds from 0 to 600000")
    return float(value)


def _answer(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else list(value)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise TypeError("expected a text or a list of texts")
    return tuple(texts)


def _tool_calls(value: Any) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(str(call["name"]), _json_text(call["arguments"])) for call in value)


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _chunks(value: Any) -> str | tuple[int, ...]:
    if value in ("word", "char"):
        return str(value)
    sizes = (value,) if isinstance(value, int) else tuple(value)
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError("expected word, char, or sizes above 0")
    return sizes


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = value.items() if isinstance(value, dict) else value
    return tuple((str(name), str(text)) for name, text in pairs)


_events = _whole(0, 1_000_000)
_KINDS: dict[str, Callable[[Any], Any]] = {
    "answer": _answer,
    "words": _whole(0, 200_000),
    "seed": _whole(0, 2**63),
    "echo_prompt": _typed(bool),
    "tool_calls": _tool_calls,
    "reasoning": _typed(str),
    "chunks": _chunks,
    "ascii": _typed(bool),
    "interleave": _typed(bool),
    "line_ending": _one_of(LineEnding),
    "first_delay_ms": _milliseconds,
    "chunk_delay_ms": _milliseconds,
    "slow_body": _whole(0, 1 << 24),
    "status": _whole(200, 599),
    "headers": _headers,
    "encoding": _one_of(Encoding),
    "framing": _one_of(Framing),
    "end_after_events": _events,
    "close_after_events": _events,
    "reset_after_events": _whole(-1, 1_000_000),
    "malformed": _one_of(Malformed),
}
FIELDS = frozenset(_KINDS)
