"""Change strings of a JSON body without re-serialising it.

Law of this module: only the tokens at the named paths change; every other byte (number formats, key order,
white space, escapes) stays. The body was accepted by `strict_json`, so keys are unique and well-formed.

Paths are keys and indexes from the root. `"@json"` after a string steps into JSON that the string holds; a
path that ends in `"@key"` means the key itself, which is renamed. A literal key that looks like one of these
two is written with one more `@` (see `step`).
"""

from __future__ import annotations

import json
import json.decoder
import json.encoder
import re
from collections.abc import Mapping
from typing import Any

from bylaw.content import Path
from bylaw.wire.errors import WireError

Change = str | None
"""A new string, or None for JSON `null` in the place of whatever value is there."""

_SET = object()
_NONE: Mapping[Any, Any] = {}
_DONE = -1
_spaces = re.compile(r"[ \t\n\r]*").match
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_string = json.decoder.scanstring  # type: ignore[attr-defined]
_quote_unicode = json.encoder.encode_basestring
_quote_ascii = json.encoder.encode_basestring_ascii


def step(key: str) -> str:
    """The path element of an object's key: itself, unless it reads like `@json` or `@key`."""
    return "@" + key if key[:1] == "@" and key.lstrip("@") in {"json", "key"} else key


def quote(text: str) -> str:
    """The JSON token of a string; half surrogate pairs stay escaped, since UTF-8 cannot hold them."""
    token: str = _quote_unicode(text)
    if token.isascii():
        return token
    try:
        token.encode()
    except UnicodeEncodeError:
        return _quote_ascii(text)
    return token


def splice(body: bytes, changes: Mapping[Path, Change]) -> bytes:
    """The body with the strings at some paths replaced.

    Args:
        body: JSON that `strict_json.parse` accepts.
        changes: new text by path.

    Raises:
        WireError: `no_such_path`: a path leads nowhere, or not to a value that can be changed that way.
    """
    return splice_text(body.decode(), changes).encode() if changes else body


def splice_text(text: str, changes: Mapping[Path, Change]) -> str:
    """As `splice`, on decoded JSON."""
    tree: dict[Any, Any] = {}
    for path, change in changes.items():
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node[_SET] = change
    return _Splicer(text).run(tree, len(changes))


class _Splicer:
    """Walks down the changed paths only; everything beside them is skipped by the C scanner."""

    __slots__ = ("copied", "left", "out", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.copied = 0
        self.left = 0

    def run(self, tree: Mapping[Any, Any], count: int) -> str:
        self.left = count
        if count:
            self._value(self._space(0), tree)
        if self.left:
            raise WireError("no_such_path", "an edit names a place that the body does not have")
        self.out.append(self.text[self.copied :])
        return "".join(self.out)

    def _space(self, at: int) -> int:
        return _spaces(self.text, at).end()  # type: ignore[union-attr]

    def _put(self, start: int, end: int, token: str, count: int = 1) -> None:
        self.out += (self.text[self.copied : start], token)
        self.copied = end
        self.left -= count

    def _value(self, at: int, node: Mapping[Any, Any]) -> int:
        """Change the value that begins at `at`; gives its end, or `_DONE` when nothing is left to change."""
        if _SET in node:
            return self._replace(at, node[_SET])
        first = self.text[at]
        if first == "{":
            return self._object(at, node)
        if first == "[":
            return self._array(at, node)
        end: int = _scan(self.text, at)[1]
        if first == '"' and "@json" in node:
            inner, count = node["@json"], _count(node["@json"])
            token = quote(_Splicer(_string(self.text, at + 1, True)[0]).run(inner, count))
            self._put(at, end, token, count)
        return end if self.left else _DONE

    def _replace(self, at: int, change: Change) -> int:
        value, end = _scan(self.text, at)
        if change is not None and type(value) is not str:
            raise WireError("no_such_path", "an edit names a place that is not a string")
        self._put(at, end, "null" if change is None else quote(change))
        return end if self.left else _DONE

    def _object(self, at: int, node: Mapping[Any, Any]) -> int:
        names = self._renamed(at, node)
        at = self._space(at + 1)
        while self.text[at] == '"':
            key, end = _string(self.text, at + 1, True)
            child = node.get(step(key))
            if key in names:
                self._put(at, end, quote(names[key]))
            at = self._child(self._space(self._space(end) + 1), child)
            if at == _DONE:
                return _DONE
            at = self._space(at)
            if self.text[at] == ",":
                at = self._space(at + 1)
        return at + 1

    def _array(self, at: int, node: Mapping[Any, Any]) -> int:
        index = 0
        at = self._space(at + 1)
        while self.text[at] != "]":
            at = self._child(at, node.get(index))
            if at == _DONE:
                return _DONE
            at = self._space(at)
            if self.text[at] == ",":
                at = self._space(at + 1)
            index += 1
        return at + 1

    def _child(self, at: int, child: Mapping[Any, Any] | None) -> int:
        if not self.left:
            return _DONE
        if child is None or (len(child) == 1 and "@key" in child):
            end: int = _scan(self.text, at)[1]
            return end
        return self._value(at, child)

    def _renamed(self, at: int, node: Mapping[Any, Any]) -> Mapping[str, str]:
        """New names by key; keys that would become the same are numbered, so that none shadows another."""
        if not any(type(child) is dict and "@key" in child for child in node.values()):
            return _NONE
        taken = set(_scan(self.text, at)[0])
        names: dict[str, str] = {}
        for key in sorted(taken):
            child = node.get(step(key), _NONE)
            if "@key" in child:
                name = child["@key"][_SET] or ""
                names[key] = name if name == key else _unique(name, taken)
                taken.add(names[key])
        return names


def _count(node: Mapping[Any, Any]) -> int:
    return sum(1 if key is _SET else _count(child) for key, child in node.items())


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
