"""Tool calls of a model, whole: their segments, and their arguments rewritten.

Law of this module: the segments of a call are every string of its arguments, keys included; a rewritten call
differs from the original in those strings only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bylaw.content import Path, ToolCall
from bylaw.verdict import Edit
from bylaw.wire.edits import apply
from bylaw.wire.splice import splice_text
from bylaw.wire.walk import UNPARSED, Walk, parsed_arguments


def tool_call(name: str, text: str, key: str, schema: Mapping[str, Any] | None = None) -> ToolCall:
    """A call from the text of its arguments; text that is not JSON (custom tools) is one segment, path ()."""
    arguments = parsed_arguments(text)
    if arguments is not UNPARSED:
        return parsed_call(name, arguments, key, schema)
    walk = Walk()
    walk.text(text, (), "assistant", "tool_arguments")
    return ToolCall(name, text, tuple(walk.segments), schema, key)


def parsed_call(name: str, arguments: Any, key: str, schema: Mapping[str, Any] | None = None) -> ToolCall:
    """A call whose arguments are JSON of the body itself."""
    walk = Walk()
    walk.leaves(arguments, (), "assistant", "tool_arguments", keys=True)
    return ToolCall(name, arguments, tuple(walk.segments), schema, key)


def changes(call: ToolCall, edits: Sequence[Edit]) -> dict[Path, str]:
    """New strings by path relative to the arguments.

    Args:
        call: the call.
        edits: edits that index `call.segments`.
    """
    by_segment: dict[int, list[Edit]] = {}
    for edit in edits:
        by_segment.setdefault(edit.segment, []).append(edit)
    new = {index: apply(call.segments[index].text, some) for index, some in by_segment.items()}
    return {call.segments[index].path: text for index, text in new.items()}


def rewritten(call: ToolCall, text: str, edits: Sequence[Edit]) -> str:
    """The text of the arguments with the edits applied, everything else of it byte for byte the same."""
    new = changes(call, edits)
    if type(call.arguments) is str and () in new:
        parsed = parsed_arguments(text)
        return new[()] if parsed is UNPARSED else splice_text(text, new)
    return splice_text(text, new)
