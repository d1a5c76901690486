"""A stream that is inspected: the same comes out however the provider's bytes were cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_rig import (
    EVENTS,
    POLICY,
    Rig,
    Words,
    chat,
    chunks,
    completion,
    event,
    reply,
    said,
    stream,
    walk,
)

from bylaw.spec import Edit, Finding, Guard, Verdict, Window, impl


def outcome_of(answer: Any, text: str = "hi", **facts: Any) -> tuple[Any, ...]:
    """What the client and the record saw, times and framing aside."""
    rig = Rig(answer, **facts)
    out = walk(rig.run(chat(text, stream=True)))
    entry = rig.outcome
    told = {
        name: entry.get(name) for name in ("decision", "status", "code", "blocked_by", "error", "released")
    }
    return out.status, out.body, out.ended, out.aborted, told


CALL = {
    "tool_calls": [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "bad"}'}}
    ]
}
STREAMS: dict[str, tuple[Any, ...]] = {
    "fine": ({"content": "fine, "}, {"content": "really"}),
    "redacted": ({"content": "my sec"}, {"content": "ret and my secret"}),
    "blocked": ({"content": "all is fine, "}, {"content": "this is bad"}, {"content": " and more"}),
    "blocked after a redaction": ({"content": "a secret and all that "}, {"content": "is bad"}),
    "two choices, both bad": (
        (0, {"content": "all fine here, then so bad"}),
        (1, {"content": "bad"}),
        (0, {"content": "!"}),
    ),
    "text held in one choice, another one is bad": (
        (0, {"content": "a long text that ends in sec"}),
        (1, {"content": "bad"}),
        (0, {"content": "ond thoughts, which are long"}),
    ),
    "text is bad, then a call": ({"content": "this is bad"}, CALL),
    "a call is bad, then text": (CALL, {"content": "this is bad"}),
    "reasoning is bad after text": (
        {"content": "all is fine"},
        {"reasoning_content": "so bad"},
        {"content": "bad"},
    ),
}


def lengths(name: str) -> int:
    return len(b"".join(chunks(*STREAMS[name])))


@settings(max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", STREAMS)
def test_cuts_make_no_difference(name, data):
    cut = data.draw(st.sets(st.integers(1, lengths(name) - 1), max_size=12))
    assert outcome_of(stream(*STREAMS[name])) == outcome_of(stream(*STREAMS[name], cut=cut))


@pytest.mark.parametrize("name", STREAMS)
def test_one_cut_anywhere_makes_no_difference(name):
    uncut = outcome_of(stream(*STREAMS[name]))
    assert [] == [
        at for at in range(1, lengths(name)) if outcome_of(stream(*STREAMS[name], cut=[at])) != uncut
    ]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_byte_by_byte_makes_no_difference(name, ends):
    whole = b"".join(chunks(*STREAMS[name])).replace(b"\n", ends)
    uncut = reply(whole, headers=EVENTS)
    assert outcome_of(uncut) == outcome_of(reply(*(bytes([one]) for one in whole), headers=EVENTS))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("blocked", "bad_text"),
        ("text is bad, then a call", "bad_text"),
        ("reasoning is bad after text", "bad_reasoning"),
    ],
)
def test_what_comes_first_in_the_stream_is_what_it_was_stopped_for(name, code):
    assert code == outcome_of(stream(*STREAMS[name]))[-1]["code"]


def test_events_that_came_in_one_piece_leave_in_one_write():
    rig = Rig(stream(*({"content": "fine, really fine "} for _ in range(20))))
    walk(rig.run(chat("hi", stream=True)))
    assert rig.events.count("write") <= 2


class Mixed(Guard):
    """Blocks `bad` and redacts `secret`, and names only the former as a finding."""

    name = "mixed"

    @impl
    def inspect_window(self, exchange: Any, window: Window) -> Verdict | None:
        at, secret = window.text.find("bad"), window.text.find("secret")
        if at < 0:
            return None
        edits = (Edit(0, secret, secret + 6, "#"),) if secret >= 0 else ()
        verdict = Verdict.block("bad", "No.", [Finding("bad", 0, at, at + 3)])
        return Verdict(verdict.action, "bad", "No.", verdict.findings, edits)


def test_what_a_blocking_guard_would_have_redacted_does_not_leave_before_the_block():
    answer = stream({"content": "fine "}, {"content": "secret bad"})
    rig = Rig(answer, guards=[Mixed], policy="policy: p\nsteps:\n  - {guard: mixed}\n")
    out = walk(rig.run(chat("hi", stream=True)))
    assert b"secret" not in out.body


class First(Words):
    name = "first"


class Keeper(Guard):
    """Redacts whatever the placeholder stands for; two guards meet on one span."""

    name = "keeper"

    @impl
    def inspect_tool_call(self, exchange: Any, call: Any) -> Verdict | None:
        edits = [
            Edit(index, at, at + 8, "[gone]")
            for index, segment in enumerate(call.segments)
            if (at := segment.text.find("<NAME_1>")) >= 0
        ]
        return Verdict.edit(edits) if edits else None


@pytest.mark.parametrize("streamed", [False, True])
def test_a_redaction_beats_the_restoring_of_a_placeholder_in_tool_calls(streamed):
    function = {"name": "f", "arguments": '{"a": "to <NAME_1>"}'}
    call = {"index": 0, "id": "c", "type": "function", "function": function}
    answer = stream({"tool_calls": [call]}) if streamed else reply(completion("", tool_calls=[call]))
    policy = POLICY + "  - {guard: keeper}\n"
    rig = Rig(answer, guards=[Words, Keeper], policy=policy)
    out = walk(rig.run(chat("my name", stream=streamed)))
    assert (True, True) == (b"<NAME_1>" in rig.upstream.body, b"[gone]" in out.body)
    assert b"to name" not in out.body


def test_originals_come_back_in_the_text_of_a_stream():
    answer = stream({"content": "hello <NA"}, {"content": "ME_1>!"})
    rig = Rig(answer)
    out = walk(rig.run(chat("my name", stream=True)))
    assert {0: "hello name!"} == said(out.body)


AUDIO = {"id": "a", "data": "UklGRg==", "transcript": "hi", "expires_at": 1}
UNREAD = {
    "whole": lambda: reply(completion("hi", audio=AUDIO)),
    "stream": lambda: stream({"content": "hi"}, {"audio": {"data": "UklGRg=="}}),
}


@pytest.mark.parametrize("make", UNREAD.values(), ids=UNREAD)
@pytest.mark.parametrize("steps", ["steps: []", "steps:\n  - {guard: words}"], ids=["no steps", "steps"])
def test_a_part_of_a_reply_that_nobody_can_read_blocks_where_the_policy_says_so(make, steps):
    rig = Rig(make(), policy=f"policy: p\nunread: block\n{steps}\n")
    out = walk(rig.run())
    assert (b"UklGRg" in out.body, "unread_part") == (False, rig.outcome["code"])
    assert ["audio:modality"] == rig.outcome["unread"]
    assert b"a part of the reply (audio)" in out.body


@pytest.mark.parametrize("make", UNREAD.values(), ids=UNREAD)
def test_a_part_of_a_reply_that_nobody_can_read_is_on_record(make):
    rig = Rig(make())
    out = walk(rig.run())
    assert (True, ["audio:modality"]) == (b"UklGRg" in out.body, rig.outcome["unread"])


def test_a_part_of_a_prompt_that_nobody_can_read_blocks_where_the_policy_says_so():
    part = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    body = chat("hi").body.replace(b'"hi"', json.dumps([part]).encode())
    rig = Rig(policy="policy: p\nunread: block\nsteps: []\n")
    inbound = chat("hi")
    inbound.body, inbound.length = body, len(body)
    out = walk(rig.run(inbound))
    assert (403, "unread_part", "open" in rig.events) == (out.status, rig.outcome["code"], False)


SHADOW = "policy: p\nsteps:\n  - {guard: words, enforce: false}\n"


@pytest.mark.parametrize("name", STREAMS)
def test_a_step_in_shadow_changes_no_byte_of_a_stream(name):
    rig = Rig(stream(*STREAMS[name]), policy=SHADOW)
    out = walk(rig.run(chat("hi", stream=True)))
    assert (b"".join(chunks(*STREAMS[name])), "allow") == (out.body, rig.outcome["decision"])
    assert {True} == {step["shadow"] for step in rig.outcome["steps"]}


def test_an_error_event_of_a_stream_is_no_clean_end():
    rig = Rig(reply(event({"error": {"message": "overloaded"}}), headers=EVENTS))
    out = walk(rig.run(chat("hi", stream=True)))
    assert b"overloaded" in out.body
