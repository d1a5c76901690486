"""What the scripted server answers.

Law: the same script and the same request give the same bytes; a field that is not known, or has a value of
the wrong kind, is refused by name, because a misspelt fault would otherwise be a test that cannot fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from bylaw_loadtest.scripted.script_fields import (
    Encoding,
    Framing,
    LineEnding,
    Malformed,
    ScriptError,
    ToolCall,
    read_field,
)


@dataclass(frozen=True, slots=True)
class Script:
    """The behaviour of one reply. An event is one SSE event; of a plain reply, one piece of its body.

    Args:
        answer: text of each choice, in turn; None: a fixed sentence, or nothing beside tool calls.
        words: generate this many words instead, the same for the same `seed` and choice.
        seed: of the generated words.
        echo_prompt: answer with the last user text that arrived.
        tool_calls: calls made after the answer.
        reasoning: thinking before the answer.
        chunks: how texts are cut into deltas: `word`, `char`, or sizes in characters, used in turn.
        ascii: write JSON with `\\uXXXX` escapes, as servers in Python often do.
        interleave: deltas of several choices in turn instead of one choice after the other.
        line_ending: of SSE lines.
        first_delay_ms: silence before the head.
        chunk_delay_ms: silence between events; at 0 the whole reply leaves in one write.
        slow_body: cut the coded body into pieces of this many bytes, which then are the events; 0: do not.
        status: 400 and above answer with an error body of the dialect.
        headers: more reply headers, in this order, duplicates kept.
        encoding: content coding, whatever the request accepts; a stream is flushed at each event.
        framing: of the body; `auto` is `length` for plain replies and `chunked` for streams.
        end_after_events: end well framed after n events, without the dialect's own end.
        close_after_events: FIN after n events, in the middle of the framing.
        reset_after_events: RST after n events; 0: after the head, -1: before it.
        malformed: `sse_json` breaks one JSON text, `http_framing` one chunk size, `content_length` announces
            more than comes, `garbage_head` is no HTTP at all.
    """

    answer: tuple[str, ...] | None = None
    words: int = 0
    seed: int = 1
    echo_prompt: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    chunks: str | tuple[int, ...] = "word"
    ascii: bool = False
    interleave: bool = False
    line_ending: LineEnding = "lf"
    first_delay_ms: float = 0
    chunk_delay_ms: float = 0
    slow_body: int = 0
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    encoding: Encoding = "none"
    framing: Framing = "auto"
    end_after_events: int | None = None
    close_after_events: int | None = None
    reset_after_events: int | None = None
    malformed: Malformed = "none"

    @classmethod
    def of(cls, **given: Any) -> Script:
        """Build a script from its JSON form, e.g. `Script.of(answer="hi", chunks=[1, 2])`."""
        return overlay(cls(), given)


_NO_TEXT: dict[str, Any] = {"answer": None, "words": 0, "echo_prompt": False}


def overlay(base: Script, given: Mapping[str, Any]) -> Script:
    """`base` with the given fields in their JSON form; raises ScriptError naming the field.

    A given source of text (`answer`, `words`, `echo_prompt`) replaces the other sources of `base`.
    """
    cleared = _NO_TEXT if _NO_TEXT.keys() & given.keys() else {}
    read = {name: read_field(name, value) for name, value in given.items()}
    return replace(base, **{**cleared, **read})


@lru_cache(maxsize=256)
def overlay_json(base: Script, text: bytes) -> Script:
    """`overlay` of the JSON object in an `X-Script` header."""
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ScriptError(f"X-Script is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ScriptError("X-Script must be a JSON object")
    return overlay(base, given)


def script_header(**given: Any) -> dict[str, str]:
    """The header that makes one request answer by its own script: `extra_headers=script_header(words=5)`."""
    overlay(Script(), given)
    return {"X-Script": json.dumps(given)}
