"""Requests and responses over a pair of sockets."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from bylaw.errors import ConfigError, Place
from bylaw.supervise import channel
from bylaw.supervise.channel import Channel


@contextlib.asynccontextmanager
async def connected(handlers):
    """A caller, and a peer that serves `handlers`."""
    left, right = socket.socketpair()
    caller, peer = await Channel.open(left), await Channel.open(right)
    serving = [asyncio.ensure_future(caller.serve({})), asyncio.ensure_future(peer.serve(handlers))]
    try:
        yield caller, peer
    finally:
        caller.close()
        peer.close()
        await asyncio.gather(*serving)


async def echo(fields):
    return fields


async def never(fields):
    await asyncio.Event().wait()


async def test_a_call_returns_what_the_handler_of_the_peer_returned():
    async with connected({"echo": echo}) as (caller, _):
        assert {"a": [1, "ü\n"]} == await caller.call("echo", a=[1, "ü\n"])


async def test_answers_find_their_calls_in_any_order():
    gate = asyncio.Event()

    async def first(fields):
        await gate.wait()
        return {"i": 1}

    async def second(fields):
        gate.set()
        return {"i": 2}

    async with connected({"first": first, "second": second}) as (caller, _):
        assert [{"i": 1}, {"i": 2}] == await asyncio.gather(caller.call("first"), caller.call("second"))


async def test_both_ends_may_call_at_once():
    left, right = socket.socketpair()
    one, two = await Channel.open(left), await Channel.open(right)
    serving = asyncio.gather(one.serve({"echo": echo}), two.serve({"echo": echo}))
    assert [{"i": 1}, {"i": 2}] == await asyncio.gather(one.call("echo", i=1), two.call("echo", i=2))
    one.close()
    await serving


async def test_an_operators_mistake_comes_back_with_its_place_and_status_2():
    async def refuse(fields):
        raise ConfigError("unknown key", Place("a.yaml", 3, "routes"))

    async with connected({"refuse": refuse}) as (caller, _):
        assert {"error": "a.yaml:3: routes: unknown key", "exit": 2} == await caller.call("refuse")


async def test_an_error_of_the_system_comes_back_with_status_1():
    async def fail(fields):
        raise OSError(98, "Address already in use")

    async with connected({"fail": fail}) as (caller, _):
        assert {"error": "[Errno 98] Address already in use", "exit": 1} == await caller.call("fail")


async def test_a_bug_of_a_handler_comes_back_by_its_type_without_what_it_quotes():
    async def bug(fields):
        raise KeyError("swordfish")

    async with connected({"bug": bug}) as (caller, _):
        expected = {"error": "bug: KeyError in `bug`; its log has the place", "exit": 1}
        assert expected == await caller.call("bug")


async def test_an_operation_that_does_not_exist_is_an_error():
    async with connected({}) as (caller, _):
        assert {"error": "no operation `fly`", "exit": 1} == await caller.call("fly")


async def test_an_answer_that_is_no_json_is_an_error():
    async def odd(fields):
        return {"x": object()}

    async with connected({"odd": odd}) as (caller, _):
        assert (await caller.call("odd"))["error"].startswith("the answer cannot be sent")


async def test_a_call_that_gets_no_answer_in_time_ends():
    async with connected({"never": never}) as (caller, _):
        with pytest.raises(TimeoutError):
            await caller.call("never", timeout_s=0.02)


async def test_a_late_answer_disturbs_nobody():
    gate = asyncio.Event()

    async def late(fields):
        await gate.wait()
        return {}

    async with connected({"late": late, "echo": echo}) as (caller, _):
        with pytest.raises(TimeoutError):
            await caller.call("late", timeout_s=0.02)
        gate.set()
        assert {"i": 1} == await caller.call("echo", i=1)


async def test_calls_that_wait_fail_when_the_peer_goes():
    async with connected({"never": never}) as (caller, peer):
        waiting = asyncio.ensure_future(caller.call("never"))
        await asyncio.sleep(0.01)
        peer.close()
        with pytest.raises(ConnectionError):
            await waiting


async def test_a_call_after_the_peer_has_gone_fails_at_once():
    async with connected({}) as (caller, peer):
        peer.close()
        await asyncio.sleep(0.02)
        with pytest.raises(ConnectionError):
            await caller.call("echo")


async def test_a_message_over_the_bound_is_refused_by_the_sender(monkeypatch):
    monkeypatch.setattr(channel, "MESSAGE_BYTES_MAX", 100)
    async with connected({"echo": echo}) as (caller, _):
        with pytest.raises(ValueError, match="is more than 100"):
            await caller.call("echo", text="x" * 100)


@pytest.mark.parametrize(
    "noise", [b"x" * 300, b"hello\n", b"{}\n", b'{"re": 1}\n', b"[1]\n", b'{"id": 1, "op"']
)
async def test_a_peer_that_speaks_something_else_is_gone(monkeypatch, noise):
    monkeypatch.setattr(channel, "MESSAGE_BYTES_MAX", 100)
    left, right = socket.socketpair()
    end = await Channel.open(left)
    serving = asyncio.ensure_future(end.serve({}))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(end.call("anything"))
    await asyncio.sleep(0.01)
    right.sendall(noise)
    right.shutdown(socket.SHUT_WR)
    await asyncio.wait_for(serving, 1)
    with pytest.raises(ConnectionError):
        await waiting
    right.close()


async def test_more_calls_than_handlers_are_refused_and_not_queued(monkeypatch):
    monkeypatch.setattr(channel, "HANDLERS_MAX", 2)
    async with connected({"never": never}) as (caller, _):
        calls = [asyncio.ensure_future(caller.call("never", timeout_s=0.1)) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert {"error": "busy", "exit": 1} == await caller.call("never")
        assert [TimeoutError, TimeoutError] == [
            type(e) for e in await asyncio.gather(*calls, return_exceptions=True)
        ]


def test_a_channel_works_on_uvloop_as_workers_use_it():
    async def both():
        async with connected({"echo": echo}) as (caller, _):
            return await caller.call("echo", i=1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert {"i": 1} == runner.run(both())
