"""Which piece ends a reply that is passed through: the outcome is safe before it leaves, however it was cut."""

from __future__ import annotations

import pytest
from stage_rig import EMPTY, EVENTS, Rig, chunks, reply

from bylaw.stages.relay import _Countdown, _Marker

ANTHROPIC = b'event: message_delta\ndata: {}\n\nevent: message_stop\ndata: {"type": "message_stop"}\n\n'
RESPONSES = b"event: response.output_text.delta\ndata: {}\n\nevent: response.completed\ndata: {}\n\n"
OPENAI = b"".join(chunks({"content": "fine"}))
STREAMS = {"openai": (OPENAI, b"data: [DONE]"), "anthropic": (ANTHROPIC, b"event: message_stop"),
           "responses": (RESPONSES, b"event: response.completed")}  # fmt: skip


@pytest.mark.parametrize(("whole", "marker"), STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_the_piece_that_completes_the_terminal_marker_is_told_wherever_it_is_cut(whole, marker, ends):
    whole = whole.replace(b"\n", ends)
    end = whole.index(marker) + len(marker)
    for at in range(1, len(whole)):
        is_last = _Marker()
        first, second = is_last(whole[:at]), is_last(whole[at:])
        assert (at >= end, True) == (first, first or second), at


@pytest.mark.parametrize(("whole", "marker"), STREAMS.values(), ids=STREAMS)
def test_byte_by_byte_it_is_the_last_byte_of_the_marker(whole, marker):
    is_last = _Marker()
    told = [is_last(bytes([byte])) for byte in whole]
    assert whole.index(marker) + len(marker) - 1 == told.index(True)


@pytest.mark.parametrize("words", [b"data: [DONE]", b"event: message_stop", b"event: response.completed"])
def test_the_words_of_a_marker_in_a_text_are_none_however_they_are_cut(words):
    event = b'data: {"text": "he said ' + words + b' and went on, for quite a while, to talk of it"}\n\n'
    for at in range(1, len(event)):
        for size in (1, 7, 40, 41):
            is_last = _Marker()
            pieces = [event[:at], *(event[i : i + size] for i in range(at, len(event), size))]
            assert not any(map(is_last, pieces)), (at, size)


def test_a_stream_that_begins_with_its_end_is_told():
    assert _Marker()(b"data: [DONE]\n\n")


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_the_piece_that_completes_a_known_length_is_told(cut):
    is_last = _Countdown(10)
    assert (False, True) == (is_last(b"x" * cut), is_last(b"x" * (10 - cut)))


@pytest.mark.parametrize(("whole", "marker"), STREAMS.values(), ids=STREAMS)
async def test_of_a_stream_that_is_passed_the_terminal_marker_leaves_after_the_outcome(whole, marker):
    end = whole.index(marker) + len(marker)
    for at in (end - len(marker) // 2, end, len(whole) - 1):
        rig = Rig(reply(whole[:at], whole[at:], headers=EVENTS), dialect="raw", policy=EMPTY)
        out = await rig.run()
        writes = [n for n, event in enumerate(rig.events) if event == "write"]
        complete = writes[0 if at >= end else 1]
        assert (whole, True) == (out.body, rig.events.index("outcome") < complete), at


async def test_a_reply_of_unknown_length_ends_after_the_outcome():
    rig = Rig(reply(b"abc", b"def"), dialect="raw", policy=EMPTY)
    await rig.run()
    assert ["write", "write", "outcome", "end"] == rig.events[-5:-1]


@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_a_body_is_not_looked_for_one(status):
    rig = Rig(reply(b"", status=status))
    out = await rig.run()
    assert (status, b"", True) == (out.status, out.body, out.ended)
