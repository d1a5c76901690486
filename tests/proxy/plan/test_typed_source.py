"""YAML text -> nodes that mean what is written and are found again."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bylaw.errors import ConfigError, Place
from bylaw.plan.source import DEPTH_MAX, NODES_MAX, SOURCE_BYTES_MAX, Node, from_plain, parse


def plain(text: str):
    return parse(text, "f").plain()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("''", ""),
        ("'true'", "true"),
        ('"1"', "1"),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("2026-09-01", "2026-09-01"),
        ("=", "="),
        ("0b11", "0b11"),
        ("+1", 1),
        ("1" * 65, "1" * 65),
        ("|\n  12\n", "12\n"),
        (">\n  true\n", "true\n"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text, expected):
    found = plain(f"key: {text}")["key"]
    assert (expected, type(expected)) == (found, type(found))


def test_norway_is_a_country():
    assert {"default": ["NO", "EU"], "NO": 1} == plain("default: [NO, EU]\nNO: 1")


def test_every_value_knows_its_line_and_key():
    root = parse("a: 1\nb:\n  - x\n  - c: 2\n    d:\n      e: 3\n", "/etc/f.yaml", line=10)
    paths = [("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "d"), ("b", 1, "d", "e")]
    assert [
        "/etc/f.yaml:11: a",
        "/etc/f.yaml:12: b",
        "/etc/f.yaml:13: b[0]",
        "/etc/f.yaml:14: b[1].c",
        "/etc/f.yaml:15: b[1].d",
        "/etc/f.yaml:16: b[1].d.e",
    ] == [str(root.find(*path).place) for path in paths]


def test_what_is_not_there_is_pointed_at_where_it_should_be():
    root = parse("a:\n  b: [1]", "f")
    paths = [("a", "x"), ("a", "b", 1), ("a", "b", "x"), ("z", "y"), ("a", "b", -1)]
    assert ["a", "a.b", "a.b", "", "a.b"] == [root.find(*path).place.key for path in paths]
    assert [None] * 5 == [root.get(*path) for path in paths]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "---\n...\n"])
def test_an_empty_document_is_none(text):
    assert None is plain(text)


def test_a_byte_order_mark_is_not_text():
    assert {"a": 1} == plain("\ufeffa: 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: a: key `a` is given twice (first in line 1)"),
        ("x:\n  a: 1\n  'a': 3", "f:3: x.a: key `a` is given twice (first in line 2)"),
        ("a: &big [1]\nb: *big", "f:1: a: anchors (`&big`) are not supported; write the value out"),
        ("a: *big", "f:1: a: aliases (`*big`) are not supported; write the value out"),
        ("&k a: 1", "f:1: anchors (`&k`) are not supported; write the value out"),
        ("<<: {a: 1}", "f:1: merge keys (`<<`) are not supported; write the values out"),
        ("a: !!str 1", "f:1: a: tags (`!...`) are not supported; quote the value if it is text"),
        (
            "a: !!python/object:os.system x",
            "f:1: a: tags (`!...`) are not supported; quote the value if it is text",
        ),
        ("!x a: 1", "f:1: tags (`!...`) are not supported; quote the value if it is text"),
        ("? [a]\n: 1", "f:1: a key must be text"),
        (": 1", "f:1: a key must be text"),
        ("a: 1\n---\nb: 1", "f:2: only one document a file is read; remove `---`"),
        ("%YAML 1.1\n---\na: 1", "f:2: only YAML 1.2 is read; remove `%YAML`"),
        (
            "a: [1",
            "f:1: not valid YAML: expected ',' or ']', but got '<stream end>', while parsing a flow sequence",
        ),
        ("a: b: c", "f:1: not valid YAML: mapping values are not allowed here"),
        (
            "a: 1\n\tb: 2",
            "f:2: not valid YAML: found character '\\t' that cannot start any token,"
            " while scanning for the next token",
        ),
        (
            'a: "\\ud83d\\ude00"',
            "f:1: a: an escape here is half of a character (a surrogate); write the character",
        ),
        ("a: 1\nb: \x01", "f:2: not valid YAML: special characters are not allowed"),
    ],
)
def test_a_mistake_has_file_line_and_reason(text, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert message == str(caught.value)


def test_a_quoted_merge_key_is_a_key():
    assert {"<<": 1} == plain("'<<': 1")


def test_an_escape_that_is_no_character_is_an_error_and_not_a_crash():
    with pytest.raises(ConfigError, match="f: not valid YAML"):
        parse('a: "\\UFFFFFFFF"', "f")


def test_depth_is_bounded():
    text = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert isinstance(parse(text, "f").value, list)
    with pytest.raises(ConfigError, match=f"nested deeper than {DEPTH_MAX} levels"):
        parse(f"[{text}]", "f")


def test_size_is_bounded_in_bytes():
    with pytest.raises(ConfigError, match=f"f: larger than {SOURCE_BYTES_MAX} bytes"):
        parse("#" + "\u00e9" * (SOURCE_BYTES_MAX // 2), "f")


def test_the_number_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr("bylaw.plan.source.NODES_MAX", 10)
    assert 9 == len(plain("\n".join(f"k{n}: 1" for n in range(9))))
    with pytest.raises(ConfigError, match="f:10: k9: more than 10 values in one file"):
        parse("\n".join(f"k{n}: 1" for n in range(10)), "f")
    assert NODES_MAX > 100_000


def test_plain_values_can_be_wrapped_and_taken_out_again():
    value = {"a": [1, "x", None, {"b": True}], "c": 1.5}
    node = from_plain(value, Place("options"))
    assert value == node.plain()
    assert "options: a[3].b" == str(node.find("a", 3, "b").place)


@pytest.mark.parametrize(
    ("value", "message"), [({1: 2}, "keys must be text, found 1"), ({"a": b"x"}, "a bytes cannot")]
)
def test_what_no_file_could_hold_cannot_be_wrapped(value, message):
    with pytest.raises(ConfigError, match=message):
        from_plain(value, Place("options"))


YAML_LIKE = st.text(
    st.sampled_from(list("ab01 :-?[]{},\n\t'\"|>&*!%#@`~.\\<=\u00e9\x00\x85\ud800")), max_size=40
)


@settings(deadline=None)
@given(YAML_LIKE)
def test_any_text_is_a_node_or_a_configuration_error(text):
    try:
        assert isinstance(parse(text, "f"), Node)
    except ConfigError as error:
        assert error.place is not None and error.place.file == "f"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Co", "Zl", "Zp"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT
TREES = st.recursive(
    SCALARS, lambda c: st.lists(c, max_size=3) | st.dictionaries(TEXT.filter(bool), c, max_size=3)
)


@settings(deadline=None)
@given(TREES)
def test_json_is_read_as_json(value):
    """YAML 1.2 contains JSON: what is written there comes back unchanged, whatever it looks like."""
    assert {"root": value} == parse(json.dumps({"root": value}, ensure_ascii=False), "f").plain()
