"""The laws of a guarded stream, for both dialects: what leaves does not depend on how bytes were cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stream_rig import MARK, STREAMS, Redactor, Rig, joined, redacted, texts

from bylaw.verdict import Edit

SLOW_OK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
GUARDS = (
    Redactor({f"ab{MARK}": "[1]", f"b{MARK}c": "[11]", MARK: "[M]"}),
    Redactor({f"a{MARK}b{MARK}": "<2>", f"{MARK}c": "", f"c{MARK}{MARK}": "[2]"}),
)
DIALECTS = pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
ALPHABET = ["a", "b", "c", MARK, "\u00e9", "\U0001f642", '"', "\\", "\n", "ab" + MARK, "<EMAIL_1>"]


@st.composite
def fragments(
    draw: st.DrawFn, fields: tuple[str, ...] = ("content", "reasoning")
) -> list[tuple[int, str, str]]:
    """Interleaved channels, their texts cut anywhere, in the middle of surrogate pairs too."""
    queues = []
    for choice in range(draw(st.integers(1, 2))):
        for name in fields:
            text = "".join(draw(st.lists(st.sampled_from(ALPHABET), max_size=12)))
            units = text.encode("utf-16-le")
            cuts = sorted(draw(st.lists(st.integers(0, len(units) // 2), max_size=5)))
            bounds = [0, *cuts, len(units) // 2]
            pieces = [units[2 * i : 2 * j].decode("utf-16-le", "surrogatepass") for i, j in pairwise(bounds)]
            queues.append([(choice, name, piece) for piece in pieces])
    parts = []
    while queues := [queue for queue in queues if queue]:
        parts.append(draw(st.sampled_from(queues)).pop(0))
    return parts


def wholes(parts: list[tuple[int, str, str]]) -> list[str]:
    found: dict[tuple[int, str], str] = {}
    for choice, name, text in parts:
        found[choice, name] = found.get((choice, name), "") + text
    return sorted(joined(text) for text in found.values() if text)


def cut_randomly(data: bytes, points: list[int]) -> list[bytes]:
    bounds = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[i:j] for i, j in pairwise(bounds)]


ENDS = st.sampled_from(["\n", "\r\n", "\r"])
CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), end=ENDS, ascii_=st.booleans(), cuts=CUTS)
def test_released_bytes_do_not_depend_on_the_cut(dialect, parts, end, ascii_, cuts):
    data = b"".join(STREAMS[dialect](parts, end, ascii_))
    whole = Rig(dialect, GUARDS).run([data])
    assert whole == Rig(dialect, GUARDS).run(data[i : i + 1] for i in range(len(data)))
    assert whole == Rig(dialect, GUARDS).run(cut_randomly(data, cuts))


@DIALECTS
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_single_split_releases_the_same(dialect, end):
    parts = [
        (0, "content", "xa"),
        (0, "content", f"b{MARK}"),
        (0, "content", "\ud83d"),
        (0, "content", "\ude42c"),
    ]
    data = b"".join(STREAMS[dialect](parts, end))
    whole = Rig(dialect, GUARDS).run([data])
    for at in range(len(data) + 1):
        assert whole == Rig(dialect, GUARDS).run([data[:at], data[at:]]), at


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), end=ENDS, ascii_=st.booleans(), cuts=CUTS)
def test_the_client_gets_exactly_the_redacted_texts(dialect, parts, end, ascii_, cuts):
    data = b"".join(STREAMS[dialect](parts, end, ascii_))
    out = Rig(dialect, GUARDS).run(cut_randomly(data, cuts))
    expected = sorted(filter(None, (redacted(text, GUARDS) for text in wholes(parts))))
    assert expected == sorted(texts(dialect, out).values())
    assert MARK.encode() not in out and b"u00a7" not in out


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), cuts=CUTS)
def test_nothing_is_released_beyond_what_the_slowest_guard_cleared(dialect, parts, cuts):
    rig = Rig(dialect, GUARDS)
    for piece in cut_randomly(b"".join(STREAMS[dialect](parts)), cuts):
        rig.gate.feed(piece)
        for window in rig.gate.windows(0):
            rig.look(0, GUARDS[0], window)
        rig.out += rig.gate.release()
    assert {} == texts(dialect, rig.out)


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content", "reasoning", "tool")), end=ENDS, ascii_=st.booleans(), cuts=CUTS)
def test_without_edits_every_byte_leaves_as_it_came(dialect, parts, end, ascii_, cuts):
    data = b": hello" + end.encode() + b"".join(STREAMS[dialect](parts, end, ascii_))
    guard = Redactor({"nowhere to be found": "x"})
    rig = Rig(dialect, (guard, guard), hold_calls=True)
    assert data == rig.run(cut_randomly(data, cuts))
    assert rig.gate.finished and not rig.gate.truncated and rig.gate.drained


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), cuts=CUTS)
def test_a_block_lets_nothing_out_from_its_place_on(dialect, parts, cuts):
    guard = Redactor({"nowhere to be found": "x"})
    data = b"".join(STREAMS[dialect](parts))
    rig = Rig(dialect, (guard,), blocks=f"b{MARK}")
    out = rig.run(cut_randomly(data, cuts))
    blocked = any(f"b{MARK}" in text for text in wholes(parts))
    assert blocked == rig.blocked
    assert not any(f"b{MARK}" in text for text in texts(dialect, out).values())
    if blocked:
        rig.gate.feed(data)
        assert (b"", b"", b"") == (
            rig.gate.release(),
            rig.gate.end_blocked("a", "b"),
            rig.gate.end_fault("a", "b"),
        )


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), cuts=CUTS)
def test_a_block_does_not_depend_on_the_cut(dialect, parts, cuts):
    guard = Redactor({"nowhere to be found": "x"})
    data = b"".join(STREAMS[dialect](parts))
    one = Rig(dialect, (guard,), blocks=MARK).run(data[i : i + 1] for i in range(len(data)))
    assert one == Rig(dialect, (guard,), blocks=MARK).run(cut_randomly(data, cuts))


@DIALECTS
@SLOW_OK
@given(
    pieces=st.lists(st.integers(0, 60), max_size=6),
    cuts=CUTS,
    secret=st.text('a\u00e9"\\\U0001f642', min_size=1),
)
def test_a_tool_call_leaves_whole_and_rewritten(dialect, pieces, cuts, secret):
    arguments = json.dumps({"to": secret, "n": 1.50, "keep": ["x"]})
    bounds = [0, *sorted(min(p, len(arguments)) for p in pieces), len(arguments)]
    parts = [(0, "tool", arguments[i:j]) for i, j in pairwise(bounds)]

    def redact(call):
        return [Edit(i, 0, len(s.text), "[gone]") for i, s in enumerate(call.segments) if s.path == ("to",)]

    rig = Rig(dialect, (), hold_calls=True, call_edits=redact)
    out = rig.run(cut_randomly(b"".join(STREAMS[dialect](parts)), cuts))
    assert [arguments.replace(json.dumps(secret), '"[gone]"')] == list(texts(dialect, out).values())
    assert [{"to": secret, "n": 1.5, "keep": ["x"]}] == [call.arguments for call in rig.calls]


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), cuts=CUTS)
def test_amendments_stand_once_at_the_begin_and_the_end_of_each_text(dialect, parts, cuts):
    data = b"".join(STREAMS[dialect](parts))
    make = lambda: Rig(dialect, GUARDS, amend=lambda window: "(end)" if window.final else "(begin)")  # noqa: E731
    out = make().run(cut_randomly(data, cuts))
    expected = sorted(f"(begin){redacted(text, GUARDS)}(end)" for text in wholes(parts))
    assert expected == sorted(texts(dialect, out).values())
    assert out == make().run(data[i : i + 1] for i in range(len(data)))


@DIALECTS
@SLOW_OK
@given(parts=fragments(("content",)), at=st.integers(0, 1 << 20), cuts=CUTS)
def test_a_stream_cut_short_is_told_from_a_whole_one(dialect, parts, at, cuts):
    data = b"".join(STREAMS[dialect](parts))
    end = data.rfind(b"data: ") if dialect == "anthropic" else data.find(b'"finish_reason": "stop"')
    cut = at % max(1, end)
    rig = Rig(dialect, GUARDS)
    out = rig.run(cut_randomly(data[:cut], cuts))
    assert rig.gate.truncated
    assert MARK.encode() not in out and b"u00a7" not in out
