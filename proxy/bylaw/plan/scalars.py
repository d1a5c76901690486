"""One scalar of a file -> a value of the annotated type, or one clear sentence.

Law of this module: a scalar is taken only if it is written as what is expected. Nothing is coerced, except
that a whole number may stand for a float.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import typing
from collections import abc
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from bylaw.plan.source import Node

FOUND_CHARS_MAX = 60
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EXPECTED: dict[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing",
    date: "a date (YYYY-MM-DD)", Path: "a path", dict: "a mapping", abc.Mapping: "a mapping",
}  # fmt: skip


def scalar(kind: Any, node: Node) -> Any:
    """Convert a scalar.

    Raises:
        ConfigError: what was expected and what was found.
    """
    if read := getattr(kind, "from_node", None):
        return read(node)
    if parse := getattr(kind, "from_text", None):
        return _from_text(kind, parse, node)
    if typing.get_origin(kind) is typing.Literal:
        return _choice([(choice, choice) for choice in typing.get_args(kind)], kind, node)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _choice(list(choices(kind).items()), kind, node)
    if kind not in CONVERT:
        raise node.error(f"the annotation {kind!r} of a plugin's option is not supported")
    try:
        return CONVERT[kind](node)
    except ValueError:
        raise node.error(f"expected {expected(kind)}, found {describe(node)}") from None


def choices(kind: type[enum.Enum]) -> dict[Any, enum.Enum]:
    """How the members of an enum are written: by value if that is text, else by name in lower case."""
    return {m.value if isinstance(m.value, str) else m.name.lower(): m for m in kind}


def expected(kind: Any) -> str:
    """What `kind` asks for, in the operator's words."""
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{_written(choice)}`" for choice in typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(f"`{choice}`" for choice in choices(kind))
    if hasattr(kind, "from_text") or hasattr(kind, "from_node"):
        return str(getattr(kind, "EXPECTED", kind.__name__))
    if dataclasses.is_dataclass(kind):
        return "a mapping"
    return EXPECTED.get(origin or kind, "a list")


def describe(node: Node) -> str:
    """What was found, in the operator's words; long text is cut."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return f"`{_written(value)}`"
    if isinstance(value, str):
        cut = value if len(value) <= FOUND_CHARS_MAX else value[:FOUND_CHARS_MAX] + "..."
        return f'the text "{cut}"'
    return f"the {'number' if isinstance(value, int | float) else 'date'} {value}"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_text(kind: Any, parse: Callable[[str], Any], node: Node) -> Any:
    """Such a type may be a secret that was put in the wrong place: the value is never repeated here."""
    if isinstance(node.value, str):
        try:
            return placed(parse(node.value), node)
        except ValueError as error:
            raise node.error(str(error)) from None
    found = (
        describe(node)
        if isinstance(node.value, dict | list | None)
        else "something else (quotes make it text)"
    )
    raise node.error(f"expected {expected(kind)}, found {found}")


def placed(value: Any, node: Node) -> Any:
    """The value, with its field `place` filled in if it has one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "place"):
        return dataclasses.replace(value, place=node.place)
    return value


def _choice(known: list[tuple[Any, Any]], kind: Any, node: Node) -> Any:
    for written, value in known:
        if type(written) is type(node.value) and written == node.value:
            return value
    raise node.error(f"expected {expected(kind)}, found {describe(node)}")


def _exactly(kind: type[Any]) -> Callable[[Node], Any]:
    def convert(node: Node) -> Any:
        if type(node.value) is not kind:
            raise ValueError
        return node.value

    return convert


def _float(node: Node) -> float:
    if type(node.value) not in {int, float}:
        raise ValueError
    number = float(typing.cast("float", node.value))
    if not math.isfinite(number):
        raise ValueError
    return number


def _date(node: Node) -> date:
    if isinstance(node.value, date) and not isinstance(node.value, datetime):
        return node.value
    if not isinstance(node.value, str) or not DATE.fullmatch(node.value):
        raise ValueError
    return date.fromisoformat(node.value)


def _path(node: Node) -> Path:
    """A relative path is taken from the folder of its file; outside of files, from the working directory."""
    if not isinstance(node.value, str) or not node.value or "\0" in node.value:
        raise ValueError
    base = Path(node.place.file)
    return base.parent / node.value if base.is_absolute() else Path(node.value)


CONVERT: dict[Any, Callable[[Node], Any]] = {
    str: _exactly(str), int: _exactly(int), bool: _exactly(bool), type(None): _exactly(type(None)),
    float: _float, date: _date, Path: _path,
}  # fmt: skip
