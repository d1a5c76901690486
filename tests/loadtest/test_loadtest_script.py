"""Scripts are refused by name, and cutting texts never changes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw_loadtest.scripted.script import Script, overlay, overlay_json, script_header
from bylaw_loadtest.scripted.script_fields import FIELDS, ScriptError
from bylaw_loadtest.scripted.text import cut, cut_arguments, generated


def test_every_field_of_a_script_has_a_check():
    assert frozenset(Script.__dataclass_fields__) == FIELDS


def test_an_unknown_field_names_the_nearest_one():
    with pytest.raises(ScriptError) as refused:
        Script.of(reset_after_event=3)
    assert "unknown script field 'reset_after_event', did you mean 'reset_after_events'?" == str(
        refused.value
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("answer", 5),
        ("answer", []),
        ("words", "many"),
        ("words", True),
        ("tool_calls", [{"name": "f"}]),
        ("chunks", "line"),
        ("chunks", [0]),
        ("ascii", 1),
        ("status", 42),
        ("encoding", "lzma"),
        ("malformed", "json"),
        ("first_delay_ms", -1),
        ("headers", [["only-a-name"]]),
        ("reset_after_events", -2),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_the_field(field, value):
    with pytest.raises(ScriptError, match=f"script field '{field}'"):
        Script.of(**{field: value})


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff"])
def test_a_header_that_is_no_json_object_is_refused(text):
    with pytest.raises(ScriptError):
        overlay_json(Script(), text)


def test_a_header_overrides_only_the_fields_it_names():
    base = Script.of(words=5, seed=3)
    assert Script.of(words=5, seed=9) == overlay_json(base, b'{"seed": 9}')


def test_a_given_source_of_text_replaces_the_others():
    base = Script.of(words=5, echo_prompt=True, seed=3)
    assert Script.of(answer="a", seed=3) == overlay(base, {"answer": "a"})


def test_the_script_header_is_ascii_and_reads_back():
    given_fields = {"answer": "schöne Grüße 😀", "chunks": [1, 2]}
    header = script_header(**given_fields)["X-Script"]
    assert header.isascii()
    assert overlay(Script(), given_fields) == overlay_json(Script(), header.encode())


@given(st.text(), st.one_of(st.sampled_from(["word", "char"]), st.lists(st.integers(1, 9), min_size=1)))
def test_cut_texts_join_to_the_text(text, chunks):
    chunks = tuple(chunks) if isinstance(chunks, list) else chunks
    assert text == "".join(cut(text, chunks))
    assert text == "".join(cut_arguments(text, chunks))


def test_generated_words_are_a_function_of_the_seed():
    assert generated(20, 1) == generated(20, 1)
    assert generated(20, 1) != generated(20, 2)
    assert 20 == len(generated(20, 1).split())
