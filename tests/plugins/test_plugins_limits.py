"""The guard `limits`: the first bound that is exceeded names the block, and nothing is repeated."""

import pytest

from bylaw.testing import assert_conforms, guard_case
from bylaw.verdict import Action
from bylaw_plugins.limits import Limits


@pytest.mark.parametrize(
    ("options", "request_", "code"),
    [
        ({"prompt_chars_max": 5}, {"text": "123456"}, "prompt_too_large"),
        ({"messages_max": 1}, {"messages": [{"role": "user", "content": "a"}] * 2}, "too_many_messages"),
        ({"max_tokens_max": 10}, {"body": {"max_tokens": 11}}, "too_many_tokens"),
        ({"max_tokens_max": 10}, {"body": {"max_completion_tokens": 11}}, "too_many_tokens"),
        ({"tools_max": 0}, {"body": {"tools": [{}]}}, "too_many_tools"),
        ({"models_allowed": ["gpt-4o*", "claude-?"]}, {"model": "gpt-4"}, "model_not_allowed"),
        ({"models_allowed": ["gpt-4o"]}, {"model": "GPT-4o"}, "model_not_allowed"),
        ({"models_allowed": ["gpt-4o"]}, {"model": ""}, "model_not_allowed"),
    ],
)
def test_a_request_out_of_bounds_is_blocked(options, request_, code):
    result = guard_case(Limits, options).prompt(**request_)
    assert (Action.BLOCK, code) == (result.action, result.code)


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({}, {"text": "x" * 10_000, "model": "anything"}),
        ({"prompt_chars_max": 6}, {"text": "123456"}),
        ({"messages_max": 1, "tools_max": 1}, {"body": {"tools": [{}]}}),
        ({"max_tokens_max": 10}, {"body": {"max_tokens": 10}}),
        ({"max_tokens_max": 10}, {"text": "no number named"}),
        ({"models_allowed": ["gpt-4o*"]}, {"model": "gpt-4o-mini"}),
    ],
)
def test_a_request_within_bounds_passes(options, request_):
    assert Action.ALLOW == guard_case(Limits, options).prompt(**request_).action


def test_a_message_repeats_neither_text_nor_model():
    result = guard_case(Limits, {"models_allowed": ["a"]}).prompt("private words", model="secret-model")
    assert not {"private words", "secret-model"} & {
        result.message,
        result.code,
        *map(str, result.notes.values()),
    }
    assert "secret-model" not in result.message


def test_a_negative_bound_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        guard_case(Limits, {"tools_max": -1})


def test_the_guard_keeps_the_contract():
    assert_conforms(Limits, {"prompt_chars_max": 20})
