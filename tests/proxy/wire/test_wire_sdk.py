"""The official SDKs, over a real socket: blocked and broken streams end in their own words."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from bylaw.verdict import Edit
from bylaw.wire.codec import CODECS
from bylaw.wire.stream import StreamGate

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
MESSAGES = [{"role": "user", "content": "hi"}]


class _Server(ThreadingHTTPServer):
    status = 200
    body = b""
    kind = "text/event-stream"
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("content-type", self.server.kind)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with _Server(("127.0.0.1", 0), _Handler) as one:
        threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
        yield one
        one.shutdown()


def openai_client(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k")


def anthropic_client(server) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_port}", api_key="k")


def chunk(*choices) -> bytes:
    return b"data: " + json.dumps({**HEAD, "choices": list(choices)}).encode() + b"\n\n"


def choice(index=0, finish=None, **delta):
    return {"index": index, "delta": delta, "finish_reason": finish}


def event(kind, **body) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


STARTED = event(
    "message_start",
    message={
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    },
)
TEXT = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TOOL = event(
    "content_block_start", index=1, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}}
)


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def passed(dialect: str, data: bytes, stop: str = "STOP") -> tuple[StreamGate, bytes]:
    """A gate whose guard blocks at a word."""
    gate = StreamGate(CODECS[dialect].stream(), [0], 1 << 20, 1 << 20)
    gate.feed(data)
    for window in gate.windows(0):
        at = window.text.find(stop)
        gate.cut(0, window, at) if at >= 0 else gate.clear(0, window, None)
    return gate, gate.release()


def read_openai(server, data: bytes):
    server.body = data
    content, finish = {}, {}
    for part in openai_client(server).chat.completions.create(model="m", messages=MESSAGES, stream=True):
        for one in part.choices:
            content[one.index] = content.get(one.index, "") + (one.delta.content or "")
            finish[one.index] = one.finish_reason or finish.get(one.index)
    return content, finish


@pytest.mark.parametrize(
    ("data", "content", "finish"),
    [
        (chunk(choice(content="ok")) + chunk(choice(content="STOP")), {0: "ok"}, {0: "content_filter"}),
        (chunk(choice(content="STOP")), {0: ""}, {0: "content_filter"}),
        (
            chunk(choice(0, content="a"), choice(1, content="b"))
            + chunk(choice(1, "stop"))
            + chunk(choice(0, content="STOP")),
            {0: "a", 1: "b"},
            {0: "content_filter", 1: "stop"},
        ),
    ],
)
def test_openai_sees_a_content_filter(server, data, content, finish):
    gate, out = passed("openai_chat", data)
    out += gate.end_blocked("harm", "The reply was stopped.")
    assert out.endswith(b"data: [DONE]\n\n")
    assert (content, finish) == read_openai(server, out)


def test_openai_ends_cleanly_before_anything_was_received(server):
    assert ({0: ""}, {0: "content_filter"}) == read_openai(
        server, passed("openai_chat", b"")[0].end_blocked("c", "m")
    )


def test_the_accumulating_helper_of_openai_reads_every_event_and_then_raises_its_content_filter_error(server):
    gate, out = passed(
        "openai_chat", chunk(choice(role="assistant", content="ok")) + chunk(choice(content="STOP"))
    )
    server.body = out + gate.end_blocked("harm", "stopped")
    with openai_client(server).chat.completions.stream(model="m", messages=MESSAGES) as stream:
        assert "ok" == "".join(one.delta for one in stream if one.type == "content.delta")
        with pytest.raises(openai.ContentFilterFinishReasonError):
            stream.get_final_completion()


def test_openai_raises_on_a_fault(server):
    gate, out = passed("openai_chat", chunk(choice(content="ok")))
    with pytest.raises(openai.APIError) as caught:
        read_openai(server, out + gate.end_fault("upstream_reset", "The upstream broke off."))
    assert "The upstream broke off." == caught.value.message


@pytest.mark.parametrize(
    ("data", "kinds", "text"),
    [
        (b"", [], ""),
        (STARTED, [], ""),
        (STARTED + TEXT, ["text"], ""),
        (STARTED + TEXT + delta("ok") + delta("STOP"), ["text"], "ok"),
        (STARTED + TEXT + delta("ok") + TOOL + delta("STOP"), ["text", "tool_use"], "ok"),
        (
            STARTED + TEXT + delta("ok") + event("content_block_stop", index=0) + TOOL,
            ["text", "tool_use"],
            "ok",
        ),
        (
            STARTED
            + TEXT
            + delta("ok")
            + event("content_block_stop", index=0)
            + event(
                "message_delta",
                delta={"stop_reason": "refusal", "stop_sequence": None},
                usage={"output_tokens": 5},
            ),
            ["text"],
            "ok",
        ),
    ],
)
def test_anthropic_sees_a_refusal(server, data, kinds, text):
    gate, out = passed("anthropic", data)
    server.body = out + gate.end_blocked("harm", "The reply was stopped.")
    with anthropic_client(server).messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
        got = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert (text, "refusal", kinds) == (got, final.stop_reason, [block.type for block in final.content])


def test_anthropic_raises_on_a_fault(server):
    gate, out = passed("anthropic", STARTED + TEXT + delta("ok"))
    server.body = out + gate.end_fault("upstream_reset", "The upstream broke off.")
    with pytest.raises(anthropic.APIStatusError, match="broke off"):  # noqa: SIM117
        with anthropic_client(server).messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
            list(stream.text_stream)


def test_sdks_read_redacted_and_amended_streams(server):
    gate = StreamGate(CODECS["openai_chat"].stream(), [0], 1 << 20, 1 << 20, amending=True)
    gate.feed(
        chunk(choice(content="my se"))
        + chunk(choice(content="cret"))
        + chunk(choice(0, "stop"))
        + b"data: [DONE]\n\n"
    )
    for window in gate.windows(0):
        gate.clear(0, window, None, [Edit(0, 3, 9, "[x]")])
    out = gate.release()
    while windows := gate.amend_windows():
        for window in windows:
            gate.amend(window, [Edit(0, 0, 0, "|")])
        out += gate.release()
    assert ({0: "|my [x]|"}, {0: "stop"}) == read_openai(server, out)


ERRORS = [
    (400, "BadRequestError"),
    (401, "AuthenticationError"),
    (403, "PermissionDeniedError"),
    (404, "NotFoundError"),
    (413, "APIStatusError"),
    (422, "UnprocessableEntityError"),
]


@pytest.mark.parametrize(("status", "name"), ERRORS)
def test_openai_raises_its_own_type_and_does_not_retry(server, status, name):
    server.kind, (server.status, server.body) = (
        "application/json",
        CODECS["openai_chat"].block_reply(status, "harm", "Not allowed.", "ex_1"),
    )
    with pytest.raises(getattr(openai, name)) as caught:
        openai_client(server).chat.completions.create(model="m", messages=MESSAGES)
    assert ("harm", 1) == (caught.value.code, server.asked)
    assert "Not allowed." in str(caught.value)


@pytest.mark.parametrize(("status", "name"), [row for row in ERRORS if row[0] != 413])
def test_anthropic_raises_its_own_type_and_does_not_retry(server, status, name):
    server.kind, (server.status, server.body) = (
        "application/json",
        CODECS["anthropic"].block_reply(status, "harm", "Not allowed.", "ex_1"),
    )
    with pytest.raises(getattr(anthropic, name)) as caught:
        anthropic_client(server).messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert 1 == server.asked
    assert "Not allowed." in str(caught.value)
