"""The gate, case by case: what is held, what is cut, what is refused, how a stream ends."""

from __future__ import annotations

import json

import pytest

from bylaw.verdict import Edit
from bylaw.wire.channels import WHOLE
from bylaw.wire.codec import CODECS
from bylaw.wire.errors import WireError
from bylaw.wire.stream import StreamGate

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
DONE = b"data: [DONE]\n\n"
START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}


def chunk(delta=None, finish=None, index=0, **more) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **more}
    return b"data: " + json.dumps({**HEAD, "choices": [choice]}).encode() + b"\n\n"


def event(body) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


def block(index, content_block, *deltas, stop=True) -> bytes:
    out = event({"type": "content_block_start", "index": index, "content_block": content_block})
    for delta in deltas:
        out += event({"type": "content_block_delta", "index": index, "delta": delta})
    return out + event({"type": "content_block_stop", "index": index}) * stop


def gate(dialect="openai_chat", backs=(0,), text_max=1 << 20, **more) -> StreamGate:
    return StreamGate(CODECS[dialect].stream(), backs, text_max, 1 << 16, **more)


def clear(g, guard=0, hold=None, find=None, put="X"):
    """Clear every window; replace `find`."""
    seen = []
    for window in g.windows(guard):
        at = window.text.find(find, window.fresh) if find else -1
        edits = [Edit(0, at, at + len(find), put)] if at >= 0 else []
        g.clear(guard, window, hold, edits)
        seen.append((window.key, window.channel, window.text, window.fresh, window.start, window.final))
    return seen


def deltas(out: bytes) -> list[dict]:
    return [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in out.split(b"\n")
        if line.startswith(b"data: {")
    ]


def test_windows_bring_context_and_only_what_is_not_cleared():
    g = gate(backs=(3,))
    g.feed(chunk({"content": "hello"}))
    assert [("choices.0.text", "text", "hello", 0, 0, False)] == clear(g, hold=4)
    assert [] == g.windows(0)
    g.feed(chunk({"content": " you"}))
    assert [("choices.0.text", "text", "ello you", 3, 1, False)] == clear(g)
    g.feed(chunk(finish="stop"))
    assert [("choices.0.text", "text", "you", 3, 6, True)] == clear(g)


def test_text_that_came_while_a_guard_was_thinking_comes_in_the_next_window():
    g = gate()
    g.feed(chunk({"content": "a"}))
    (window,) = g.windows(0)
    g.feed(chunk({"content": "b"}))
    g.clear(0, window, None)
    assert [("choices.0.text", "text", "b", 0, 1, False)] == clear(g)


def test_a_guard_of_whole_channels_gets_each_once():
    g = gate(backs=(WHOLE, 0))
    for part in (chunk({"content": "a"}), chunk({"content": "b"}), chunk(finish="stop")):
        g.feed(part)
        clear(g, 1)
        assert b"" == g.release()
        seen = clear(g)
    assert [("choices.0.text", "text", "ab", 0, 0, True)] == seen
    assert chunk({"content": "a"}) + chunk({"content": "b"}) + chunk(finish="stop") == g.release()


def test_an_event_leaves_when_every_guard_cleared_all_of_it():
    g = gate(backs=(0, 0))
    g.feed(chunk({"content": "abc"}))
    clear(g, 0)
    clear(g, 1, hold=2)
    assert b"" == g.release()
    g.feed(chunk({"content": "d"}))
    clear(g, 0)
    clear(g, 1, hold=1)
    assert chunk({"content": "abc"}) == g.release()


def test_the_finishing_event_waits_for_the_last_word():
    g = gate()
    g.feed(chunk({"content": "abc"}))
    clear(g)
    g.feed(chunk(finish="stop"))
    assert chunk({"content": "abc"}) == g.release()
    clear(g)
    assert chunk(finish="stop") == g.release()


def test_a_replacement_stands_where_its_span_starts():
    g = gate()
    g.feed(chunk({"content": "one se"}) + chunk({"content": "cr"}) + chunk({"content": "et two"}))
    clear(g, find="secret")
    assert [{"content": "one X"}, {"content": ""}, {"content": " two"}] == deltas(g.release())
    assert {"choices.0.text": 9} == g.released


def test_an_edit_that_begins_before_the_fresh_text_is_clipped_to_it():
    g = gate(backs=(9,))
    g.feed(chunk({"content": "abc"}))
    clear(g)
    g.release()
    g.feed(chunk({"content": "def"}))
    (window,) = g.windows(0)
    g.clear(0, window, None, [Edit(0, 1, 4, "X")])
    assert [{"content": "Xef"}] == deltas(g.release())


def test_overlapping_edits_of_two_guards_wait_for_both_and_become_one():
    g = gate(backs=(0, 0))
    g.feed(chunk({"content": "a12"}))
    clear(g, 0, find="12", put="first")
    clear(g, 1, hold=2)
    assert b"" == g.release()
    g.feed(chunk({"content": "3b"}))
    clear(g, 0)
    clear(g, 1, find="23", put="second")
    assert [{"content": "afirst"}, {"content": "b"}] == deltas(g.release())


def test_log_probabilities_go_with_the_text_that_they_repeat():
    tokens = {
        "content": [{"token": "secret", "logprob": -1.50, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }
    g = gate()
    g.feed(
        chunk({"content": "secret"}, logprobs=tokens) + chunk({"content": "fine"}, logprobs={"content": []})
    )
    clear(g, find="secret")
    out = g.release()
    assert b"secret" not in out and b'"logprobs": null' in out and b'"logprobs": {"content": []}' in out


def test_log_probabilities_that_spell_something_else_are_a_text_of_their_own():
    tokens = {"content": [{"token": "sec", "logprob": -1}, {"token": "ret", "logprob": -1}]}
    g = gate()
    g.feed(chunk({"content": ""}, logprobs=tokens))
    clear(g, find="secret")
    assert b'"logprobs": null' in g.release()


def test_an_unknown_field_of_a_delta_is_read_across_events():
    g = gate()
    g.feed(
        chunk({"reasoning_details": [{"type": "t", "text": "se"}]})
        + chunk({"reasoning_details": [{"type": "t", "text": "cret"}]})
    )
    assert ("choices.0.delta.reasoning_details.0.text", "other", "secret", 0, 0, False) in clear(
        g, find="secret"
    )
    assert [[{"type": "t", "text": "X"}], [{"type": "t", "text": ""}]] == [
        d["reasoning_details"] for d in deltas(g.release())
    ]


def test_an_unknown_string_beside_the_deltas_is_a_text_of_its_own():
    g = gate()
    raw = b'data: {"choices": [], "warning": "my secret"}\n\n'
    g.feed(raw)
    assert [("other.1", "other", "my secret", 0, 0, True)] == clear(g, find="secret")
    assert raw.replace(b"secret", b"X") == g.release()
    assert {"other": 4} == g.released


def test_long_comments_are_read_and_dropped_by_an_edit():
    g = gate()
    g.feed(b": keep-alive\n\n: " + b"secret " * 10 + b"\n" + chunk({"content": "a"}))
    clear(g, find="secret")
    assert b": keep-alive\n\n" + chunk({"content": "a"}) == g.release()


def test_multi_line_data_is_edited_in_its_place():
    g = gate()
    raw = b'data: {"choices": [{"index": 0,\r\ndata:  "delta": {"content":\r\nid: 1\r\n'
    g.feed(raw + b'data: "secret"}}]}\r\n\r\n')
    clear(g, find="secret")
    assert raw + b'data: "X"}}]}\r\n\r\n' == g.release()


def test_halves_of_a_pair_leave_together_or_are_replaced_together():
    for find, expected in (
        ("\U0001f642", ["aX", "b"]),
        ("b", ["a\ud83d", "\ude42X"]),
        ("a", ["X\ud83d", "\ude42b"]),
    ):
        g = gate()
        g.feed(chunk({"content": "a\ud83d"}))
        assert [("choices.0.text", "text", "a", 0, 0, False)] == clear(g, hold=0)
        assert b"" == g.release()
        g.feed(chunk({"content": "\ude42b"}))
        clear(g, find=find)
        assert expected == [d["content"] for d in deltas(g.release())]


@pytest.mark.parametrize("parts", [("\ude42",), ("\ud83d", "x"), ("\ud83dx",)])
def test_half_a_pair_alone_is_refused(parts):
    g = gate()
    with pytest.raises(WireError) as caught:
        for part in parts:
            g.feed(chunk({"content": part}))
    assert "lone_surrogate" == caught.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"data: {\n\n", "invalid_event"),
        (b'data: {"a":1,"a":2}\n\n', "invalid_event"),
        (b'data: {"a":"\xff"}\n\n', "invalid_event"),
        (b"data: 1\n\n", "invalid_event"),
        (b'data: {"choices":[{"index":-1,"delta":{}}]}\n\n', "invalid_event"),
        (b'data: {"choices":[1]}\n\n', "invalid_event"),
        (b"event: free text here\n" + chunk({}), "invalid_event"),
        (DONE + chunk({"content": "x"}), "after_end"),
        (chunk(finish="stop") + chunk({"content": "x"}), "invalid_event"),
        (b"data: " + b"x" * 70_000, "event_too_large"),
        (b'data: {"x": [' + b'"a b",' * 4100 + b'"a b"]}\n\n', "too_many_channels"),
    ],
)
def test_events_that_cannot_be_read_are_refused(data, code):
    g = gate()
    with pytest.raises(WireError) as caught:
        g.feed(data)
    assert (code, True, code) == (caught.value.code, g.truncated, g.fault.code if g.fault else "")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": True, "content_block": {"type": "text"}},
        {"no_type": 1},
    ],
)
def test_anthropic_events_out_of_order_are_refused(body):
    with pytest.raises(WireError):
        gate("anthropic").feed(b"data: " + json.dumps(body).encode() + b"\n\n")


def test_the_name_and_the_type_of_an_event_must_agree():
    with pytest.raises(WireError):
        gate("anthropic").feed(b'event: ping\ndata: {"type": "message_start", "message": {}}\n\n')


def test_what_came_before_a_fault_may_still_leave():
    g = gate()
    with pytest.raises(WireError):
        g.feed(chunk({"content": "fine"}) + b"data: {\n\n")
    clear(g)
    assert chunk({"content": "fine"}) == g.release()
    assert b'"server_error"' in g.end_fault("upstream_invalid", "the reply cannot be read")
    assert b"" == g.end_blocked("x", "y")


def test_without_guards_nothing_is_refused():
    g = gate(backs=())
    data = b"data: {\n\n: \xff\n\ndata: cut off"
    g.feed(data)
    g.eof()
    assert data == g.release()


def test_more_than_allowed_may_not_wait():
    g = gate(text_max=1000)
    for _ in range(4):
        g.feed(chunk({"content": "x" * 100}))
    with pytest.raises(WireError) as caught:
        g.feed(b"")
    assert "too_much_held" == caught.value.code


def test_a_complete_event_without_its_blank_line_is_inspected_before_it_leaves():
    g = gate()
    g.feed(chunk({"content": "secret"})[:-1])
    g.eof()
    assert b"" == g.release()
    clear(g, find="secret")
    assert [{"content": "X"}] == deltas(g.release())
    assert g.end_fault("x", "y").startswith(b"\n\n")


def test_an_event_cut_in_the_middle_never_leaves():
    g = gate()
    g.feed(chunk({"content": "secret"})[:-8])
    g.eof()
    assert (b"", True, []) == (g.release(), g.truncated, g.windows(0))


@pytest.mark.parametrize(
    "last", [DONE, b'data: {"error": {"message": "m"}}\n\n', chunk(finish="stop"), DONE[:-2]]
)
def test_terminal_events(last):
    g = gate()
    g.feed(chunk({"content": "a"}) + last)
    g.eof()
    assert (True, False) == (g.finished, g.truncated)


def test_a_choice_that_goes_on_is_not_finished():
    g = gate()
    g.feed(chunk(finish="stop") + chunk({"content": "a"}, index=1))
    g.eof()
    assert (False, True) == (g.finished, g.truncated)


def call(index=0, arguments=None, name=None, **more):
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


def test_tool_calls_are_handed_out_whole_with_their_schema():
    g = gate(backs=(), hold_calls=True, schemas={"send": {"type": "object"}})
    data = (
        chunk(call(0, "", "send", id="call_1", type="function"))
        + chunk(call(1, '{"b"', "other"))
        + chunk(call(0, '{"a": '))
    )
    data += chunk(call(1, ": 2}")) + chunk(call(0, '"x"}'))
    g.feed(data)
    assert ([], b"") == (g.calls(), g.release())
    g.feed(chunk(finish="tool_calls"))
    first, second = g.calls()
    assert ("send", {"a": "x"}, {"type": "object"}, "choices.0.tool_calls.0") == (
        first.name,
        first.arguments,
        first.schema,
        first.key,
    )
    assert ("other", {"b": 2}, None) == (second.name, second.arguments, second.schema)
    g.clear_call(first.key)
    g.clear_call(second.key)
    assert data + chunk(finish="tool_calls") == g.release()


def test_a_key_of_the_arguments_can_be_edited():
    g = gate(backs=(), hold_calls=True)
    g.feed(chunk(call(0, '{"a@b.c": ', "f")) + chunk(call(0, "1.50}")) + chunk(finish="tool_calls"))
    (one,) = g.calls()
    g.clear_call(one.key, [Edit(0, 0, 5, "<E>")])
    assert ['{"<E>": 1.50}', ""] == [
        d["tool_calls"][0]["function"]["arguments"] for d in deltas(g.release()) if d
    ]


def test_arguments_that_are_not_json_are_one_text():
    g = gate(backs=(), hold_calls=True)
    g.feed(
        chunk({"tool_calls": [{"index": 0, "custom": {"name": "sh", "input": "rm -rf"}}]})
        + chunk(finish="tool_calls")
    )
    (one,) = g.calls()
    assert ("rm -rf", [("rm -rf", ())]) == (one.arguments, [(s.text, s.path) for s in one.segments])
    g.clear_call(one.key, [Edit(0, 0, 2, "ls")])
    assert b'"input": "ls -rf"' in g.release()


def test_a_call_that_never_became_whole_never_leaves():
    g = gate(backs=(), hold_calls=True)
    g.feed(chunk(call(0, '{"a"', "f")))
    g.eof()
    assert ([], b"", True) == (g.calls(), g.release(), g.truncated)


def test_calls_pass_in_fragments_where_no_guard_asks_for_them():
    g = gate()
    g.feed(chunk(call(0, '{"a"', "f")))
    assert ([], chunk(call(0, '{"a"', "f"))) == (clear(g), g.release())


def test_anthropic_holds_the_block_of_a_call_and_reads_arguments_given_at_once():
    g = gate("anthropic", (), hold_calls=True)
    data = block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {"to": "max"}})
    g.feed(event(START) + data)
    assert event(START) == g.release()
    (one,) = g.calls()
    assert {"to": "max"} == one.arguments
    g.clear_call(one.key, [Edit(1, 0, 3, "X")])
    assert data.replace(b'"max"', b'"X"') == g.release()


def test_anthropic_calls_end_with_the_message_if_the_block_does_not():
    g = gate("anthropic", (), hold_calls=True)
    g.feed(
        event(START)
        + block(
            0,
            {"type": "tool_use", "name": "f", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"a'},
            stop=False,
        )
    )
    g.feed(
        event(
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 1}}
        )
    )
    (one,) = g.calls()
    assert '{"a' == one.arguments


def test_arguments_twice_are_refused():
    with pytest.raises(WireError):
        gate("anthropic").feed(
            block(
                0,
                {"type": "tool_use", "name": "f", "input": {"a": 1}},
                {"type": "input_json_delta", "partial_json": "{}"},
            )
        )


def test_signed_thinking_is_never_edited():
    g = gate("anthropic")
    g.feed(
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "secret"},
        )
    )
    (window,) = g.windows(0)
    assert ("reasoning", False) == (window.channel, g.editable(window))
    with pytest.raises(WireError) as caught:
        g.clear(0, window, None, [Edit(0, 0, 6, "X")])
    assert "signed_thinking_edit" == caught.value.code


def test_a_block_may_begin_with_text():
    g = gate("anthropic")
    g.feed(block(0, {"type": "text", "text": "se"}, {"type": "text_delta", "text": "cret"}))
    assert [("content.0.text", "text", "secret", 0, 0, True)] == clear(g, find="secret")
    assert b'"text": "X"' in g.release()


def test_citations_and_results_are_read():
    g = gate("anthropic")
    citation = {"type": "char_location", "cited_text": "my secret", "document_title": "a title"}
    g.feed(block(0, {"type": "text", "text": ""}, {"type": "citations_delta", "citation": citation}))
    g.feed(
        block(
            1,
            {
                "type": "web_search_tool_result",
                "tool_use_id": "t",
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://x",
                        "title": "secret",
                        "encrypted_content": "Ab==",
                    }
                ],
            },
        )
    )
    assert ["my secret", "a title", "https://x", "secret"] == [row[2] for row in clear(g, find="secret")]
    assert b"secret" not in g.release()
    assert ["history"] == [one.kind for one in g.unread]


def test_audio_is_named_once_as_unread():
    g = gate()
    g.feed(chunk({"audio": {"id": "a", "data": "AAAA", "transcript": "said"}}) * 2)
    assert ["audio"] == [one.kind for one in g.unread]
    assert [("choices.0.audio.transcript", "text", "saidsaid", 0, 0, False)] == clear(g)


def test_amendments_come_after_inspection_and_in_order():
    g = gate(amending=True)
    g.feed(
        chunk({"role": "assistant", "content": ""})
        + chunk({"content": "secret"})
        + chunk({"content": "!"}, finish="stop")
    )
    assert [] == g.amend_windows()
    clear(g, find="secret")
    assert chunk({"role": "assistant", "content": ""}) == g.release()
    (opening,) = g.amend_windows()
    assert ("X", 0, False) == (opening.text, opening.start, opening.final)
    g.amend(opening, [Edit(0, 0, 0, "(AI) ")])
    assert [{"content": "(AI) X"}] == deltas(g.release())
    (closing,) = g.amend_windows()
    assert ("", 7, True) == (closing.text, closing.start, closing.final)
    g.amend(closing, [Edit(0, 0, 0, " (end)")])
    assert [{"content": "! (end)"}] == deltas(g.release())


def test_an_end_without_text_gets_an_event_of_its_own():
    g = gate("anthropic", (), amending=True)
    g.feed(event(START) + block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"}))
    out = g.release()
    for text in ("[", "]"):
        (window,) = g.amend_windows()
        g.amend(window, [Edit(0, 0, 0, text)])
        out += g.release()
    expected = event(START) + block(
        0,
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "[a"},
        {"type": "text_delta", "text": "]"},
    )
    assert expected.replace(b" ", b"") == out.replace(b" ", b"")


def test_texts_that_people_do_not_see_are_not_amended():
    g = gate("anthropic", (), amending=True)
    g.feed(
        block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "a"})
        + block(1, {"type": "text", "text": ""})
    )
    g.release()
    assert ([], True) == (g.amend_windows(), g.drained)


def test_a_text_between_two_halves_of_a_character_is_amended_too():
    g = gate(backs=(), amending=True)
    g.feed(
        chunk({"content": "\ud83d"}, index=1)
        + chunk({"content": "a"})
        + chunk({"content": "\ude42"}, index=1)
    )
    for key in ("choices.1.text", "choices.0.text"):
        assert b"" == g.release()
        (window,) = g.amend_windows()
        assert key == window.key
        g.amend(window, [Edit(0, 0, 0, "|")])
    assert ["|\ud83d", "|a", "\ude42"] == [d["content"] for d in deltas(g.release())]
