"""`bylaw.plan.facts`: what is not known never releases anybody."""

from datetime import date

import pytest

from bylaw.errors import ConfigError, Place
from bylaw.plan.facts import Facts, Match, match, read_facts
from bylaw.plan.source import from_plain, parse

COMPANION = {"purpose": ("companion",)}


def test_facts_are_words_or_lists_of_words():
    node = parse("role: deployer\npurpose: [companion, commerce]\nplaced_on_market: 2026-09-01\n", "c.yaml")
    known = {"role": frozenset({"deployer"}), "purpose": frozenset({"companion", "commerce"})}
    assert Facts(known, date(2026, 9, 1)) == read_facts(node)


def test_no_facts_at_all_is_a_deployment_of_which_nothing_is_known():
    assert Facts() == read_facts(parse("", "c.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("role: deployr\n", "deployer"),
        ("purpos: companion\n", "purpose"),
        ("purpose: []\n", "empty list"),
        ("purpose: 3\n", "expected a word"),
        ("placed_on_market: soon\n", "placed_on_market"),
        ("- role\n", "role: deployer"),
    ],
)
def test_a_misspelt_fact_is_refused_as_it_would_switch_rows_off(text, words):
    with pytest.raises(ConfigError, match=words):
        read_facts(parse(text, "c.yaml"))


def test_models_on_file_are_free_words():
    facts = read_facts(from_plain({"filed_models": ["m-1"]}, Place("x")))
    assert frozenset({"m-1"}) == facts.known["filed_models"]


def test_an_unknown_fact_holds_and_is_named():
    assert Match(True, assumed=("purpose",)) == match(COMPANION, {}, Facts())


def test_an_unknown_fact_does_not_release():
    assert Match(True, assumed=("purpose",)) == match({}, COMPANION, Facts())


def test_one_value_of_several_is_enough_to_apply():
    assert Match(True) == match(COMPANION, {}, Facts({"purpose": frozenset({"companion", "commerce"})}))


def test_another_value_does_not_apply_and_says_why():
    found = match(COMPANION, {}, Facts({"purpose": frozenset({"coding"})}))
    assert Match(False, "purpose is coding; the row is for companion") == found


def test_a_release_needs_every_value_to_be_released():
    both = Facts({"purpose": frozenset({"companion", "commerce"})})
    only = Facts({"purpose": frozenset({"companion"})})
    assert (True, False) == (match({}, COMPANION, both).holds, match({}, COMPANION, only).holds)
