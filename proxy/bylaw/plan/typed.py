"""Nodes -> typed (frozen) dataclasses, by their annotations.

Law of this module: nothing is coerced and nothing is ignored. `"yes"` is no bool, a bool is no int, `1.5` is
no int; an unknown key is an error that names the nearest valid one. Every mistake is a `ConfigError` with its
place; all mistakes of one tree are reported together, one a line.

What a field may be annotated with: str, int, float (finite), bool, None, `X | None` and other unions,
Literal, Enum (written by its text value, else by its name in lower case), date (YYYY-MM-DD), Path, list,
tuple, set, frozenset, dict and Mapping (keys: str, Literal, Enum or a `from_text` class), a dataclass, `Any`
(plain values), `Node` (as it is), and any class with a classmethod `from_text(text)` that raises ValueError,
or `from_node(node)` that raises ConfigError. A field with metadata `{"key": "from"}` has that key in files. A
field annotated `Place` is no key: it is filled with the place of its mapping or text.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from bylaw.errors import ConfigError, Place
from bylaw.plan.scalars import describe, expected, scalar
from bylaw.plan.source import Node, from_plain

T = TypeVar("T")
NOWHERE = Place("options")
ERRORS_MAX = 20
SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list, tuple: tuple, set: set, frozenset: frozenset, abc.Sequence: tuple, abc.Set: frozenset,
}  # fmt: skip
MAPPINGS = frozenset({dict, abc.Mapping})


def build(cls: type[T], node: Node | Mapping[str, Any]) -> T:
    """Construct `cls` from what a file says.

    Args:
        cls: a dataclass, or any annotation of the list above.
        node: a node with places, or a plain mapping (then errors name `options` instead of a file).

    Raises:
        ConfigError: every mistake, one a line; `place` is that of the first.
    """
    if not isinstance(node, Node):
        node = from_plain(node, NOWHERE)
    errors: list[ConfigError] = []
    value = _build(cls, node, errors)
    raise_all(errors)
    return typing.cast("T", value)


def raise_all(errors: list[ConfigError]) -> None:
    """Raise the errors as one, in the order of their lines; nothing if there are none."""
    if errors:
        errors.sort(key=lambda e: (e.place.file, e.place.line) if e.place else ("", 0))
        rest = [str(error) for error in errors[1:ERRORS_MAX]]
        if len(errors) > ERRORS_MAX:
            rest.append(f"and {len(errors) - ERRORS_MAX} more")
        raise ConfigError("\n".join([errors[0].message, *rest]), errors[0].place)


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?`, or a full stop; for the end of a sentence about an unknown word."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f", did you mean `{close[0]}`?" if close else "."


def keys(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    """The keys that a dataclass has in files, in the order of its fields."""
    return {
        str(field.metadata.get("key", field.name)): field
        for field in dataclasses.fields(cls)
        if field.init and hints(cls)[field.name] is not Place
    }


@functools.cache
def hints(cls: type[Any]) -> dict[str, Any]:
    """Resolved annotations of a class.

    Raises:
        ConfigError: an annotation names something that does not exist at run time.
    """
    try:
        return typing.get_type_hints(cls)
    except NameError as error:
        raise ConfigError(f"the annotations of {cls.__qualname__} cannot be resolved: {error}") from None


def _build(kind: Any, node: Node, errors: list[ConfigError]) -> Any:
    """The value; after adding to `errors`, anything."""
    if kind is Any:
        return node.plain()
    if kind is Node:
        return node
    origin, args = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return _union(args, node, errors)
    if origin in SEQUENCES:
        return _sequence(kind, origin, args, node, errors)
    if origin in MAPPINGS:
        return _mapping(kind, args or (str, Any), node, errors)
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "from_text") and not hasattr(kind, "from_node"):
        return _dataclass(kind, node, errors)
    try:
        return scalar(kind, node)
    except ConfigError as error:
        errors.append(error)
        return None


def _dataclass(cls: Any, node: Node, errors: list[ConfigError]) -> Any:
    if not isinstance(node.value, dict):
        return _refuse(expected(cls), node, errors)
    before, known, types_ = len(errors), keys(cls), hints(cls)
    values: dict[str, Any] = {}
    for key, child in node.value.items():
        if key in known:
            values[known[key].name] = _build(types_[known[key].name], child, errors)
        else:
            valid = ", ".join(known) or "none"
            errors.append(child.error(f"unknown key{nearest(key, known)} Valid keys: {valid}"))
    if missing := [key for key, field in known.items() if _required(field) and key not in node.value]:
        errors.append(node.error(f"missing {', '.join(f'`{key}`' for key in missing)}"))
    if len(errors) > before:
        return None
    values.update(
        {name: node.place for name, kind in types_.items() if kind is Place and name in _names(cls)}
    )
    try:
        return cls(**values)
    except ValueError as error:
        errors.append(node.error(str(error)))
        return None


def _names(cls: Any) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(cls) if field.init)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _sequence(kind: Any, origin: Any, args: tuple[Any, ...], node: Node, errors: list[ConfigError]) -> Any:
    if not isinstance(node.value, list):
        return _refuse(expected(kind), node, errors)
    fixed = origin is tuple and args and args[-1] is not Ellipsis
    if fixed and len(args) != len(node.value):
        return _refuse(f"a list of exactly {len(args)}", node, errors)
    each = args if fixed else (args[0] if args else Any,) * len(node.value)
    before = len(errors)
    items = [_build(item_kind, child, errors) for item_kind, child in zip(each, node.value, strict=True)]
    if origin in {set, frozenset, abc.Set}:
        _refuse_repeated(node.value, errors)
    return None if len(errors) > before else SEQUENCES[origin](items)


def _refuse_repeated(items: list[Node], errors: list[ConfigError]) -> None:
    seen: set[str] = set()
    for item in items:
        written = repr(item.plain())
        if written in seen:
            errors.append(item.error(f"{describe(item)} is listed twice"))
        seen.add(written)


def _mapping(kind: Any, args: tuple[Any, ...], node: Node, errors: list[ConfigError]) -> Any:
    if not isinstance(node.value, dict):
        return _refuse(expected(kind), node, errors)
    return {
        _build(args[0], Node(key, child.place), errors): _build(args[1], child, errors)
        for key, child in node.value.items()
    }


def _union(members: tuple[Any, ...], node: Node, errors: list[ConfigError]) -> Any:
    """The first member that fits; else the mistakes of the first one that the value looks like."""
    tried: list[tuple[Any, list[ConfigError]]] = []
    for kind in members:
        mistakes: list[ConfigError] = []
        value = _build(kind, node, mistakes)
        if not mistakes:
            return value
        if kind is not type(None):
            tried.append((kind, mistakes))
    likely = [mistakes for kind, mistakes in tried if len(tried) == 1 or _shape(kind) is type(node.value)]
    if likely:
        errors.extend(likely[0])
        return None
    return _refuse(" or ".join(expected(kind) for kind, _ in tried), node, errors)


def _shape(kind: Any) -> type[Any] | None:
    """What a value must look like to be meant for this member. It may be a secret: no text is repeated."""
    if hasattr(kind, "from_text"):
        return str
    return {"a mapping": dict, "a list": list}.get(expected(kind))


def _refuse(wanted: str, node: Node, errors: list[ConfigError]) -> None:
    errors.append(node.error(f"expected {wanted}, found {describe(node)}"))
