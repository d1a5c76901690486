"""The pattern engine: what is found does not depend on the cuts, and little is held."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from bylaw.spec import PatternSet, Rule
from bylaw.spec.prefix import parse, plain, prefixes


def has_even_sum(text):
    return sum(map(ord, text)) % 2 == 0


RULES = [
    Rule("email", r"\b[a-c.]+@[a-c]+\.[a-c]{2,}\b"),
    Rule("fixed", r"ab{2}c"),
    Rule("key", r"(?i)key\s*[:=]\s*([a-c1-3]{2,5})", group=1),
    Rule("number", r"\b[1-3](?: ?[1-3]){2,5}\b", validate=has_even_sum),
    Rule("near", r"\b[1-3]{2}\b", near=r"(?:é|key)"),
    Rule("open", r"BEGIN[^E]*(?:END)?"),
    Rule("line", r"(?m)^c+$"),
    Rule("lazy", r"\bcc+?b??\B"),
    Rule("apart", "x[a-c]x?", not_after="-1", not_before="-@"),
    Rule("trim", r"#[a-c1-3]+", trim=lambda text: len(text.rstrip("123"))),
]
SET = PatternSet(RULES, span_max_bytes=24)
PIECES = st.sampled_from(
    ["a", "b", "c", "1", "2", "3", " ", ".", "@", "é", "\n", "key", "KEY=", ": ", "ab", "bbc", "#", "BEGIN",
     "END", "12", "a@b.cc", "x", "-", "🙂"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def streamed(patterns, text, cuts):
    """Names and places of all hits when the text comes in pieces, the way the host gives windows."""
    hits, cleared = [], 0
    for end in [*sorted(cuts), len(text)]:
        final = end == len(text)
        start = max(0, cleared - patterns.look_behind)
        found, hold = patterns.scan(text[start:end], cleared - start, final)
        hits += [(hit.rule.name, start + hit.start, start + hit.end) for hit in found]
        cleared = end if hold is None else start + hold
        if final:
            return hits, hold
    raise AssertionError("a stream ends")


@given(TEXTS, st.data())
@settings(max_examples=400, deadline=None)
def test_hits_do_not_depend_on_cuts(text, data):
    cuts = data.draw(st.sets(st.integers(0, len(text)), max_size=len(text)))
    whole = [(hit.rule.name, hit.start, hit.end) for hit in SET.scan(text)[0]]
    assert (whole, None) == streamed(SET, text, [cut for cut in cuts if cut < len(text)])


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_hits_do_not_depend_on_cuts_character_by_character(text):
    whole = [(hit.rule.name, hit.start, hit.end) for hit in SET.scan(text)[0]]
    assert (whole, None) == streamed(SET, text, range(len(text)))


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_hits_are_in_order_and_do_not_overlap(text):
    places = [(hit.start, hit.end) for hit in SET.scan(text)[0]]
    flat = [edge for place in places for edge in place]
    assert sorted(flat) == flat


EXPRESSIONS = [
    "abc", "a|bc", "(?:ab){2,3}c", "a*b+c?", "a{2}", "a{2,}b", r"\ba\b", "(?i)ab(?-i)c", "(?i:a)b|c",
    "[^]a]b", r"[]a-c]{2}", r"[[:alpha:]b]a", r"\Qa.b\E+c", r"\x61\x{62}", r"\141b", r"\pLb",
    r"\p{Greek}?a", "(?P<n>a(b))c", "(?<n>a)+b", "a{,2}", "a{b", "x{0}ab", "(?:a|b|)c", "(a(?i)b|c)a",
    r"^a$", r"a\.b", "(?s).a.", "(?U)a+b", "[a-c]{9,12}", "(?:ab){10}",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_prefix_expression_accepts_exactly_the_prefixes(expression):
    tree = parse(expression)
    whole, open_ = re2.compile(plain(tree)), re2.compile(prefixes(tree))
    original = re2.compile(expression)
    words = [""]
    for _ in range(6):
        words += [word + char for word in words for char in "abc."] if len(words) < 1500 else []
    words = sorted(set(words))
    matching = [word for word in words if original.fullmatch(word)]
    assert matching == [word for word in words if whole.fullmatch(word)]
    for word in matching:
        for end in range(len(word) + 1):
            assert open_.fullmatch(word[:end]), (expression, word[:end])


def test_prefix_expression_rejects_what_cannot_become_a_match():
    accepted = re2.compile(prefixes(parse(r"a(?:bc){2}\d{3,4}|xy")))
    words = [
        "",
        "a",
        "ab",
        "abcb",
        "abcbc1",
        "abcbc1234",
        "x",
        "xy",
        "b",
        "abcc",
        "abcbcb",
        "abcbc12345",
        "xx",
    ]
    assert ["", "a", "ab", "abcb", "abcbc1", "abcbc1234", "x", "xy"] == [
        w for w in words if accepted.fullmatch(w)
    ]


def test_ordinary_prose_is_never_held():
    patterns = PatternSet([Rule("key", r"\bAKIA[0-9A-Z]{16}\b"), Rule("card", r"\b\d(?:[ -]?\d){12,18}\b")])
    prose = (
        "Quite ordinary prose, of the kind that a model writes all day long; nothing in it is to be hidden."
    )
    assert {None} == {patterns.scan(prose[:end], 0, False)[1] for end in range(len(prose))}


def test_only_the_possible_match_is_held():
    patterns = PatternSet([Rule("key", r"\bAKIA[0-9A-Z]{16}\b")])
    assert ([], 6) == patterns.scan("A key AKIA1234", 0, False)
    assert ([], None) == patterns.scan("A key AKIA1234!", 0, False)


def test_a_match_without_end_is_cut_at_the_bound():
    patterns = PatternSet([Rule("block", r"BEGIN[^E]*(?:END)?")], span_max_bytes=20)
    text = "BEGIN" + "x" * 100
    assert [("block", 0, 20)] == [(hit.rule.name, hit.start, hit.end) for hit in patterns.scan(text)[0]]
    hits, hold = patterns.scan(text[:21], 0, False)
    assert ([(0, 20)], None) == ([(hit.start, hit.end) for hit in hits], hold)


def test_the_longest_of_two_rules_at_one_place_wins_and_then_the_first():
    patterns = PatternSet([Rule("short", "ab"), Rule("long", "abc"), Rule("late", "abc")])
    assert [("long", 1, 4)] == [(hit.rule.name, hit.start, hit.end) for hit in patterns.scan("xabc")[0]]


def test_a_candidate_that_fails_its_check_does_not_hide_one_inside_it():
    patterns = PatternSet([Rule("n", r"\b\d{2}(?: \d{2})?\b", validate=lambda text: text == "22 33")])
    assert [(3, 8)] == [(hit.start, hit.end) for hit in patterns.scan("11 22 33")[0]]


def test_a_word_is_near_for_sixty_four_characters_and_no_longer():
    patterns = PatternSet([Rule("n", r"\b\d{3}\b", near="(?:id|é)")])
    texts = {gap: f"id{' ' * gap}123 456" for gap in (1, 58, 62, 63, 400)}
    hits = {gap: [text[hit.start : hit.end] for hit in patterns.scan(text)[0]] for gap, text in texts.items()}
    assert {1: ["123", "456"], 58: ["123", "456"], 62: ["123"], 63: [], 400: []} == hits


def test_words_far_apart_each_announce_their_own():
    patterns = PatternSet([Rule("n", r"\b\d{3}\b", near="id"), Rule("x", "x+")])
    text = ("id 123" + " " * 400 + "xx 555") * 3
    expected = ["123", "xx"] * 3
    assert expected == [text[hit.start : hit.end] for hit in patterns.scan(text)[0]]


def test_a_table_of_numbers_is_read_in_linear_time():
    patterns = PatternSet([Rule("n", r"\b\d{2,4}(?: \d{2,4}){2}\b", near="id")])
    assert ([], None) == patterns.scan("id: none" + "-" * 70 + "1234 5678 " * 30_000)


def test_positions_are_characters():
    text = "ünï 🙂 ab é ab"
    patterns = PatternSet([Rule("ab", "ab")])
    expected = [match.span() for match in re.finditer("ab", text)]
    assert expected == [(hit.start, hit.end) for hit in patterns.scan(text)[0]]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(a", "missing"),
        ("a*", "empty text"),
        (r"(?=a)b", "invalid perl operator"),
        (r"a\1", "invalid escape"),
        (
            r"(?:[a-z\pL]{1000}){1,1}[\pL\pN]{1000}[\pL\pN]{1000}[^\pL]{1000}[^\pN]{1000}[^\pS]{1000}",
            "too large",
        ),
        (r"\C\C", "half a character"),
    ],
)
def test_a_bad_expression_is_refused_with_its_rule(expression, message):
    with pytest.raises(ValueError, match=rf"rule mine: .*{message}"):
        PatternSet([Rule("mine", expression)])


def test_a_missing_group_is_refused():
    with pytest.raises(ValueError, match="rule mine: there is no group 2"):
        PatternSet([Rule("mine", "(a)", group=2)])


def test_too_many_candidates_fail_closed():
    with pytest.raises(ValueError, match="candidates"):
        PatternSet([Rule("a", "a")]).scan("a" * 20_001)
