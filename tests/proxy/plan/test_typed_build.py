"""Nodes -> dataclasses: nothing coerced, nothing ignored, every mistake with its place."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest

from bylaw.errors import ConfigError, Place
from bylaw.plan.source import Node, parse
from bylaw.plan.typed import build, nearest
from bylaw.verdict import Action

if TYPE_CHECKING:
    from decimal import Decimal


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Hidden:
    """Text that must not be repeated."""

    EXPECTED = "a hidden word"
    word: str
    place: Place = field(default=Place(""))

    @classmethod
    def from_text(cls, text):
        if not text.startswith("h"):
            raise ValueError("a hidden word begins with h")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Inner:
    n: int
    ratio: float = 0.5

    def __post_init__(self):
        if self.n < 0:
            raise ValueError("n is negative")


@dataclass(frozen=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    place: Place = field(default=Place("nowhere"), kw_only=True)
    made: int = field(default=0, init=False)


@dataclass
class Kinds:
    text: str = ""
    whole: int = 0
    number: float = 0.0
    flag: bool = False
    nothing: None = None
    maybe: Optional[int] = None  # noqa: UP045 - plugins write it so
    choice: Literal["a", "b", 1, True] = "a"
    mood: Mood = Mood.GOOD
    action: Action = Action.ALLOW
    day: date = date(2026, 1, 1)
    path: Path = Path("x")
    listed: list[int] = field(default_factory=list)
    bare: list = field(default_factory=list)
    pair: tuple[int, str] = (0, "")
    unique: frozenset[str] = frozenset()
    changing: set[int] = field(default_factory=set)
    several: Sequence[str] = ()
    names: dict[str, int] = field(default_factory=dict)
    moods: dict[Mood, int] = field(default_factory=dict)
    either: int | list[str] | Inner = 0
    hidden: Hidden | None = None
    anything: Any = None
    raw: Node | None = None
    renamed: int = field(default=0, metadata={"key": "from"})


def kinds(text: str) -> Kinds:
    return build(Kinds, parse(text, "/etc/f.yaml"))


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("text: NO", "text", "NO"),
        ("text: ''", "text", ""),
        ("whole: 7", "whole", 7),
        ("number: 7", "number", 7.0),
        ("number: 0.5", "number", 0.5),
        ("flag: true", "flag", True),
        ("nothing: null", "nothing", None),
        ("maybe: null", "maybe", None),
        ("maybe: 3", "maybe", 3),
        ("choice: b", "choice", "b"),
        ("choice: 1", "choice", 1),
        ("choice: true", "choice", True),
        ("mood: bad", "mood", Mood.BAD),
        ("action: block", "action", Action.BLOCK),
        ("day: 2026-09-01", "day", date(2026, 9, 1)),
        ("path: /a/b", "path", Path("/a/b")),
        ("path: ./b", "path", Path("/etc/b")),
        ("listed: [1, 2]", "listed", [1, 2]),
        ("bare: [1, x]", "bare", [1, "x"]),
        ("pair: [1, x]", "pair", (1, "x")),
        ("unique: [a, b]", "unique", frozenset("ab")),
        ("changing: [1]", "changing", {1}),
        ("several: [a]", "several", ("a",)),
        ("names: {NO: 1}", "names", {"NO": 1}),
        ("moods: {bad: 1}", "moods", {Mood.BAD: 1}),
        ("either: 3", "either", 3),
        ("either: [a]", "either", ["a"]),
        ("either: {n: 1}", "either", Inner(1)),
        ("anything: {a: [1]}", "anything", {"a": [1]}),
        ("from: 3", "renamed", 3),
    ],
)
def test_a_value_that_is_written_as_expected_is_taken(text, name, expected):
    found = getattr(kinds(text), name)
    assert (expected, type(expected)) == (found, type(found))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text: 1", "text: expected text, found the number 1"),
        ("text: true", "text: expected text, found `true`"),
        ("text: null", "text: expected text, found nothing"),
        ("text: [a]", "text: expected text, found a list"),
        ("whole: 1.0", "whole: expected a whole number, found the number 1.0"),
        ("whole: true", "whole: expected a whole number, found `true`"),
        ("whole: '1'", 'whole: expected a whole number, found the text "1"'),
        ("number: .nan", "number: expected a number, found the number nan"),
        ("number: .inf", "number: expected a number, found the number inf"),
        ("number: true", "number: expected a number, found `true`"),
        ("number: 1_000", 'number: expected a number, found the text "1_000"'),
        ("flag: yes", 'flag: expected true or false, found the text "yes"'),
        ("flag: 1", "flag: expected true or false, found the number 1"),
        ("nothing: 1", "nothing: expected nothing, found the number 1"),
        ("maybe: x", 'maybe: expected a whole number, found the text "x"'),
        ("choice: c", 'choice: expected one of `a`, `b`, `1`, `true`, found the text "c"'),
        ("choice: 2", "choice: expected one of `a`, `b`, `1`, `true`, found the number 2"),
        ("mood: GOOD", 'mood: expected one of `good`, `bad`, found the text "GOOD"'),
        ("action: 3", "action: expected one of `allow`, `flag`, `edit`, `block`, found the number 3"),
        ("day: 2026-13-01", 'day: expected a date (YYYY-MM-DD), found the text "2026-13-01"'),
        ("day: 20260901", "day: expected a date (YYYY-MM-DD), found the number 20260901"),
        ("day: 2026-W01-1", 'day: expected a date (YYYY-MM-DD), found the text "2026-W01-1"'),
        ("path: ''", 'path: expected a path, found the text ""'),
        ("listed: 1", "listed: expected a list, found the number 1"),
        ("listed: {a: 1}", "listed: expected a list, found a mapping"),
        ("listed: [1, x]", 'listed[1]: expected a whole number, found the text "x"'),
        ("pair: [1]", "pair: expected a list of exactly 2, found a list"),
        ("unique: [a, b, a]", 'unique[2]: the text "a" is listed twice'),
        ("names: [a]", "names: expected a mapping, found a list"),
        ("names: {a: x}", 'names.a: expected a whole number, found the text "x"'),
        ("moods: {ugly: 1}", 'moods.ugly: expected one of `good`, `bad`, found the text "ugly"'),
        ("either: x", 'either: expected a whole number or a list or a mapping, found the text "x"'),
        ("either: [1]", "either[0]: expected text, found the number 1"),
        ("either: {m: 1}", "either.m: unknown key. Valid keys: n, ratio"),
        ("either: {n: -1}", "either: n is negative"),
        ("hidden: secret", "hidden: a hidden word begins with h"),
        ("hidden: 12345", "hidden: expected a hidden word, found something else (quotes make it text)"),
        ("hidden: [secret]", "hidden: expected a hidden word, found a list"),
        ("hidden: {secret: 1}", "hidden: expected a hidden word, found a mapping"),
        ("renamed: 1", "renamed: unknown key, did you mean `names`? Valid keys: text, "),
        ("form: 1", "form: unknown key, did you mean `from`? Valid keys: text, "),
        ("whole: " + "x" * 100, f'whole: expected a whole number, found the text "{"x" * 60}..."'),
    ],
)
def test_a_value_that_is_not_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        kinds(text)
    assert str(caught.value).startswith(f"/etc/f.yaml:1: {message}")


def test_all_mistakes_are_reported_in_the_order_of_the_file():
    text = "many:\n  - {n: x}\n  - {n: 1, rato: 2}\n  - {}\nby_name:\n  a: {n: -1}\nthing: 1\n"
    with pytest.raises(ConfigError) as caught:
        build(Outer, parse(text, "f"))
    assert [
        "f:1: missing `inner`",
        'f:2: many[0].n: expected a whole number, found the text "x"',
        "f:3: many[1].rato: unknown key, did you mean `ratio`? Valid keys: n, ratio",
        "f:4: many[2]: missing `n`",
        "f:6: by_name.a: n is negative",
        "f:7: thing: unknown key. Valid keys: inner, many, by_name",
    ] == str(caught.value).splitlines()
    assert Place("f", 1, "") == caught.value.place


def test_a_flood_of_mistakes_is_cut():
    with pytest.raises(ConfigError) as caught:
        build(list[int], parse("[" + "x," * 50 + "]", "f"))
    assert (21, "and 30 more") == (len(lines := str(caught.value).splitlines()), lines[-1])


def test_a_place_is_filled_in_and_is_no_key():
    outer = build(Outer, parse("\n\ninner: {n: 1}", "f"))
    assert (Place("f", 3), Inner(1)) == (outer.place, outer.inner)
    with pytest.raises(ConfigError, match="f:1: place: unknown key"):
        build(Outer, parse("{inner: {n: 1}, place: x}", "f"))
    with pytest.raises(ConfigError, match="f:1: made: unknown key"):
        build(Outer, parse("{inner: {n: 1}, made: 1}", "f"))


def test_a_class_that_reads_text_gets_its_place():
    assert Hidden("hi", Place("/etc/f.yaml", 1, "hidden")) == kinds("hidden: hi").hidden


def test_a_node_is_left_for_later():
    assert Place("/etc/f.yaml", 2, "raw.a") == kinds("raw:\n  a: 1").raw.find("a").place


def test_a_plain_mapping_will_do():
    assert Outer(Inner(1), (Inner(2, 1.0),), place=Place("options")) == build(
        Outer, {"inner": {"n": 1}, "many": ({"n": 2, "ratio": 1},)}
    )
    with pytest.raises(ConfigError, match=r"^options: many\[0\].n: expected a whole number, found `true`$"):
        build(Outer, {"inner": {"n": 1}, "many": [{"n": True}]})


def test_a_path_of_a_plain_mapping_stays_as_it_is():
    assert Path("a/b") == build(Kinds, {"path": "a/b"}).path


def test_a_section_with_nothing_in_it_is_a_mistake_and_not_a_default():
    with pytest.raises(ConfigError, match="f:1: inner: expected a mapping, found nothing"):
        build(Outer, parse("inner:\n", "f"))


@dataclass
class Unresolved:
    amount: Decimal


@dataclass
class Unsupported:
    data: bytes = b""


def test_an_annotation_that_cannot_be_resolved_is_named():
    with pytest.raises(ConfigError, match="annotations of Unresolved cannot be resolved: name 'Decimal'"):
        build(Unresolved, {"amount": 1})


def test_an_annotation_that_is_not_supported_is_named():
    with pytest.raises(
        ConfigError, match=r"options: data: the annotation <class 'bytes'> .* is not supported"
    ):
        build(Unsupported, {"data": "x"})


@pytest.mark.parametrize(
    ("word", "hint"),
    [("upstrem", ", did you mean `upstream`?"), ("zzz", "."), ("Route", ", did you mean `route`?")],
)
def test_the_nearest_word_is_offered_if_there_is_one(word, hint):
    assert hint == nearest(word, ["upstream", "route"])
