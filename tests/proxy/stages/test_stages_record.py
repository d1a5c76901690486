"""What is on record, and what waits for it: the ledger's modes, and one outcome on every way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from stage_rig import (
    CHAT,
    EMPTY,
    LEDGER_DOWN,
    Answer,
    Inbound,
    Rig,
    chat,
    chunks,
    completion,
    reply,
    said,
    stream,
)

from bylaw.errors import ClientError, UpstreamError
from bylaw.limits import Limits
from bylaw.plan.callers import KEY_PREFIX, CallerEntry, digest
from bylaw.spec import Finding, Guard, Verdict, Window, impl
from bylaw.stages.transit import WORDS_MAX

DOWN = UpstreamError(502, "upstream_unreachable", "the provider cannot be reached")
RESET = UpstreamError(502, "upstream_reset", "the provider closed the connection")
WHOLE, STREAM = reply(completion("fine"), length=len(completion("fine"))), stream({"content": "fine"})
RAW_PASS = {"dialect": "raw", "policy": EMPTY}


def fresh(answer: Answer) -> Answer:
    return replace(answer, released=0)


async def until(condition: Callable[[], object]) -> None:
    """Let the exchange go on until nothing moves, at most a second."""
    for _ in range(200):
        await asyncio.sleep(0)
    assert condition()


REPLIES = {
    "whole": (WHOLE, {}),
    "stream": (STREAM, {}),
    "passed, known length": (WHOLE, RAW_PASS),
    "passed, chunked": (reply(b"abc", b"def"), RAW_PASS),
    "passed stream": (STREAM, RAW_PASS),
    "no body": (reply(status=204), {}),
}
each_reply = pytest.mark.parametrize(("answer", "facts"), REPLIES.values(), ids=REPLIES)


@each_reply
async def test_strict_opens_nothing_before_the_intent_is_safe(answer, facts):
    rig = Rig(fresh(answer), wait=["intent"], **facts)
    running = asyncio.ensure_future(rig.run())
    await until(lambda: rig.ledger.open)
    assert "open" not in rig.events
    rig.ledger.settle("intent")
    await running
    assert rig.events.index("intent safe") < rig.events.index("open")


@each_reply
@pytest.mark.parametrize("mode", ["strict", "final"])
async def test_the_last_byte_waits_until_the_outcome_is_safe(answer, facts, mode):
    rig = Rig(fresh(answer), wait=["outcome"], mode=mode, **facts)
    running = asyncio.ensure_future(rig.run())
    await until(lambda: rig.ledger.open)
    expected = b"".join(answer.pieces)
    assert not rig.out.ended
    assert not rig.out.started or rig.out.body != expected or rig.out.length is None
    assert b"[DONE]" not in rig.out.body
    rig.ledger.settle("outcome")
    assert (True, expected) == ((await running).ended, rig.out.body)


@each_reply
async def test_final_writes_an_outcome_alone(answer, facts):
    rig = Rig(fresh(answer), mode="final", **facts)
    await rig.run()
    assert ["outcome"] == [kind for kind, _, _ in rig.ledger.entries]


@each_reply
async def test_async_waits_for_nothing(answer, facts):
    rig = Rig(fresh(answer), mode="async", wait=["outcome"], **facts)
    out = await asyncio.wait_for(rig.run(), 2)
    assert (True, ["outcome"]) == (out.ended, [kind for kind, _, _ in rig.ledger.entries])


@each_reply
async def test_a_ledger_that_fails_before_the_start_releases_nothing_and_opens_nothing(answer, facts):
    rig = Rig(fresh(answer), fail=["intent", "outcome", "undelivered"], **facts)
    out = await rig.run()
    assert (503, "2", "blocked") == (out.status, out.header("retry-after"), out.header("bylaw-decision"))
    assert "open" not in rig.events
    assert b"fine" not in out.body


@pytest.mark.parametrize("facts", [REPLIES["whole"], REPLIES["no body"]], ids=["whole", "no body"])
async def test_a_ledger_that_fails_at_the_end_releases_nothing_of_a_whole_reply(facts):
    rig = Rig(fresh(facts[0]), fail=["outcome"], **facts[1])
    out = await rig.run()
    assert (503, False) == (out.status, b"fine" in out.body)
    assert ["intent", "outcome", "undelivered"] == [kind for kind, _, _ in rig.ledger.entries]


@pytest.mark.parametrize("facts", [{}, RAW_PASS], ids=["inspected", "passed"])
async def test_a_ledger_that_fails_at_the_end_of_a_stream_leaves_it_unfinished(facts):
    texts = [{"content": "fine "}] * 20
    rig = Rig(stream(*texts, cut=range(100, 2000, 100)), fail=["outcome"], **facts)
    out = await rig.run()
    assert (True, False, False) == (out.aborted, out.ended, b"[DONE]" in out.body)
    assert 1 == len(rig.ledger.of("undelivered"))


async def test_a_block_is_told_once_it_is_on_record():
    rig = Rig(wait=["outcome"])
    running = asyncio.ensure_future(rig.run(chat("so bad")))
    await until(lambda: rig.ledger.open)
    assert not rig.out.started
    rig.ledger.settle("outcome")
    assert 400 == (await running).status


@pytest.mark.parametrize("error", [DOWN, RESET])
async def test_a_failure_of_the_provider_is_told_once_it_is_on_record(error):
    rig = Rig(error, wait=["outcome"])
    running = asyncio.ensure_future(rig.run())
    await until(lambda: rig.ledger.open)
    assert not rig.out.started
    rig.ledger.settle("outcome")
    assert (502, error.code) == ((await running).status, rig.outcome["error"])


KEY = KEY_PREFIX + "k"
CALLERS = {"app": CallerEntry(digest(KEY).hex())}  # type: ignore[arg-type]

WAYS_OUT = {
    "allowed": (lambda: (Rig(fresh(WHOLE)), chat("hi")), "allow", 200, ""),
    "modified prompt": (lambda: (Rig(fresh(WHOLE)), chat("my secret")), "modified", 200, ""),
    "modified reply": (lambda: (Rig(reply(completion("a secret"))), chat("hi")), "modified", 200, ""),
    "modified stream": (lambda: (Rig(stream({"content": "a secret"})), chat("hi")), "modified", 200, ""),
    "blocked prompt": (lambda: (Rig(fresh(WHOLE)), chat("bad")), "blocked", 400, ""),
    "blocked reply": (lambda: (Rig(reply(completion("bad"))), chat("hi")), "blocked", 400, ""),
    "blocked stream, nothing left": (
        lambda: (Rig(stream({"content": "bad"})), chat("hi")),
        "blocked",
        400,
        "",
    ),
    "blocked stream": (
        lambda: (Rig(stream({"content": "fine, fine, fine"}, {"content": " bad"}, cut=[150])), chat("hi")),
        "blocked",
        200,
        "",
    ),
    "passed": (lambda: (Rig(reply(b"abc"), **RAW_PASS), chat("hi")), "allow", 200, ""),
    "not JSON": (lambda: (Rig(fresh(WHOLE)), Inbound(body=b"{")), "blocked", 400, "invalid_json"),
    "client reset while reading": (
        lambda: (Rig(fresh(WHOLE)), chat("hi", error=ConnectionResetError())),
        "blocked",
        0,
        "client_abort",
    ),
    "too slow": (
        lambda: (Rig(fresh(WHOLE)), chat("hi", error=ClientError(408, "body_too_slow", "slow"))),
        "blocked",
        408,
        "body_too_slow",
    ),
    "provider down": (lambda: (Rig(DOWN), chat("hi")), "allow", 502, "upstream_unreachable"),
    "provider's garbage": (lambda: (Rig(reply(b"garbage")), chat("hi")), "allow", 502, "upstream_malformed"),
    "provider resets a whole reply": (
        lambda: (Rig(reply(b"{", error=RESET)), chat("hi")),
        "allow",
        502,
        "upstream_reset",
    ),
    "provider resets a stream": (
        lambda: (
            Rig(reply(*chunks({"content": "fine, fine, fine"})[:1], headers=STREAM.headers, error=RESET)),
            chat("hi"),
        ),
        "allow",
        200,
        "upstream_reset",
    ),
    "stream without an end": (
        lambda: (Rig(reply(*chunks({"content": "fine"})[:1], headers=STREAM.headers)), chat("hi")),
        "allow",
        200,
        "upstream_reset",
    ),
    "our bug in the provider's client": (lambda: (Rig(ZeroDivisionError()), chat("hi")), "allow", 500, "bug"),
}


@pytest.mark.parametrize(("make", "decision", "status", "error"), WAYS_OUT.values(), ids=WAYS_OUT)
@pytest.mark.parametrize("mode", ["strict", "final", "async"])
async def test_every_way_out_has_one_outcome_and_gives_everything_back(make, decision, status, error, mode):
    rig, inbound = make()
    rig.services.mode = mode
    await rig.run(inbound)
    found = rig.outcome
    assert (decision, status, error) == (found["decision"], found["status"], found.get("error", ""))
    assert (1, 0) == (len(rig.seen), rig.services.in_flight)
    assert not rig.upstream.given or (1, 0) == (rig.upstream.answer.released, rig.upstream.answer.open)


REFUSALS = {
    "no route": (lambda: (Rig(), chat("hi", target="/v9/x")), 404, "unknown_route"),
    "no codec": (lambda: (Rig(), chat("hi", target="/v1/files")), 404, "unread_operation"),
    "odd path": (lambda: (Rig(), chat("hi", target="/v1/%2e%2e/x")), 400, "ambiguous_path"),
    "draining": (lambda: (drained(), chat("hi")), 503, "exchanges_full"),
    "full": (lambda: (Rig(limits=Limits(exchanges_max=0)), chat("hi")), 503, "exchanges_full"),
    "no key": (lambda: (Rig(callers=CALLERS), chat("hi")), 401, "unknown_caller"),
    "wrong key": (lambda: (Rig(callers=CALLERS), chat("hi", headers=[(b"bylaw-key", b"no")])), 401, "unknown_caller"),
}  # fmt: skip


def drained() -> Rig:
    rig = Rig()
    rig.services.draining = True
    return rig


@pytest.mark.parametrize(("make", "status", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_what_never_reached_a_plan_is_refused_and_has_no_outcome(make, status, code):
    rig, inbound = make()
    out = await rig.run(inbound)
    kinds = [] if code in {"unknown_caller", "exchanges_full"} else ["refused"]
    assert (status, kinds) == (out.status, [kind for kind, _, _ in rig.ledger.entries])
    assert ({} if kinds else {code: 1}) == rig.services.refused
    assert (0, 1, "blocked") == (rig.services.in_flight, len(rig.seen), out.header("bylaw-decision"))


CANCELLED = {
    "whole": lambda: Rig(fresh(WHOLE)),
    "stream": lambda: Rig(stream({"content": "fine, fine"}, {"content": ", fine"}, cut=range(40, 400, 90))),
    "passed": lambda: Rig(reply(b"abc", b"def", b"ghi"), **RAW_PASS),
    "blocked": lambda: Rig(reply(completion("bad"))),
    "provider down": lambda: Rig(DOWN),
    "async guard": lambda: Rig(fresh(WHOLE), guards=[Slow]),
    "slow ledger": lambda: Rig(fresh(WHOLE), wait=["intent"]),
    "slow ledger at the end": lambda: Rig(fresh(WHOLE), wait=["outcome"]),
}


class Slow(Guard):
    name = "words"

    @impl
    async def inspect_request(self, exchange: object, prompt: object) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    @impl
    async def inspect_reply(self, exchange: object, reply: object) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.mark.parametrize("make", CANCELLED.values(), ids=CANCELLED)
async def test_a_client_that_leaves_at_any_await_is_recorded_once_and_everything_is_given_back(make):
    for turn in range(60):
        rig = make()
        running = asyncio.ensure_future(rig.run())
        for _ in range(turn):
            await asyncio.sleep(0)
        whole = running.done()
        running.cancel()
        await asyncio.wait([running], timeout=2)
        assert running.done()
        if turn:
            assert (1, 1) == (len(rig.ledger.of("outcome")) + len(rig.ledger.of("refused")), len(rig.seen)), (
                turn
            )
        assert 0 == rig.services.in_flight
        assert not rig.upstream.given or (1, 0) == (rig.upstream.answer.released, rig.upstream.answer.open)
        if whole:
            return
    assert rig.ledger.open, "the exchange never ended by itself"


@pytest.mark.parametrize("after", [0, 1, 40, 120])
@pytest.mark.parametrize("facts", [REPLIES["stream"], REPLIES["passed, chunked"], REPLIES["whole"]])
async def test_a_client_that_is_gone_when_we_write_is_recorded_once(facts, after):
    rig = Rig(fresh(facts[0]), **facts[1])
    rig.out.leaves_after = after
    out = await rig.run()
    assert (1, 0, 1) == (len(rig.ledger.of("outcome")), rig.services.in_flight, len(rig.seen))
    if not out.ended:
        assert "client_abort" == rig.seen[0]["error"]


async def test_what_goes_wrong_after_the_outcome_is_on_record_as_undelivered():
    rig = Rig(fresh(WHOLE))
    rig.out.leaves_after = 0
    await rig.run()
    assert [{"error": "client_abort"}] == rig.ledger.of("undelivered")


async def test_a_counter_that_fails_does_not_keep_the_permit():
    rig = Rig(fresh(WHOLE))

    def fails(**_facts: object) -> None:
        raise RuntimeError("no space left for logs")

    rig.services.observe = fails  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        await rig.run()
    assert (0, 1) == (rig.services.in_flight, len(rig.ledger.of("outcome")))


async def test_a_connection_that_cannot_be_given_back_is_still_recorded():
    rig = Rig(fresh(WHOLE))
    assert isinstance(rig.upstream.answer, Answer)
    rig.upstream.answer.release = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    rig.upstream.answer.pieces = [b"garbage"]
    with pytest.raises(ZeroDivisionError):
        await rig.run()
    assert (0, 1, 1) == (rig.services.in_flight, len(rig.ledger.of("outcome")), len(rig.seen))


async def test_an_entry_holds_no_content_no_credential_and_no_address():
    rig = Rig(reply(completion("the secret answer")), callers=CALLERS, credential=("auto", "sk-provider"))
    await rig.run(chat("my secret question", headers=[(b"Bylaw-Key", KEY.encode()), (b"Cookie", b"c=1")]))
    told = repr(rig.ledger.entries) + repr(rig.seen)
    assert [] == [
        word for word in ("question", "answer", KEY, "sk-provider", "127.0.0.1", "c=1") if word in told
    ]
    assert "app" == rig.outcome["caller"]


async def test_an_intent_that_fails_behind_a_block_is_nobodys_unread_exception():
    rig = Rig(fail=["intent"])
    out = await rig.run(chat("bad"))
    assert 400 == out.status
    assert rig.ledger.entries[0][0] == "intent"


async def test_an_outcome_names_what_was_released_and_by_whom_it_was_stopped():
    rig = Rig(stream({"content": "fine, fine, fine"}, {"content": " bad"}, cut=[150]))
    out = await rig.run()
    found = rig.outcome
    assert ("words", "bad_text", "block") == (
        found["blocked_by"],
        found["code"],
        found["steps"][-1]["action"],
    )
    assert (len("fine, fine, fine"), False) == (found["released"], " bad" in said(out.body)[0])


async def test_what_was_stopped_by_the_ledger_says_so():
    rig = Rig(fail=["intent"])
    await rig.run()
    assert LEDGER_DOWN.code == rig.seen[0]["error"]
    assert CHAT.startswith("/v1/")


class Chatty(Guard):
    """Has something new to say about every window."""

    name = "words"

    @impl
    def inspect_window(self, exchange: object, window: Window) -> Verdict:
        said = f"n{window.start}"
        return Verdict(notes={said: 1}, findings=(Finding(said),))


async def test_what_a_step_says_in_a_long_stream_is_bounded():
    texts = [{"content": "fine, "}] * 300
    rig = Rig(stream(*texts), guards=[Chatty])
    await rig.run(chat("hi", stream=True))
    (step,) = rig.outcome["steps"]
    assert (WORDS_MAX, WORDS_MAX, True) == (len(step["notes"]), len(step["findings"]), step["calls"] >= 300)
