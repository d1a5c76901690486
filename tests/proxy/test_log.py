"""What may stand in the log: canaries must not."""

import asyncio
import io
import json
import logging
import warnings

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bylaw import log
from bylaw.errors import ConfigError, GuardError, Place

CANARY = "swordfish-4111111111111111"


@pytest.fixture(autouse=True)
def as_before():
    """What is configured here ends here."""
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = []


@pytest.fixture
def stream():
    out = io.StringIO()
    log.configure("info", out)
    return out


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_time_level_and_room(stream):
    log.get("edge").info("exchange", id="x1", route="/v1/", decision="allow", status=200, read_ms=0.25)
    [line] = lines(stream)
    assert "Z" in line["at"] or "+00:00" in line.pop("at")
    assert {
        "event": "exchange",
        "level": "info",
        "room": "edge",
        "id": "x1",
        "route": "/v1/",
        "decision": "allow",
        "status": 200,
        "read_ms": 0.25,
    } == line


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "x-api-key",
        "api_key",
        "apiKey",
        "APIKey",
        "token",
        "admin_token",
        "cookie",
        "Set-Cookie",
        "password",
        "client_secret",
        "content",
        "text",
        "reply_text",
        "body",
        "prompt",
        "message",
        "messages",
        "headers",
        "query",
        "arguments",
    ],
)
def test_a_value_under_a_name_like_a_secret_or_content_is_masked(stream, name):
    log.get("edge").info("x", **{name: CANARY}, deep={name: [CANARY]}, deeper=[{"a": {name: CANARY}}])
    assert CANARY not in stream.getvalue()
    assert "[masked]" == lines(stream)[0][name]


@pytest.mark.parametrize("name", ["id", "route", "tokens", "contents_read", "context", "keyboard", "step"])
def test_a_harmless_name_is_left_alone(stream, name):
    log.get("edge").info("x", **{name: "value"})
    assert "value" == lines(stream)[0][name]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_refused_wherever_they_stand(stream, kind):
    value = kind(CANARY.encode())
    log.get("edge").info("x", a=value, b=[value], c={"d": value})
    [line] = lines(stream)
    assert (log.BYTES, [log.BYTES], {"d": log.BYTES}) == (line["a"], line["b"], line["c"])


def test_an_object_is_named_by_its_type_and_not_shown(stream):
    class Body:
        def __repr__(self):
            return CANARY

    log.get("edge").info("x", found=Body())
    assert "[Body]" == lines(stream)[0]["found"]


def test_what_is_long_wide_or_deep_is_cut(stream):
    deep = "x"
    for _ in range(20):
        deep = [deep]
    log.get("edge").info("x", long="y" * 100_000, wide=list(range(10_000)), deep=deep)
    assert len(stream.getvalue()) < 3000
    assert "... (100000 characters)" in lines(stream)[0]["long"]


def test_of_an_exception_the_type_and_the_places_remain_and_not_what_it_quotes(stream):
    try:
        {}[CANARY]
    except KeyError as error:
        log.get("edge").error("bug", exc_info=error)
        log.get("edge").error("bug", exc_info=True)
    for line in lines(stream):
        assert "KeyError" == line["error"]["type"]
        assert line["error"]["at"][-1].startswith("test_log.py:")
    assert CANARY not in stream.getvalue()


def test_a_cause_is_named_by_its_type(stream):
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        log.get("edge").error("bug", exc_info=error)
    assert "ValueError" == lines(stream)[0]["error"]["cause"]
    assert CANARY not in stream.getvalue()


def test_our_own_errors_and_the_systems_keep_their_reason(stream):
    log.get("edge").error("x", exc_info=ConfigError("unknown key", Place("a.yaml", 3)))
    log.get("edge").error("x", exc_info=OSError(28, "No space left on device", CANARY))
    assert ["a.yaml:3: unknown key", "No space left on device"] == [
        x["error"]["reason"] for x in lines(stream)
    ]


def test_a_guards_error_may_quote_and_loses_its_reason(stream):
    log.get("edge").error("x", exc_info=GuardError(CANARY))
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ((f"Task was destroyed\ntask: <Task {CANARY}>",), "Task was destroyed"),
        ((f"Exception in callback set_result('{CANARY}')",), "Exception in callback set_result"),
        (("Error handling request from %s", CANARY), "Error handling request from %s"),
        ((f"body={CANARY}",), "body"),
        (({"a": CANARY},), ""),
    ],
)  # fmt: skip
def test_of_a_librarys_message_only_the_words_before_its_first_value_remain(stream, record, words):
    logging.getLogger("asyncio").error(*record)
    [line] = lines(stream)
    assert (words, "asyncio", "error") == (line["event"], line["room"], line["level"])
    assert CANARY not in stream.getvalue()


def test_a_library_is_heard_from_warning_on_and_never_as_access_log(stream):
    logging.getLogger("aiohttp.access").error(f"GET /?key={CANARY}")
    logging.getLogger("aiohttp.server").info("hello")
    logging.getLogger("aiohttp.server").warning("hello")
    assert [("aiohttp.server", "warning")] == [(line["room"], line["level"]) for line in lines(stream)]


async def test_a_failure_that_only_the_loop_sees_is_told_without_its_quote(stream):
    async def fail():
        raise ValueError(CANARY)

    asyncio.get_running_loop().call_exception_handler(
        {"message": "Unhandled exception", "exception": ValueError(CANARY), "future": CANARY}
    )
    assert ["ValueError"] == [line["error"]["type"] for line in lines(stream)]
    assert CANARY not in stream.getvalue()


def test_a_warning_goes_the_same_way(stream):
    logging.captureWarnings(False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure("info", stream)
        warnings.warn(f"'{CANARY}' is deprecated", stacklevel=1)
    assert ["py.warnings"] == [line["room"] for line in lines(stream)]
    assert CANARY not in stream.getvalue()


def test_events_below_the_level_are_not_written():
    out = io.StringIO()
    log.configure("warning", out)
    log.get("edge").info("quiet")
    log.get("edge").warning("loud")
    assert ["loud"] == [line["event"] for line in lines(out)]


def test_a_log_that_nobody_reads_disturbs_nobody():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    log.configure("info", Broken())
    log.get("edge").info("x")
    closed = io.StringIO()
    closed.close()
    log.configure("info", closed)
    log.get("edge").info("x")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in {"event", "self"}), json_like, max_size=5))
def test_whatever_is_logged_becomes_one_line_of_json(facts):
    out = io.StringIO()
    log.configure("info", out)
    log.get("edge").info("x", **facts)
    line, rest = out.getvalue().split("\n")
    assert ("x", "") == (json.loads(line)["event"], rest)
