"""Splicing: the named strings change, every other byte stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.wire.errors import WireError
from bylaw.wire.splice import splice, step
from bylaw.wire.strict_json import parse

NUMBERS = st.sampled_from(["1.50", "-0", "1E+2", "12345678901234567890", "0.1e-7"])
KEYS = st.text(st.sampled_from('a"\\\u00e9@keyjson'), max_size=5)
TEXTS = st.text(st.sampled_from('ab"\\\n\u00e9\U0001f642 {}[],:'), max_size=6)
TREES = st.recursive(
    NUMBERS.map(lambda n: ("raw", n)) | TEXTS.map(lambda t: ("text", t)),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda v: ("list", v))
        | st.dictionaries(KEYS, inner, max_size=3).map(lambda v: ("dict", v))
        | inner.map(lambda v: ("json", v))
    ),
    max_leaves=10,
)


def write(tree, space: str, ascii_: bool, path=(), changes=None) -> str:
    """JSON text of a tree, with the changed texts as `splice` quotes them."""
    kind, value = tree
    if kind == "raw":
        return value
    if kind == "text":
        changed = changes is not None and path in changes
        return json.dumps(changes[path] if changed else value, ensure_ascii=ascii_ and not changed)
    if kind == "list":
        inner = [write(v, space, ascii_, (*path, i), changes) for i, v in enumerate(value)]
        return "[" + space + ("," + space).join(inner) + space + "]"
    if kind == "dict":
        inner = [
            json.dumps(k, ensure_ascii=ascii_)
            + space
            + ":"
            + space
            + write(v, space, ascii_, (*path, step(k)), changes)
            for k, v in value.items()
        ]
        return "{" + space + ("," + space).join(inner) + space + "}"
    return json.dumps(write(value, space, ascii_, (*path, "@json"), changes), ensure_ascii=False)


def leaves(tree, path=()):
    kind, value = tree
    if kind == "text":
        yield path
    elif kind == "list":
        for i, v in enumerate(value):
            yield from leaves(v, (*path, i))
    elif kind == "dict":
        for k, v in value.items():
            yield from leaves(v, (*path, step(k)))
    elif kind == "json":
        yield from leaves(value, (*path, "@json"))


@given(TREES, st.sampled_from(["", " ", "\n\t"]), st.booleans(), st.data())
def test_only_the_named_tokens_change(tree, space, ascii_, data):
    paths = list(leaves(tree))
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True)) if paths else []
    changes = {path: data.draw(TEXTS) for path in chosen}
    body = write(tree, space, ascii_).encode()
    assert write(tree, space, ascii_, changes=changes).encode() == splice(body, changes)


@given(TREES, st.data())
def test_parsing_the_result_gives_the_changed_values(tree, data):
    paths = [path for path in leaves(tree) if "@json" not in path]
    changes = (
        {path: data.draw(TEXTS) for path in data.draw(st.lists(st.sampled_from(paths), unique=True))}
        if paths
        else {}
    )
    expected = json.loads(write(tree, " ", True, changes=changes))
    assert expected == parse(splice(write(tree, " ", True).encode(), changes))


def test_renames_a_key_and_changes_the_value_under_it():
    body = b'{"a": {"max@x.org": "y", "n": 1.0}}'
    changes = {("a", "max@x.org", "@key"): "<E>", ("a", "max@x.org"): "z"}
    assert b'{"a": {"<E>": "z", "n": 1.0}}' == splice(body, changes)


def test_renamed_keys_never_shadow_another():
    body = b'{"a":1,"b":2,"<E>":3}'
    assert b'{"<E>_2":1,"<E>_3":2,"<E>":3}' == splice(body, {("a", "@key"): "<E>", ("b", "@key"): "<E>"})


def test_keys_in_nested_json_are_renamed_too():
    body = json.dumps({"arguments": '{"p@x": [1, "s"]}'}).encode()
    out = splice(body, {("arguments", "@json", "p@x", "@key"): "K", ("arguments", "@json", "p@x", 1): "t"})
    assert {"arguments": '{"K": [1, "t"]}'} == json.loads(out)


def test_a_key_named_like_a_path_element_is_still_a_key():
    body = b'{"@json":"x","@key":{"@key":"y"}}'
    assert b'{"@json":"1","@key":{"@key":"2"}}' == splice(body, {("@@json",): "1", ("@@key", "@@key"): "2"})


def test_null_replaces_any_value():
    assert b'{"a": null, "b": [1]}' == splice(b'{"a": {"x": [1, 2]}, "b": [1]}', {("a",): None})


def test_half_a_surrogate_pair_stays_escaped():
    assert b'["\\ud83d"]' == splice(b'["x"]', {(0,): "\ud83d"})


def test_the_root_may_be_the_string():
    assert b' "y" ' == splice(b' "x" ', {(): "y"})


@pytest.mark.parametrize(
    "path", [("b",), ("a", "b"), ("a", 0), ("n",), ("l", 2), ("l", "x"), ("a", "@json", "x"), ("q", "@key")]
)
def test_a_path_that_leads_nowhere_is_refused(path):
    with pytest.raises((WireError, ValueError)) as caught:
        splice(b'{"a":"1","n":2,"l":["x","y"]}', {path: "z"})
    assert "no_such_path" == getattr(caught.value, "code", "")
