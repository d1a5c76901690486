"""The guard `patterns`: the operator's own expressions."""

import pytest

from bylaw.errors import ConfigError
from bylaw.testing import assert_conforms, assert_cut_invariant, guard_case
from bylaw.verdict import Action
from bylaw_plugins.patterns import Patterns

RULES = [
    {"name": "project", "expression": r"(?i)\bproject falcon\b", "replacement": "[internal]"},
    {"name": "badge", "expression": r"\bB-\d{4}\b"},
    {"name": "threat", "expression": "bomb-[a-z]+", "action": "block"},
    {"name": "brand", "expression": "Acme", "action": "flag"},
]
OPTIONS = {"rules": RULES}


def test_each_rule_does_what_it_says():
    case = guard_case(Patterns, OPTIONS)
    assert "[internal] of [BADGE]" == case.prompt("Project Falcon of B-1234").text
    assert (Action.FLAG, "Acme") == (case.reply("Acme").action, case.reply("Acme").text)


def test_a_block_wins_over_all_and_names_no_content():
    result = guard_case(Patterns, OPTIONS).prompt("Acme B-1234 bomb-making")
    assert (Action.BLOCK, "pattern_matched", ()) == (result.action, result.code, result.texts)
    assert "bomb" not in result.message


def test_a_rule_can_be_bound_to_channels():
    options = {"rules": [{"name": "x", "expression": "abc", "channels": ["reasoning"]}]}
    case = guard_case(Patterns, options)
    assert ("abc", "[X]") == (case.stream("abc").text, case.again().stream("abc", channel="reasoning").text)


def test_a_replacement_may_be_empty():
    options = {"rules": [{"name": "x", "expression": "abc", "replacement": ""}]}
    assert "--" == guard_case(Patterns, options).prompt("-abc-").text


def test_a_stream_is_edited_however_it_is_cut():
    assert_cut_invariant(guard_case(Patterns, OPTIONS).guard, "Acme's project Falcon has B-1234 and B-12345.")


def test_tool_arguments_are_edited():
    assert ("q", "[internal]") == guard_case(Patterns, OPTIONS).tool_call("f", {"q": "project falcon"}).texts


def test_no_rules_do_nothing():
    assert "abc" == guard_case(Patterns).prompt("abc").text


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"name": "open", "expression": "(a"}], "rule open: missing"),
        ([{"name": "look", "expression": "(?=a)"}], "rule look: invalid perl operator"),
        ([{"name": "empty", "expression": "a*"}], "rule empty: the expression matches the empty text"),
        ([{"name": "a b", "expression": "a"}], "rule 'a b': a name has"),
        (
            [{"name": "x", "expression": "a"}, {"name": "x", "expression": "b"}],
            "two rules have the same name",
        ),
        ([{"name": "x", "expression": "a", "channels": ["txt"]}], "rule x: unknown channel 'txt'"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(rules, message):
    with pytest.raises(ValueError) as caught:
        guard_case(Patterns, {"rules": rules})
    assert message in str(caught.value)


def test_an_unknown_action_is_refused():
    with pytest.raises(ConfigError, match="action"):
        guard_case(Patterns, {"rules": [{"name": "x", "expression": "a", "action": "drop"}]})


def test_the_guard_keeps_the_contract():
    assert_conforms(Patterns, OPTIONS, ["Project Falcon", "bomb-making", "B-1234"])
