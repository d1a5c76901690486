"""Placeholders back to originals: exact hold-back, linear time."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bylaw.verdict import Edit
from bylaw.wire.edits import apply, merge, span
from bylaw.wire.restore import Restorer

MAPPING = {"<EMAIL_1>": "a@b.c", "<EMAIL_11>": "d@e.f", "<NAME_1>": "<EMAIL_1>", "{x": "1", "{xy}": "2"}
WORDS = st.lists(st.sampled_from([*MAPPING, "<EMAIL_", "<", "{", "x", "y", "1>", " "]), max_size=12).map(
    "".join
)


@given(WORDS, st.lists(st.integers(0, 80), max_size=6))
def test_windows_restore_what_the_whole_text_restores(text, cuts):
    restorer, cleared, out = Restorer(MAPPING), 0, ""
    for end in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        final = end == len(text)
        edits, hold = restorer.edits(text[:end], final, cleared)
        to = end if hold is None or final else hold
        out += apply(text[cleared:to], [Edit(0, e.start - cleared, e.end - cleared, e.text) for e in edits])
        cleared = to
        if final:
            break
    assert restorer.apply(text) == out


def test_only_a_suffix_that_could_become_a_placeholder_is_held():
    restorer = Restorer({"<EMAIL_1>": "x"})
    assert [None, 4, 3, None] == [
        restorer.edits(text, False)[1] for text in ("abc>", "abc <", "abc<EMAIL", "abc<F")
    ]


def test_an_original_that_looks_like_a_placeholder_is_not_replaced_again():
    assert "<EMAIL_1>" == Restorer(MAPPING).apply("<NAME_1>")


def test_no_placeholders_means_no_edits():
    assert ((), None) == Restorer({}).edits("<EMAIL_1>", False)


def test_time_is_linear_in_hostile_text():
    restorer = Restorer({"<" * 50 + str(i): "x" for i in range(10, 30)})
    start = time.process_time()
    restorer.edits("<" * 200_000, True)
    assert time.process_time() - start < 2


SPANS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 2)), max_size=6)


@given(SPANS, st.randoms())
def test_merged_edits_do_not_depend_on_their_order(raw, random):
    spans = [span(Edit(0, start, start + size, str(guard)), guard) for start, size, guard in raw]
    shuffled = random.sample(spans, len(spans))
    merged = merge(spans)
    assert merged == merge(shuffled)
    covered = {i for one in spans for i in range(one.start, one.end)}
    assert covered == {i for one in merged for i in range(one.start, one.end)}
    assert all(a.end <= b.start for a, b in pairwise(merged))


def test_a_redaction_wins_over_a_reversible_one_and_an_earlier_guard_over_a_later():
    reversible = span(Edit(0, 0, 5, "R", restore=True), guard=0)
    redaction, later = span(Edit(0, 4, 8, "X"), guard=1), span(Edit(0, 7, 9, "Y"), guard=2)
    assert [(0, 9, "X")] == [(one.start, one.end, one.text) for one in merge([later, reversible, redaction])]
