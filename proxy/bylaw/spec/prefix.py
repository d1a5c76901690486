"""From an RE2 expression to the expression of everything that could still become one of its matches.

Law of this module: `prefixes(parse(e))` describes the prefixes of the texts that `e` describes, the empty one
and the whole ones included, for every expression that RE2 accepts except `\\C`. That is what lets a stream
hold back the text that may still become a match. It describes no more than that, but for one thing: a
repetition that may be longer than `COUNTED_MAX` counts as one without bound. Read backwards, from the end of
the known text, each count is a state of its own, and hundreds of them cost milliseconds a window.

An assertion (`\\b`, `^`, `$`) at the very end of the known text cannot be judged yet. It needs no care here:
what precedes it is a prefix already, and whatever follows it brings the character that it looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import re2

COUNTED_MAX = 8
ASSERTIONS = frozenset({"\\A", "\\b", "\\B", "\\z", "^", "$"})


@dataclass(frozen=True, slots=True)
class Atom:
    """One character, or one assertion (`width` 0), as RE2 source that may be put anywhere."""

    source: str
    width: int = 1


@dataclass(frozen=True, slots=True)
class Sequel:
    """Nodes one after another."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several nodes."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`low` to `high` times a node; `high` None is without bound."""

    node: Node
    low: int
    high: int | None


Node = Atom | Sequel | Choice | Repeat


def parse(expression: str) -> Node:
    """Read an expression that RE2 has already accepted.

    Raises:
        ValueError: it uses `\\C`, which matches half a character.
    """
    return _Parser(expression).choice("")


def plain(node: Node) -> str:
    """The expression again, without captures and without a preference among its matches."""
    match node:
        case Atom(source):
            return source
        case Sequel(nodes):
            return "".join(map(plain, nodes))
        case Choice(nodes):
            return f"(?:{'|'.join(map(plain, nodes))})"
        case Repeat(inner, low, high):
            return f"(?:{plain(inner)}){{{low},{'' if high is None else high}}}"


def prefixes(node: Node) -> str:
    """The expression of all prefixes; its size grows with n log n, its nesting with log n."""
    match node:
        case Atom(source, width):
            return f"(?:{source})?" if width else ""
        case Choice(nodes):
            return f"(?:{'|'.join(map(prefixes, nodes))})"
        case Repeat(inner, _, high):
            if high == 0:
                return ""
            whole = "*" if high is None or high > COUNTED_MAX else f"{{0,{high - 1}}}"
            return f"(?:{_loose(inner)}){whole}{prefixes(inner)}"
        case Sequel(nodes):
            return _sequel_prefixes(nodes)


def _sequel_prefixes(nodes: Sequence[Node]) -> str:
    """pre(ab) = pre(a) | a pre(b), halving: RE2 refuses deep nesting."""
    if len(nodes) < 2:
        return prefixes(nodes[0]) if nodes else ""
    middle = len(nodes) // 2
    left = nodes[:middle]
    return f"(?:{_sequel_prefixes(left)}|{''.join(map(_loose, left))}{_sequel_prefixes(nodes[middle:])})"


def _loose(node: Node) -> str:
    """`plain`, with long repetitions as ones without bound."""
    match node:
        case Repeat(inner, low, high) if high is None or high > COUNTED_MAX:
            return f"(?:{_loose(inner)}){'+' if low else '*'}"
        case Repeat(inner, low, high):
            return f"(?:{_loose(inner)}){{{low},{high}}}"
        case Sequel(nodes):
            return "".join(map(_loose, nodes))
        case Choice(nodes):
            return f"(?:{'|'.join(map(_loose, nodes))})"
        case Atom(source):
            return source


class _Parser:
    """Recursive descent over RE2's grammar; flags are written onto each atom, so that atoms can move."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0

    def choice(self, flags: str) -> Node:
        options: list[Node] = []
        nodes: list[Node] = []
        while self.at < len(self.source) and self.source[self.at] != ")":
            if self._take("|"):
                options.append(Sequel(tuple(nodes)))
                nodes = []
            elif (changed := self._flags(flags)) is not None:
                flags = changed
            else:
                nodes.extend(self._repeated(self._item(flags)))
        options.append(Sequel(tuple(nodes)))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _take(self, text: str) -> bool:
        found = self.source.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _flags(self, flags: str) -> str | None:
        """`(?i)` in the middle of a group holds until the group ends."""
        if not self.source.startswith("(?", self.at):
            return None
        end = self.at + 2
        while end < len(self.source) and self.source[end] in "imsU-":
            end += 1
        if self.source[end] != ")":
            return None
        changed, self.at = self.source[self.at + 2 : end], end + 1
        return _merge(flags, changed)

    def _item(self, flags: str) -> tuple[Node, ...]:
        """One item, or all characters of a quoted run."""
        if self._take("("):
            return (self._group(flags),)
        if self._take("\\Q"):
            quoted, mark, _ = self.source[self.at :].partition("\\E")
            self.at += len(quoted) + len(mark)
            return tuple(Atom(_flagged(re2.escape(char), flags)) for char in quoted)
        if self._take("\\E"):
            return ()
        source = self._atom()
        return (Atom(_flagged(source, flags), 0 if source in ASSERTIONS else 1),)

    def _group(self, flags: str) -> Node:
        if self._take("?P<") or self._take("?<"):
            self.at = self.source.index(">", self.at) + 1
        elif self._take("?"):
            end = self.source.index(":", self.at)
            flags, self.at = _merge(flags, self.source[self.at : end]), end + 1
        node = self.choice(flags)
        self.at += 1
        return node

    def _atom(self) -> str:
        start, source = self.at, self.source
        if source[start] == "[":
            self.at = _class_end(source, start)
        elif source[start] == "\\":
            self.at = _escape_end(source, start)
        else:
            self.at += 1
        return source[start : self.at]

    def _repeated(self, items: tuple[Node, ...]) -> tuple[Node, ...]:
        bounds = self._bounds()
        if bounds is None or not items:
            return items
        self._take("?")
        return self._repeated((*items[:-1], Repeat(items[-1], *bounds)))

    def _bounds(self) -> tuple[int, int | None] | None:
        for mark, low, high in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._take(mark):
                return low, high
        end = self.source.find("}", self.at)
        if end < 0 or self.source[self.at] != "{":
            return None
        first, comma, last = self.source[self.at + 1 : end].partition(",")
        if not _digits(first) or (last and not _digits(last)):
            return None
        self.at = end + 1
        return int(first), (int(last) if last else None if comma else int(first))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _merge(flags: str, changed: str) -> str:
    """Flags in force after `(?changed)`. Greediness (`U`) does not change what can match."""
    on, _, off = changed.partition("-")
    return "".join(sorted((set(flags) | set(on)) - set(off) - {"U"}))


def _flagged(source: str, flags: str) -> str:
    return f"(?{flags}:{source})" if flags else source


def _class_end(source: str, start: int) -> int:
    """One past the `]` that ends the class; a `]` in first place is an ordinary character."""
    at = start + 1
    at += source[at] == "^"
    first = at
    while source[at] != "]" or at == first:
        if source.startswith("[:", at) and ":]" in source[at:]:
            at = source.index(":]", at) + 2
        else:
            at = _escape_end(source, at) if source[at] == "\\" else at + 1
    return at + 1


def _escape_end(source: str, start: int) -> int:
    kind = source[start + 1]
    if kind == "C":
        raise ValueError("\\C is not supported: it matches half a character")
    if kind in "pPx" and source[start + 2 : start + 3] == "{":
        return source.index("}", start) + 1
    if kind in "pPx":
        return start + (4 if kind == "x" else 3)
    end = start + 2
    while kind in "01234567" and end < min(start + 4, len(source)) and source[end] in "01234567":
        end += 1
    return end
