"""Keys set outside of the file: `BYLAW__SECTION__KEY` variables, then the command line.

Law of this module: an override goes to exactly the key that it names, or it is an error that names the
nearest one; a variable that nobody reads would be a rule that nobody enforces. Values are written as in the
file; where text is expected they are taken as they are, so that `BYLAW__LISTEN=[::1]:8080` needs no quotes.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections import abc
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from bylaw.errors import ConfigError, Place
from bylaw.plan.source import Node, from_plain, parse
from bylaw.plan.typed import hints, keys, nearest

ENV_PREFIX = "BYLAW__"
COMMAND_LINE = "command line"
Steps = tuple[str | int, ...]


def apply_env(root: Node, env: Mapping[str, str], kind: Any) -> Node:
    """Put the variables that begin with `BYLAW__` into a tree.

    Args:
        root: the file.
        env: the process environment.
        kind: what the tree will be built into.

    Raises:
        ConfigError: a variable that names no key, or whose value is not YAML.
    """
    for name in sorted(name for name in env if name.startswith(ENV_PREFIX)):
        place = Place(f"environment variable {name}")
        words = name.removeprefix(ENV_PREFIX).split("__")
        steps, target = _walk(root, words, kind, place, "__")
        root = _put(root, steps, _value(env[name], target, dataclasses.replace(place, key=_dotted(steps))))
    return root


def apply_options(root: Node, options: Mapping[str, Any], kind: Any) -> Node:
    """Put command line options into a tree.

    Args:
        root: the file, with the environment already in it.
        options: values by dotted key, e.g. `{"policies.profile": "strict"}`; None: the option was not given.
        kind: what the tree will be built into.

    Raises:
        ConfigError: an option that names no key.
    """
    for name, value in options.items():
        if value is not None:
            steps, _ = _walk(root, name.split("."), kind, Place(COMMAND_LINE), ".")
            root = _put(root, steps, from_plain(value, Place(COMMAND_LINE, 0, _dotted(steps))))
    return root


def _value(text: str, kind: Any, place: Place) -> Node:
    if not _textual(kind):
        try:
            return from_plain(parse(text, place.file).plain(), place)
        except ConfigError as error:
            raise ConfigError(error.message, place) from None
    return Node(None if text in {"", "null"} and _optional(kind) else text, place)


def _walk(root: Node, words: list[str], kind: Any, place: Place, joint: str) -> tuple[Steps, Any]:
    """The keys that the words name, and what is expected there."""
    steps: Steps = ()
    for word in words:
        step, kind = _step(root.find(*steps), word, _unwrap(kind), place, joint.join(words))
        steps = (*steps, step)
    return steps, kind


def _step(node: Node, word: str, kind: Any, place: Place, path: str) -> tuple[str | int, Any]:
    """One key further down; `node` is where we are, or the deepest that exists above."""
    origin, args = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind is Any or hasattr(kind, "from_node"):
        return word.lower(), Any
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "from_text"):
        known = {key.lower(): key for key in keys(kind)}
        if word.lower() not in known:
            raise ConfigError(
                f"`{path}` names no key{nearest(word.lower(), known)} Valid: {', '.join(known)}", place
            )
        key = known[word.lower()]
        return key, hints(typing.cast("Any", kind))[keys(kind)[key].name]
    if origin in {dict, abc.Mapping}:
        return _existing(node, word), args[1]
    if (
        origin in {tuple, list}
        and word.isdigit()
        and isinstance(node.value, list)
        and int(word) < len(node.value)
    ):
        return int(word), args[0]
    raise ConfigError(f"`{path}` names no key: there is nothing below the one before `{word}`", place)


def _existing(node: Node, word: str) -> str:
    """A name of the operator's; variables cannot be written with the case and hyphens of every name."""
    names = node.value if isinstance(node.value, dict) else {}
    same = [name for name in names if name.lower().replace("-", "_") == word.lower().replace("-", "_")]
    return same[0] if same else word.lower()


def _put(node: Node, steps: Steps, value: Node) -> Node:
    """A copy of the tree with one value replaced or added."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(typing.cast("list[Node]", node.value))
        items[step] = _put(items[step], rest, value)
        return Node(items, node.place)
    if node.value is not None and not isinstance(node.value, dict):
        raise node.error(f"expected a mapping, as {value.place.file} sets `{step}` in it")
    fields = dict(node.value or {})
    fields[step] = _put(fields.get(step, Node(None, value.place)), rest, value)
    return Node(fields, node.place)


def _members(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)


def _optional(kind: Any) -> bool:
    return type(None) in _members(kind)


def _unwrap(kind: Any) -> Any:
    """`X` of `X | None`; other unions stay."""
    members = [member for member in _members(kind) if member is not type(None)]
    return members[0] if len(members) == 1 else kind


def _textual(kind: Any) -> bool:
    return all(_is_text(member) for member in _members(kind) if member is not type(None))


def _is_text(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(kind))
    return (
        kind in {str, Path, date}
        or hasattr(kind, "from_text")
        or (isinstance(kind, type) and issubclass(kind, enum.Enum))
    )


def _dotted(steps: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
