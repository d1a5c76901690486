"""One reply hook is enough: the others are derived, so that no way of asking for a reply goes around a guard."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bylaw.content import Reply, Window
from bylaw.plan.adapters import CHOICES, REPLY_STAGES, combine, pick
from bylaw.plan.plan import StagePlan, Step
from bylaw.plan.run import Outcome, run_stage
from bylaw.plan.watchdog import Watch
from bylaw.spec import Guard, impl
from bylaw.testing.make import make_exchange, make_reply, make_tool_call
from bylaw.verdict import ALLOW, Action, Edit, Finding, Verdict


def found(texts: list[str]) -> Verdict | None:
    """Edits and findings of every `bad`."""
    places = [(index, text.find("bad")) for index, text in enumerate(texts)]
    edits = [Edit(index, at, at + 3, "***") for index, at in places if at >= 0]
    return Verdict.edit(edits, [Finding("bad", e.segment, e.start, e.end) for e in edits]) if edits else None


class Replies(Guard):
    name = "replies"

    @impl
    def inspect_reply(self, exchange: Any, reply: Reply) -> Verdict | None:
        return found([segment.text for segment in reply.segments])


class Windows(Guard):
    name = "windows"

    @impl
    def inspect_window(self, exchange: Any, window: Window) -> Verdict | None:
        return found([window.text])


class LaterReplies(Guard):
    name = "later-replies"

    @impl
    async def inspect_reply(self, exchange: Any, reply: Reply) -> Verdict | None:
        return found([segment.text for segment in reply.segments])


class LaterWindows(Guard):
    name = "later-windows"

    @impl
    async def inspect_window(self, exchange: Any, window: Window) -> Verdict | None:
        return found([window.text])


class Amends(Guard):
    name = "amends"

    @impl
    def amend_reply(self, exchange: Any, reply: Reply) -> Verdict | None:
        return Verdict.edit([Edit(0, 0, 0, "note: ")])


class Prompts(Guard):
    name = "prompts"

    @impl
    def inspect_request(self, exchange: Any, prompt: Any) -> Verdict | None:
        return None


async def through(guard: Guard, stage: str, subject: Any) -> Outcome:
    picked = pick(guard, CHOICES[stage])
    assert picked is not None
    step = Step("s", picked[0], picked[1])
    return await run_stage(StagePlan.of((step,), 500), make_exchange(), subject, Watch())


READERS = [Replies, Windows, LaterReplies, LaterWindows]
SUBJECTS = {
    "reply": (make_reply(texts=["fine", "so bad"]), [Edit(1, 3, 6, "***")]),
    "window": (Window("text", "k", "so bad", 0, 0, True), [Edit(0, 3, 6, "***")]),
    "tool_call": (
        make_tool_call("send", {"to": "bad", "cc": "a bad one"}),
        [Edit(1, 0, 3, "***"), Edit(3, 2, 5, "***")],
    ),
}


@pytest.mark.parametrize("stage", SUBJECTS)
@pytest.mark.parametrize("cls", READERS)
async def test_a_guard_with_any_reply_hook_reads_replies_streams_and_tool_calls_alike(cls, stage):
    subject, edits = SUBJECTS[stage]
    outcome = await through(cls(None, "s"), stage, subject)
    assert (Action.EDIT, edits) == (outcome.action, [edit for _, edit in outcome.edits])
    assert [(e.segment, e.start) for e in edits] == [
        (f.segment, f.start) for f in outcome.results[0].verdict.findings
    ]


@pytest.mark.parametrize("cls", READERS)
@pytest.mark.parametrize("stage", SUBJECTS)
def test_what_must_be_awaited_is_known_beforehand(cls, stage):
    picked = pick(cls(None, "s"), CHOICES[stage])
    assert picked is not None
    assert (cls.__name__.startswith("Later")) is picked[1]


def test_a_guard_of_prompts_has_no_part_in_replies():
    assert [None] * len(REPLY_STAGES) == [pick(Prompts(None, "s"), CHOICES[stage]) for stage in REPLY_STAGES]


async def test_amendments_serve_streams_too():
    outcome = await through(Amends(None, "s"), "amend_window", Window("text", "k", "hi", 0, 0, False))
    assert [(0, Edit(0, 0, 0, "note: "))] == outcome.edits


def says(*verdicts: object) -> Guard:
    """A guard of windows that gives these answers in turn."""
    answers = iter(verdicts)

    class Says(Guard):
        name = "says"

        @impl
        def inspect_window(self, exchange: Any, window: Window) -> Verdict | None:
            return next(answers)  # type: ignore[return-value]

    return Says(None, "s")


TWO = make_reply(texts=["first", "second"])


async def test_the_strictest_of_several_strings_speaks():
    guard = says(Verdict.flag([]), Verdict.block("no", "No."))
    assert "no" == (await through(guard, "reply", TWO)).results[0].verdict.code


async def test_headers_and_notes_of_every_string_are_kept():
    guard = says(Verdict.allow(headers={"A": "1"}, notes={"n": 1}), Verdict.block("no", "No."))
    verdict = (await through(guard, "reply", TWO)).results[0].verdict
    assert ({"A": "1"}, {"n": 1}, "no") == (verdict.headers, verdict.notes, verdict.code)


async def test_edits_go_to_the_string_that_they_were_asked_for_whatever_the_action():
    loose = Verdict(Action.ALLOW, edits=(Edit(0, 0, 1, "x"),))
    assert [(0, Edit(1, 0, 1, "x"))] == (await through(says(None, loose), "reply", TWO)).edits


async def test_a_hold_on_a_whole_text_means_nothing():
    outcome = await through(says(Verdict(hold=5), ALLOW), "reply", TWO)
    assert (Action.ALLOW, "") == (outcome.action, outcome.results[0].error)


@pytest.mark.parametrize(
    "nonsense",
    ["block", Verdict.edit([Edit(1, 0, 1)]), Verdict.edit([Edit(0, 0, 6)]), Verdict.edit([Edit(-1, 0, 1)])],
    ids=["no verdict", "another segment", "beyond its string", "before the first"],
)
async def test_nonsense_about_one_string_is_nonsense(nonsense):
    outcome = await through(says(nonsense, None), "reply", TWO)
    assert (Action.BLOCK, "bad_verdict") == (outcome.action, outcome.results[0].error)


async def test_an_error_in_one_string_is_an_error():
    outcome = await through(says(None), "reply", TWO)  # the second call raises StopIteration
    assert (Action.BLOCK, "raised") == (outcome.action, outcome.results[0].error)


def test_nothing_said_is_nothing():
    assert (None, None) == (combine([]), combine([None, None]))


def test_every_stage_has_its_own_hook_first():
    own = {"request": "inspect_request", "reply": "inspect_reply", "window": "inspect_window"}
    own |= {"tool_call": "inspect_tool_call", "amend_reply": "amend_reply", "amend_window": "amend_window"}
    assert own == {stage: choices[0][0] for stage, choices in CHOICES.items()}
    assert all(inspect.isfunction(adapt) for choices in CHOICES.values() for _, adapt in choices)
