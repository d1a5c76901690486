"""What guards look at: prompts, replies, windows of a stream, tool calls.

Law of this module: every place of a message that carries text is a `Segment`; every part that nobody can
read is an `Unread` with its reason. Nothing is in neither list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Path = tuple[str | int, ...]

EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Segment:
    """One text in a message.

    Args:
        text: the text as the model would read it (escapes undone).
        role: `system`, `user`, `assistant`, `tool`, or `other` for a text outside the conversation.
        channel: `text`, `reasoning`, `refusal`, `tool_arguments`, `tool_schema` or `other`.
        path: keys and indexes from the root of the JSON body; `"@json"` steps into JSON held in a string.
        trusted: false for what third parties wrote (tool results, documents).
    """

    text: str
    role: str
    channel: str
    path: Path
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that carries content which no guard could read.

    Args:
        kind: `image`, `audio`, `file`, `token_ids`, `history`, `route`.
        path: where it is in the body; empty for the whole of it.
        reason: short machine-readable reason, e.g. `modality`, `pass_through`, `held_upstream`.
    """

    kind: str
    path: Path = ()
    reason: str = "modality"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request, read.

    Args:
        segments: every text, in document order.
        unread: what could not be read.
        model: the model that the caller named.
        stream: whether the caller asked for a stream.
        json_reply: the caller demands a machine-readable reply, so no prose may be put into it.
        body: the parsed JSON body. Guards must not change it; edits are the only way.
    """

    segments: tuple[Segment, ...]
    unread: tuple[Unread, ...] = ()
    model: str = ""
    stream: bool = False
    json_reply: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, read.

    Args:
        segments: every text; those of channel `text` are what a person sees.
        unread: what could not be read.
        status: HTTP status of the upstream.
        body: the parsed JSON body.
    """

    segments: tuple[Segment, ...]
    unread: tuple[Unread, ...] = ()
    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of one channel of a stream: everything of it that the guard has not cleared yet.

    Args:
        channel: kind of text, as `Segment.channel` (`text`, `reasoning`, `refusal`, ...).
        key: which channel of the stream, e.g. `choices.0.text`.
        text: some characters of context that were cleared already, then the uncleared text.
        fresh: index in `text` of the first uncleared character. Findings and edits must end after it.
        start: position of `text[0]` in the channel.
        final: no more text of this channel follows.
    """

    channel: str
    key: str
    text: str
    fresh: int
    start: int
    final: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model asks for, whole.

    Args:
        name: the tool's name.
        arguments: the parsed arguments (a dict for valid JSON objects; the raw string where they do not parse).
        segments: every string in the arguments, keys included, `path` relative to the arguments.
        schema: the parameters that the caller declared for this tool, or None.
        key: which channel of the reply it is.
    """

    name: str
    arguments: Any
    segments: tuple[Segment, ...]
    schema: Mapping[str, Any] | None = None
    key: str = ""
