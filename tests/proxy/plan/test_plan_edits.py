"""Two redactors cannot fight: how edits of several guards become one text, and how placeholders are given out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.content import Segment
from bylaw.plan.edits import Vault, apply_edits, merge_edits
from bylaw.testing.make import make_prompt
from bylaw.verdict import Edit
from bylaw.wire.restore import Restorer


def segments(*texts: str) -> list[Segment]:
    return [Segment(text, "user", "text", (index,)) for index, text in enumerate(texts)]


def applied(text: str, *edits: tuple[int, Edit], vault: Vault | None = None) -> str:
    return apply_edits(segments(text), edits, vault or Vault([text]))[0,]


def redact(start: int, end: int, text: str = "#", segment: int = 0) -> Edit:
    return Edit(segment, start, end, text)


def keep(start: int, end: int, label: str = "L", segment: int = 0) -> Edit:
    return Edit(segment, start, end, label, restore=True)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(0, redact(0, 2, "A")), (1, redact(4, 6, "B"))], "AcdBgh"),
        ([(0, redact(0, 4, "A")), (1, redact(2, 6, "B"))], "Agh"),
        ([(1, redact(0, 4, "A")), (0, redact(2, 6, "B"))], "Bgh"),
        ([(0, redact(0, 8, "A")), (1, redact(2, 3, "B"))], "A"),
        ([(0, redact(0, 3, "A")), (1, redact(3, 6, "B"))], "ABgh"),
        ([(0, redact(0, 4, "A")), (1, redact(3, 5, "B")), (2, redact(4, 7, "C"))], "Ah"),
        ([(0, keep(0, 4)), (1, redact(2, 6, "B"))], "Bgh"),
        ([(0, redact(0, 0, "A")), (1, redact(0, 2, "B"))], "ABcdefgh"),
        ([(0, redact(8, 8, "A")), (1, redact(6, 8, "B"))], "abcdefBA"),
        ([(0, redact(3, 3, "A")), (1, redact(2, 5, "B"))], "abBfgh"),
        ([(1, redact(0, 0, "B")), (0, redact(0, 0, "A"))], "ABabcdefgh"),
    ],
    ids=[
        "apart", "overlap", "overlap, the first in the policy gives the text", "inside", "side by side", "chain",
        "what cannot be undone beats a placeholder", "insertion before", "insertion after",
        "an insertion inside a redaction goes with it", "insertions in the order of the policy",
    ],
)  # fmt: skip
def test_edits_become_one_text(edits, expected):
    assert expected == applied("abcdefgh", *edits)


TEXT = "abcdefghijkl"
RANKED = st.lists(
    st.builds(
        lambda rank, start, size, restore: (
            rank,
            Edit(0, start, min(start + size, len(TEXT)), f"L{rank}" if restore else f"#{rank}", restore),
        ),
        st.integers(0, 3),
        st.integers(0, len(TEXT)),
        st.integers(0, 6),
        st.booleans(),
    ),
    max_size=8,
)


@given(RANKED, st.randoms(use_true_random=False))
def test_the_order_in_which_edits_arrive_makes_no_difference(edits, chance):
    turned = list(edits)
    chance.shuffle(turned)
    assert merge_edits(edits) == merge_edits(turned)


@given(RANKED)
def test_merged_edits_cover_every_edited_character_once_and_no_other(edits):
    merged = merge_edits(edits)
    covered = [at for edit in merged for at in range(edit.start, edit.end)]
    assert sorted({at for _, edit in edits for at in range(edit.start, edit.end)}) == covered


@given(RANKED)
def test_no_edited_character_stays(edits):
    gone = {TEXT[at] for _, edit in edits for at in range(edit.start, edit.end)}
    left = apply_edits(segments(TEXT), edits, Vault()).get((0,), TEXT)
    assert not gone & set(left)
    assert [c for c in TEXT if c not in gone] == [c for c in left if c in TEXT]


@given(RANKED)
def test_a_placeholder_stands_only_where_nothing_irreversible_overlaps(edits):
    redacted = {at for _, e in edits if not e.restore for at in range(e.start, e.end)}
    kept = [e for e in merge_edits(edits) if e.restore]
    assert not [e for e in kept if redacted & set(range(e.start, e.end))]


def test_edits_of_several_segments_stay_apart():
    changes = apply_edits(
        segments("one", "two"), [(0, redact(0, 1, "O", 1)), (0, redact(2, 3, "E"))], Vault()
    )
    assert {(0,): "onE", (1,): "Owo"} == changes


def test_the_same_value_gets_the_same_token_and_another_value_another():
    text = "ann bob ann"
    edits = [(0, keep(0, 3, "NAME")), (0, keep(4, 7, "NAME")), (0, keep(8, 11, "NAME"))]
    vault = Vault([text])
    assert "<NAME_1> <NAME_2> <NAME_1>" == applied(text, *edits, vault=vault)
    assert {"<NAME_1>": "ann", "<NAME_2>": "bob"} == vault.originals


def test_labels_count_by_themselves():
    assert "<A_1><B_1>" == applied("xy", (0, keep(0, 1, "A")), (0, keep(1, 2, "B")))


def test_a_token_that_stands_in_the_prompt_is_never_given_out():
    text = "write <NAME_1> and <NAME_3>: ann bob"
    done = applied(text, (0, keep(29, 32, "NAME")), (0, keep(33, 36, "NAME")))
    assert "write <NAME_1> and <NAME_3>: <NAME_2> <NAME_4>" == done


@given(st.lists(st.integers(1, 12), max_size=8), st.integers(1, 12))
def test_whatever_is_planted_tokens_are_fresh_and_different(planted, values):
    vault = Vault([" ".join(f"<X_{number}>" for number in planted)])
    tokens = [vault.token("X", str(value)) for value in range(values)]
    assert values == len(set(tokens))
    assert not set(tokens) & {f"<X_{number}>" for number in planted}


def test_a_conversation_that_goes_on_keeps_its_tokens():
    def turn(*texts: str) -> dict[str, str]:
        prompt = make_prompt(messages=[{"role": "user", "content": text} for text in texts])
        vault = Vault([segment.text for segment in prompt.segments])
        edits = [
            (0, keep(at, at + 3, "NAME", index))
            for index, text in enumerate(texts)
            for name in ("ann", "bob")
            if (at := text.find(name)) >= 0
        ]
        apply_edits(prompt.segments, edits, vault)
        return vault.originals

    assert {"<NAME_1>": "bob"} == turn("hi bob")
    assert {"<NAME_1>": "bob", "<NAME_2>": "ann"} == turn("hi bob", "who is ann?")


@given(st.text(alphabet="ab <>_1X", max_size=30), RANKED)
def test_a_reply_that_repeats_the_prompt_gives_the_caller_its_own_words_back(noise, edits):
    text = TEXT + noise
    vault = Vault([text])
    only_kept = [(rank, Edit(0, e.start, e.end, "X", restore=True)) for rank, e in edits if e.end > e.start]
    sent = apply_edits(segments(text), only_kept, vault).get((0,), text)
    assert text == Restorer(vault.originals).apply(sent)


def test_placeholders_take_time_linear_in_the_prompt():
    words = [f"w{number:06d}" for number in range(20_000)]
    text = " ".join(words)
    edits = [(0, keep(at * 8, at * 8 + 7, "W")) for at in range(len(words))]
    begin = time.process_time()
    vault = Vault([text])
    apply_edits(segments(text), edits, vault)
    assert 20_000 == len(vault.originals)
    assert time.process_time() - begin < 1.5
