"""The kit for plugin authors: it does what the proxy does, and it catches those who break the contract."""

import asyncio
from dataclasses import dataclass

import pytest

from bylaw.errors import ConfigError
from bylaw.spec import Action, Edit, Finding, Guard, Reply, Verdict, Window, impl
from bylaw.testing import (
    assert_conforms,
    assert_cut_invariant,
    conformance,
    guard_case,
    make_exchange,
    make_prompt,
    make_reply,
    make_tool_call,
)


@dataclass(frozen=True)
class WordOptions:
    word: str = "lion"


class Word(Guard):
    """Replaces a word, and holds what could become it."""

    name = "word"
    Options = WordOptions
    look_behind = 0

    @impl
    def inspect_window(self, exchange, window):
        word = self.options.word
        edits, at = [], window.text.find(word, window.fresh)
        while at >= 0:
            edits.append(Edit(0, at, at + len(word), "***"))
            at = window.text.find(word, at + len(word))
        ends = [size for size in range(1, len(word)) if window.text.endswith(word[:size])]
        return Verdict.edit(edits, hold=len(window.text) - max(ends) if ends else None)


class Naive(Word):
    """As `Word`, but forgets to hold."""

    name = "naive"

    @impl
    def inspect_window(self, exchange: object, window: Window):
        at = window.text.find("lion", window.fresh)
        return None if at < 0 else Verdict.edit([Edit(0, at, at + 4, "***")])


class Whole(Guard):
    """Blocks a whole reply, asynchronously."""

    name = "whole"

    @impl
    async def inspect_reply(self, exchange: object, reply: Reply):
        await asyncio.sleep(0)
        long = any("lion" in segment.text for segment in reply.segments)
        return Verdict.block("lion_found", "There is a lion.") if long else None


class Forgetful(Guard):
    """Keeps something of an exchange on itself."""

    name = "forgetful"

    @impl
    def inspect_window(self, exchange, window):
        self.seen = window.text


class Chatty(Guard):
    """Repeats content in a note."""

    name = "chatty"

    @impl
    def inspect_request(self, exchange, prompt):
        return Verdict.allow(notes={"said": prompt.segments[-1].text})


class Stray(Guard):
    """Points outside of the text."""

    name = "stray"

    @impl
    def inspect_request(self, exchange, prompt):
        return Verdict.flag([Finding("x", 0, 0, 10_000)])


def problems(cls, texts=()):
    return {
        check.name.split(":")[0]: check.problem for check in conformance(cls, texts=texts) if check.problem
    }


def test_a_whole_reply_and_a_stream_come_out_alike():
    case = guard_case(Word)
    assert ("a *** here", "a *** here") == (
        case.reply("a lion here").text,
        case.stream("a lion here", [4]).text,
    )


def test_pieces_show_what_was_held():
    assert ("a ", "", "*** h", "") == guard_case(Word).stream("a lion h", [3, 4, 8]).pieces


def test_a_guard_of_whole_replies_gets_a_stream_when_it_is_complete():
    case = guard_case(Whole)
    result = case.stream("a lion", [2, 4])
    assert (Action.BLOCK, "lion_found", "There is a lion.", "") == (
        result.action, result.code, result.message, result.text,
    )  # fmt: skip
    assert Action.BLOCK == case.tool_call("f", {"q": "lion"}).action


async def test_an_async_guard_can_be_tried_inside_of_a_loop():
    assert Action.BLOCK == guard_case(Whole).reply("lion").action


def test_options_are_read_as_a_policy_would_give_them():
    assert "*** x" == guard_case(Word, {"word": "cat"}).reply("cat x").text
    assert "*** x" == guard_case(Word, WordOptions("cat")).reply("cat x").text


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match="did you mean `word`"):
        guard_case(Word, {"wrod": "cat"})


def test_facts_reach_the_exchange():
    assert "s-1" == guard_case(Word, session="s-1").exchange.session
    assert {"US-CA"} == make_exchange(jurisdictions=frozenset({"US-CA"})).jurisdictions


def test_prompts_and_replies_are_made_from_texts():
    prompt = make_prompt(messages=[{"role": "tool", "content": "x"}], model="m")
    assert ("tool", False, "m") == (prompt.segments[0].role, prompt.segments[0].trusted, prompt.model)
    assert ["a", "b"] == [segment.text for segment in make_reply(texts=["a", "b"]).segments]


def test_a_tool_call_has_a_segment_for_every_string():
    call = make_tool_call("f", {"to": ["a", 1, {"b": "c"}]})
    assert ["to", "a", "b", "c"] == [segment.text for segment in call.segments]


def test_cut_invariance_names_the_cut_that_makes_a_difference():
    assert_cut_invariant(guard_case(Word).guard, "lion lion lilion")
    with pytest.raises(AssertionError, match="cut at"):
        assert_cut_invariant(guard_case(Naive).guard, "a lion here")


def test_conformance_accepts_a_good_guard():
    assert_conforms(Word, texts=["a lion and a lion"])


@pytest.mark.parametrize(
    ("cls", "broken", "problem"),
    [
        (Naive, "cuts", "cut at"),
        (Forgetful, "concurrency", "self.seen"),
        (Chatty, "secrecy", "repeated"),
        (Stray, "verdicts", "outside of the text"),
    ],
)
def test_conformance_finds_what_is_wrong(cls, broken, problem):
    found = problems(cls, ["a lion here"])
    assert broken in found
    assert problem in found[broken]


def test_a_failed_conformance_lists_every_problem():
    with pytest.raises(AssertionError, match=r"secrecy: .*: content of the exchange is repeated"):
        assert_conforms(Chatty)


def test_the_kit_is_imported_only_when_it_is_used():
    import subprocess
    import sys

    code = "import sys, bylaw.testing; print('re2' in sys.modules, 'bylaw.spec' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False False" == told.stdout.strip()
