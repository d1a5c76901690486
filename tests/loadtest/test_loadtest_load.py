"""The load generator is bounded, counts what fails, and says when each request was due."""

import asyncio
import math
from itertools import pairwise

import pytest

from bylaw_loadtest.load import chat_target, closed_loop, open_loop
from bylaw_loadtest.result import Result, Sample, percentile, spread
from bylaw_loadtest.upstream import Script, ScriptedUpstream, script_header


@pytest.fixture
async def up():
    async with ScriptedUpstream(Script.of(words=60)) as up:
        yield up


def target(up, *, stream=False, **script):
    return chat_target(up.url, stream=stream, headers=script_header(**script))


async def test_a_closed_loop_ends_at_its_count(up):
    result = await closed_loop(target(up), connections=3, seconds_max=5, requests_max=50)
    assert (50, [], 50) == (len(result.samples), result.failures, up.requests.total)


async def test_a_closed_loop_ends_at_its_time(up):
    result = await closed_loop(target(up), connections=2, seconds_max=0.1, requests_max=10**9)
    assert 0.1 <= result.elapsed_s < 1.0
    assert len(result.samples) > 10


async def test_the_prompt_has_the_size_asked_for(up):
    await closed_loop(target(up), connections=1, seconds_max=5, requests_max=1)
    assert 1024 == up.requests[0].body_bytes


async def test_an_open_loop_keeps_its_rate(up):
    result = await open_loop(target(up), rate_hz=100, connections=4, seconds_max=0.3, requests_max=10**9)
    gaps = [later.scheduled_s - sooner.scheduled_s for sooner, later in pairwise(result.samples)]
    assert (30, []) == (len(result.samples), result.failures)
    assert 0.009 < sum(gaps) / len(gaps) < 0.012


async def test_waiting_for_a_connection_counts_as_latency(up):
    result = await open_loop(
        target(up, first_delay_ms=40), rate_hz=100, connections=1, seconds_max=0.05, requests_max=10
    )
    last = result.samples[-1]
    assert 5 == len(result.samples)
    assert last.sent_s - last.scheduled_s > 0.1
    assert result.latency_us(0.99) > 140_000


async def test_the_four_times_are_in_order_and_tell_the_first_event_from_the_last(up):
    result = await closed_loop(
        target(up, stream=True, answer="a b c d", chunk_delay_ms=10),
        connections=1,
        seconds_max=5,
        requests_max=1,
    )
    (sample,) = result.samples
    assert sample.scheduled_s <= sample.sent_s < sample.first_byte_s < sample.done_s
    assert sample.done_s - sample.first_byte_s > 0.04


async def test_a_refusal_is_a_failure_with_its_status(up):
    result = await closed_loop(target(up, status=503), connections=2, seconds_max=5, requests_max=4)
    assert ([], ["status 503"] * 4) == (result.samples, result.failures)


async def test_a_broken_connection_is_a_failure_and_the_run_goes_on(up):
    result = await closed_loop(target(up, close_after_events=0), connections=1, seconds_max=5, requests_max=3)
    assert ["connection lost: closed"] * 3 == result.failures


async def test_a_server_that_closes_after_each_reply_costs_no_request(up):
    result = await closed_loop(
        target(up, headers={"Connection": "close"}), connections=1, seconds_max=5, requests_max=3
    )
    assert (3, []) == (len(result.samples), result.failures)


async def test_garbage_is_a_failure(up):
    result = await closed_loop(
        target(up, malformed="garbage_head"), connections=1, seconds_max=5, requests_max=1
    )
    assert (0, 1) == (len(result.samples), len(result.failures))


async def test_a_hanging_server_cannot_hold_the_run(up, monkeypatch):
    monkeypatch.setattr("bylaw_loadtest.load._DRAIN_S", 0.05)
    run = closed_loop(target(up, first_delay_ms=60_000), connections=2, seconds_max=0.05, requests_max=9)
    result = await asyncio.wait_for(run, 2)
    assert ["unfinished"] * 2 == result.failures


async def test_a_server_that_is_not_there_is_an_error():
    async with ScriptedUpstream() as up:
        gone = target(up)
    with pytest.raises(OSError):
        await closed_loop(gone, connections=1, seconds_max=1, requests_max=1)


def test_percentiles_are_nearest_rank():
    assert (50, 99, 99) == tuple(percentile(range(100), share) for share in (0.5, 0.99, 1.0))
    assert math.isnan(percentile([], 0.5))
    assert (1, 2, 9) == spread([9, 1, 2])


def test_figures_of_a_result_are_in_microseconds():
    result = Result([Sample(1.0, 1.1, 1.25, 1.5, 200, 9)], [], 0.5)
    assert (500_000, 250_000, 2) == (result.latency_us(0.5), result.first_byte_us(0.5), result.rate_hz)
