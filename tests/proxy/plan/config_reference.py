"""The table of keys in `docs/configuration.md`, made from the dataclasses of the configuration.

`python tests/proxy/plan/config_reference.py` writes it into the page; a test compares the two.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bylaw.plan.facts import FREE, VOCABULARY
from bylaw.plan.sections import Config, Deployment, Resolver
from bylaw.plan.typed import hints, keys

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
BEGIN, END = "<!-- keys: made by tests/proxy/plan/config_reference.py -->", "<!-- end of keys -->"
ENTRY = re.compile(r"^    (\w+): ", re.MULTILINE)
WORDS = {str: "text", int: "whole number", bool: "true or false", Path: "path"}


def render() -> str:
    """The part of the page between the two markers."""
    return "\n".join([BEGIN, "", *_section("", Config), *_facts(), END])


def page_with(keys_text: str) -> str:
    """The page with its generated part replaced."""
    page = PAGE.read_text()
    return page[: page.index(BEGIN)] + keys_text + page[page.index(END) + len(END) :]


def _section(prefix: str, cls: Any) -> list[str]:
    """A table of a dataclass, then those of what is below it."""
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    title = f"### `{prefix.rstrip('.')}`" if prefix else "### The whole file"
    lines = [title, "", summary, "", "| key | type | default | meaning |", "|---|---|---|---|"]
    below: list[tuple[str, Any]] = []
    meanings = arguments(cls)
    for key, field in keys(cls).items():
        name, kind = f"{prefix}{key}", hints(cls)[field.name]
        lines.append(f"| `{name}` | {_type(kind)} | {_default(field)} | {meanings[field.name]} |")
        below += [(name + suffix, child) for suffix, child in _children(kind)]
    return [*lines, "", *(line for name, child in below for line in _section(name + ".", child))]


def arguments(cls: Any) -> dict[str, str]:
    """The `Args:` of a docstring, each on one line."""
    text = (inspect.getdoc(cls) or "").partition("Args:\n")[2]
    parts = ENTRY.split("\n" + text)[1:]
    return {name: " ".join(words.split()) for name, words in zip(parts[::2], parts[1::2], strict=True)}


def _facts() -> Iterator[str]:
    yield from ("### Facts of `deployment`", "", (inspect.getdoc(Deployment) or ""), "")
    yield from ("| fact | values |", "|---|---|", "| `deployment.placed_on_market` | date (YYYY-MM-DD) |")
    for name, values in VOCABULARY.items():
        yield f"| `deployment.{name}` | {', '.join(f'`{value}`' for value in sorted(values))} |"
    for name in sorted(FREE):
        yield f"| `deployment.{name}` | any words |"
    yield ""


def _children(kind: Any) -> list[tuple[str, Any]]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "from_text") and not hasattr(kind, "from_node"):
        return [("", kind)]
    if origin is tuple:
        return [("[]" + suffix, child) for suffix, child in _children(args[0])]
    if origin is abc.Mapping:
        return [(".NAME" + suffix, child) for suffix, child in _children(args[1])]
    return []


def _type(kind: Any) -> str:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_type(member) for member in args if member is not type(None))
    if origin is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if origin in {tuple, frozenset}:
        return f"list of: {_type(args[0])}"
    if origin is abc.Mapping:
        return f"by name: {_type(args[1])}"
    if kind is Deployment or not hasattr(kind, "EXPECTED"):
        return WORDS.get(kind, "section")
    return str(kind.EXPECTED)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _written(field.default)
    if field.default_factory is dataclasses.MISSING:
        return "**required**"
    value = field.default_factory()
    return "" if dataclasses.is_dataclass(value) or value == {} else _written(value)


def _written(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | frozenset):
        return f"`[{', '.join(v.name if isinstance(v, Resolver) else str(v) for v in value)}]`"
    return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page_with(render()))
