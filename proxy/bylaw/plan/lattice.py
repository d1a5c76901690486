"""Join semilattices: how what several laws ask for becomes one answer that satisfies them all.

Law of this module: `join` is associative, commutative and idempotent, and `leq` is defined by it (`a <= b`
iff `join(a, b) == b`). Higher means stricter, so a join never loosens; `bottom` means "not asked for". Where
no single answer satisfies all, the join is still a value, and `conflicts` names it: the caller must refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any
Contribution = tuple[str, Value]


@dataclass(frozen=True, slots=True)
class Cause:
    """Who is behind one leaf of a joined value.

    Args:
        key: dotted path of the leaf, e.g. `notices.eu-ai.cadence`.
        value: its joined value.
        sources: who asked for exactly this (or, where answers are combined, for a part of it).
        lost: who asked for something looser, and what.
    """

    key: str
    value: Value
    sources: tuple[str, ...]
    lost: tuple[Contribution, ...] = ()


class Lattice:
    """One kind of value, ordered from loose to strict."""

    bottom: Value = None

    def join(self, a: Value, b: Value) -> Value:
        """The loosest value that is at least as strict as both."""
        raise NotImplementedError

    def leq(self, a: Value, b: Value) -> bool:
        """Whether `b` is at least as strict as `a`."""
        return bool(self.join(a, b) == b)

    def join_all(self, values: Iterable[Value]) -> Value:
        """The join of any number of values; `bottom` for none."""
        joined = self.bottom
        for value in values:
            joined = self.join(joined, value)
        return joined

    def conflicts(self, value: Value) -> Iterator[str]:
        """Keys of the leaves that nobody can satisfy; the key of a leaf itself is empty."""
        yield from ()

    def causes(self, given: Sequence[Contribution], key: str = "") -> Iterator[Cause]:
        """Who is behind the join of `given`, leaf by leaf."""
        asked = [(source, value) for source, value in given if value != self.bottom]
        if asked:
            joined = self.join_all(value for _, value in asked)
            won = tuple(source for source, value in asked if self.leq(joined, value))
            lost = tuple((source, value) for source, value in asked if source not in won)
            yield Cause(key, joined, won or tuple(source for source, _ in asked), lost if won else ())


class Either(Lattice):
    """True if anybody asks for it."""

    bottom = False

    def join(self, a: Value, b: Value) -> Value:
        return a or b


@dataclass(frozen=True, slots=True)
class Chain(Lattice):
    """Named levels from the loosest to the strictest; the strictest wins."""

    levels: tuple[str, ...]

    def join(self, a: Value, b: Value) -> Value:
        return max(a, b, key=lambda level: -1 if level is None else self.levels.index(level))


class Highest(Lattice):
    """The greatest floor wins, e.g. days that something must be kept."""

    def join(self, a: Value, b: Value) -> Value:
        return b if a is None else a if b is None else max(a, b)


class Lowest(Lattice):
    """The smallest ceiling wins, e.g. tokens that may be asked for."""

    def join(self, a: Value, b: Value) -> Value:
        return b if a is None else a if b is None else min(a, b)


class Within(Lattice):
    """Only what every asker allows (None: anything). Nothing left is a conflict, as it could never pass."""

    def join(self, a: Value, b: Value) -> Value:
        return b if a is None else a if b is None else a & b

    def conflicts(self, value: Value) -> Iterator[str]:
        if value is not None and not value:
            yield ""


class Members(Lattice):
    """The union of what is asked for."""

    bottom: Value = frozenset()

    def join(self, a: Value, b: Value) -> Value:
        return a | b


class Exactly(Members):
    """One fixed value, such as a text that a law prescribes; held as the set of all that were asked for."""

    def conflicts(self, value: Value) -> Iterator[str]:
        if len(value) > 1:
            yield ""


@dataclass(frozen=True, slots=True)
class Keyed(Lattice):
    """The union of items by key; an item that several ask for is the join of theirs."""

    item: Lattice

    @property
    def bottom(self) -> Value:
        return {}

    def join(self, a: Value, b: Value) -> Value:
        return {
            k: self.item.join(a[k], b[k]) if k in a and k in b else (a if k in a else b)[k]
            for k in {**a, **b}
        }

    def conflicts(self, value: Value) -> Iterator[str]:
        for name, item in value.items():
            yield from (_dotted(name, key) for key in self.item.conflicts(item))

    def causes(self, given: Sequence[Contribution], key: str = "") -> Iterator[Cause]:
        for name in sorted({name for _, value in given for name in value}):
            items = [(source, value[name]) for source, value in given if name in value]
            yield from self.item.causes(items, _dotted(key, name))


@dataclass(frozen=True, slots=True)
class Record(Lattice):
    """A fixed set of named parts, each joined by itself; a part that is missing is not asked for."""

    parts: Mapping[str, Lattice]

    @property
    def bottom(self) -> Value:
        return {name: part.bottom for name, part in self.parts.items()}

    def join(self, a: Value, b: Value) -> Value:
        return {name: part.join(a[name], b[name]) for name, part in self.parts.items()}

    def conflicts(self, value: Value) -> Iterator[str]:
        for name, part in self.parts.items():
            yield from (_dotted(name, key) for key in part.conflicts(value[name]))

    def causes(self, given: Sequence[Contribution], key: str = "") -> Iterator[Cause]:
        for name, part in self.parts.items():
            yield from part.causes([(source, value[name]) for source, value in given], _dotted(key, name))


def _dotted(key: str, below: str) -> str:
    return f"{key}.{below}" if key and below else key or below
