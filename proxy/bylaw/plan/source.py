"""Text -> tree of nodes, each of which knows its file, line and key.

Law of this module: a value means what is written, and is found again. YAML 1.2 core schema, so that `NO` is
Norway and not false; one document; no tags, anchors, aliases or merge keys (so a tree is never larger than
its text); no duplicate keys; bounded in size, depth and number of nodes. Whatever is wrong becomes a
`ConfigError` with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from bylaw.errors import ConfigError, Place

SOURCE_BYTES_MAX = 4 * 1024 * 1024
NODES_MAX = 200_000
DEPTH_MAX = 32

Scalar = str | int | float | bool | date | None


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a file.

    Args:
        value: a scalar, a dict of nodes by key, or a list of nodes.
        place: where it is; for a value of a mapping the line is that of its key.
    """

    value: Scalar | dict[str, Node] | list[Node]
    place: Place

    def plain(self) -> Any:
        """The value as ordinary dicts, lists and scalars, without places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def get(self, *path: str | int) -> Node | None:
        """The node at `path`, or None."""
        node: Node | None = self
        for step in path:
            node = node._child(step) if node else None
        return node

    def find(self, *path: str | int) -> Node:
        """The node at `path`, or the deepest one on the way to it: there an error message may point."""
        node = self
        for step in path:
            child = node._child(step)
            if child is None:
                break
            node = child
        return node

    def _child(self, step: str | int) -> Node | None:
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def error(self, message: str) -> ConfigError:
        """A configuration error at this node."""
        return ConfigError(message, self.place)


def from_plain(value: Any, place: Place) -> Node:
    """Wrap ordinary dicts, lists and scalars; every node has the file and line of `place`.

    Raises:
        ConfigError: a value that no file could hold, or a key that is not text.
    """
    if isinstance(value, Mapping):
        if bad := [key for key in value if not isinstance(key, str)]:
            raise ConfigError(f"keys must be text, found {bad[0]!r}", place)
        return Node({key: from_plain(child, _below(place, key)) for key, child in value.items()}, place)
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes):
        return Node([from_plain(child, _below(place, n)) for n, child in enumerate(value)], place)
    if value is None or isinstance(value, str | int | float | date):
        return Node(value, place)
    raise ConfigError(f"a {type(value).__name__} cannot stand in a configuration", place)


def parse(text: str, file: str, key: str = "", line: int = 0) -> Node:
    """Read one YAML document.

    Args:
        text: the document; an empty one is a node with the value None.
        file: name shown in errors.
        key: dotted key under which the document stands, for errors.
        line: lines before the text, for errors.

    Raises:
        ConfigError: not YAML 1.2, or more than this module allows; with file and line.
    """
    if len(text.encode("utf-8", "replace")) > SOURCE_BYTES_MAX:
        raise ConfigError(f"larger than {SOURCE_BYTES_MAX} bytes", Place(file))
    return _Builder(_events(text, file, line), file, line).document(key)


def _below(place: Place, step: str | int) -> Place:
    if isinstance(step, int):
        return replace(place, key=f"{place.key}[{step}]")
    return replace(place, key=f"{place.key}.{step}" if place.key else step)


def _events(text: str, file: str, line: int) -> Iterator[Event]:
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError as error:
        raise ConfigError(
            f"not valid YAML: {_problem(error)}", Place(file, line + _line(error, text))
        ) from None
    except Exception as error:  # the parser's own slips, e.g. chr() of an escape that is no character
        raise ConfigError(f"not valid YAML: {error}", Place(file)) from None


def _problem(error: YAMLError) -> str:
    parts = (getattr(error, "problem", None), getattr(error, "context", None), getattr(error, "reason", None))
    return ", ".join(part for part in parts if part) or type(error).__name__


def _line(error: YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


class _Builder:
    """Events -> nodes; recursion is bounded by `DEPTH_MAX`."""

    def __init__(self, events: Iterator[Event], file: str, line: int) -> None:
        self.events, self.file, self.line = events, file, line
        self.nodes = self.depth = 0

    def document(self, key: str) -> Node:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise ConfigError(
                        "only one document a file is read; remove `---`", self.place(event, key)
                    )
                if event.version not in {None, (1, 2)}:
                    raise ConfigError("only YAML 1.2 is read; remove `%YAML`", self.place(event, key))
                root = self.node(next(self.events), key, None)
        return root or Node(None, Place(self.file, self.line + 1, key))

    def place(self, event: Event, key: str) -> Place:
        return Place(self.file, self.line + int(event.start_mark.line) + 1, key)

    def node(self, event: Event, key: str, at: Place | None) -> Node:
        place = at or self.place(event, key)
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ConfigError(f"more than {NODES_MAX} values in one file", place)
        _refuse_odd(event, place)
        if isinstance(event, ScalarEvent):
            return Node(_scalar(event), place)
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise ConfigError(f"nested deeper than {DEPTH_MAX} levels", place)
        value = self.mapping(key) if isinstance(event, MappingStartEvent) else self.sequence(key)
        self.depth -= 1
        return Node(value, place)

    def sequence(self, key: str) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.node(event, f"{key}[{len(items)}]", None))
        return items

    def mapping(self, key: str) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            name = self.key(event, key)
            place = _below(self.place(event, key), name)
            if name in items:
                first = items[name].place.line
                raise ConfigError(f"key `{name}` is given twice (first in line {first})", place)
            items[name] = self.node(next(self.events), place.key, place)
        return items

    def key(self, event: Event, key: str) -> str:
        place = self.place(event, key)
        _refuse_odd(event, place)
        if not isinstance(event, ScalarEvent) or not event.value:
            raise ConfigError("a key must be text", place)
        if event.value == "<<" and event.style is None:
            raise ConfigError("merge keys (`<<`) are not supported; write the values out", place)
        return str(event.value)


def _refuse_odd(event: Event, place: Place) -> None:
    if isinstance(event, AliasEvent):
        raise ConfigError(f"aliases (`*{event.anchor}`) are not supported; write the value out", place)
    if isinstance(event, ScalarEvent) and not event.value.isascii() and SURROGATE.search(event.value):
        raise ConfigError("an escape here is half of a character (a surrogate); write the character", place)
    if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent):
        if event.anchor is not None:
            raise ConfigError(f"anchors (`&{event.anchor}`) are not supported; write the value out", place)
        if event.ctag is not None:
            raise ConfigError("tags (`!...`) are not supported; quote the value if it is text", place)


NULL = frozenset({"", "~", "null", "Null", "NULL"})
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
SURROGATE = re.compile("[\ud800-\udfff]")
INT = re.compile(r"[-+]?[0-9]{1,64}|0o[0-7]{1,64}|0x[0-9a-fA-F]{1,64}")
FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


def _scalar(event: ScalarEvent) -> Scalar:
    """Resolve a scalar as the core schema of YAML 1.2 says (section 10.3.2)."""
    text = str(event.value)
    if event.style is not None:
        return text
    if text in NULL:
        return None
    if text in BOOL:
        return BOOL[text]
    if INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if len(text) <= 64 and FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
