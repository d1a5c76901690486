"""The guard `audit`: ids that must be there, and counts instead of content."""

import pytest

from bylaw.content import Unread
from bylaw.errors import ConfigError
from bylaw.testing import assert_conforms, guard_case
from bylaw.verdict import Action
from bylaw_plugins.audit import Audit


@pytest.mark.parametrize("what", ["session", "subject"])
def test_a_missing_id_is_blocked_and_its_header_named(what):
    result = guard_case(Audit, {"require": [what]}).prompt("hello")
    assert (Action.BLOCK, f"{what}_required") == (result.action, result.code)
    assert f"Bylaw-{what.capitalize()}" in result.message


def test_an_id_that_is_there_passes():
    assert Action.ALLOW == guard_case(Audit, {"require": ["session"]}, session="s-1").prompt("hello").action


def test_an_unknown_id_is_refused():
    with pytest.raises(ConfigError, match="require"):
        guard_case(Audit, {"require": ["name"]})


def test_a_prompt_is_counted():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    result = guard_case(Audit).prompt(
        messages=messages, unread=(Unread("image"), Unread("image")), body={"tools": [{}, {}]}
    )
    expected = {
        "prompt.segments.system": 1,
        "prompt.segments.user": 1,
        "prompt.characters": 11,
        "prompt.unread.image": 2,
        "prompt.tools": 2,
    }
    assert expected == result.notes


def test_a_stream_is_counted_as_a_whole_reply_is():
    whole = guard_case(Audit).reply("Hello there").notes
    assert whole == guard_case(Audit).stream("Hello there", range(11)).notes


def test_a_stream_is_not_held():
    pieces = guard_case(Audit).stream("Hello", range(1, 6)).pieces
    assert ("H", "e", "l", "l", "o", "") == pieces


def test_tool_calls_are_counted():
    case = guard_case(Audit)
    case.tool_call("f", {})
    assert {"reply.tool_calls": 2} == case.tool_call("g", {}).notes


def test_measuring_can_be_switched_off():
    assert {} == guard_case(Audit, {"measure": False}).prompt("hello").notes


def test_the_guard_keeps_the_contract():
    assert_conforms(Audit)
