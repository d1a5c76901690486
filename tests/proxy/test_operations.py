"""What an operator does to a running proxy: edits, reloads, kills, stops; exchanges under way do not suffer."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from children import workers
from ledger_reading import outcome, read
from rawhttp import Answer, Wire, exchange, request
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = """policy: mine
summary: One word is forbidden in both directions.
steps:
  - guard: patterns
    on: [prompt, reply]
    options: {{rules: [{{name: word, expression: '{word}', action: block}}]}}
"""
SOON_S = 8.0
QUIET = {"jurisdictions": "{default: [ZZ]}"}


def ask(text: str, *, stream: bool = False, **script: object) -> bytes:
    headers = [("Content-Type", "application/json"), *script_header(**script).items()]
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]}
    return request("POST", "/v1/chat/completions", headers, json.dumps(body).encode())


async def eventually(condition: Callable[[], Awaitable[Any]], within_s: float = SOON_S) -> float:
    """Wait until it holds; how long that took."""
    began_s = time.monotonic()
    while not await condition():
        assert time.monotonic() < began_s + within_s, "not so in time"
        await asyncio.sleep(0.05)
    return time.monotonic() - began_s


async def told(proxy: Proxy, path: str) -> Any:
    """What the control plane says."""
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.admin}{path}") as reply:
        return json.loads(await reply.read())


class Edited:
    """A proxy of two workers whose policy forbids one word."""

    def __init__(self, proxy: Proxy, policy: Path) -> None:
        self.proxy, self.policy = proxy, policy

    async def forbid(self, word: str) -> None:
        """Edit the policy and ask for a reload."""
        self.write(POLICY.format(word=word))
        await eventually(lambda: self.forbidden(word))

    def write(self, text: str) -> None:
        """An edit that need not wait until it is noticed."""
        self.policy.write_text(text)
        self.proxy.process.send_signal(signal.SIGHUP)

    async def statuses(self, text: str, count: int = 12) -> set[int]:
        """Statuses over many connections, so that every worker answers some."""
        return {(await exchange(self.proxy.address, ask(text))).status for _ in range(count)}

    async def forbidden(self, word: str) -> bool:
        return {400} == await self.statuses(word)

    async def refusal(self) -> str:
        """The reason of the last reload's refusal, or nothing."""
        last = (await told(self.proxy, "/v1/policies"))["last_reload"]
        return last.get("error", "") if last["result"] == "refused" else ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edited(start: Start, upstream: ScriptedUpstream) -> Edited:
    policy = Path(start.file("mine.yaml", POLICY.format(word="alpha")))
    profile = f"{{profile: {policy}}}"
    return Edited(await start(upstream.url, "--workers", "2", policies=profile, **QUIET), policy)


async def test_two_workers_share_the_port_and_both_serve(edited: Edited) -> None:
    answers = [await exchange(edited.proxy.address, ask("hello")) for _ in range(40)]
    ids = {answer.header("Bylaw-Exchange") for answer in answers}
    served = {e["worker"] for e in read(edited.proxy.data_dir) if e["exchange"] in ids}
    assert ({200}, {"w0", "w1"}) == ({answer.status for answer in answers}, served)


async def test_an_edit_of_a_file_reaches_all_workers(edited: Edited) -> None:
    before = await edited.statuses("alpha"), await edited.statuses("beta")
    edited.policy.write_text(POLICY.format(word="beta"))
    await eventually(lambda: edited.forbidden("beta"))
    after = await edited.statuses("alpha"), await edited.statuses("beta")
    assert (({400}, {200}), ({200}, {400})) == (before, after)


async def test_sighup_reloads_at_once(edited: Edited) -> None:
    generation = (await told(edited.proxy, "/v1/policies"))["generation"]
    edited.proxy.process.send_signal(signal.SIGHUP)

    async def reloaded() -> bool:
        return generation < (await told(edited.proxy, "/v1/policies"))["generation"]

    assert await eventually(reloaded) < SOON_S


BAD_EDITS = {
    "an unknown guard": (POLICY.format(word="gamma").replace("patterns", "pattern"), "4: ", "patterns"),
    "a bad expression": (POLICY.format(word="a(b"), "6: ", "missing )"),
    "no YAML": ("policy: [", "1: ", ""),
}


@pytest.mark.parametrize("name", BAD_EDITS)
async def test_a_bad_edit_is_refused_with_its_place_and_the_old_policy_stays(
    edited: Edited, name: str
) -> None:
    text, line, hint = BAD_EDITS[name]
    await edited.forbid("delta")
    logged = len(edited.proxy.log)
    edited.write(text)
    await eventually(edited.refusal)
    reason = await edited.refusal()
    assert (True, True) == (f"{edited.policy}:{line}" in reason, hint in reason), reason
    events = [json.loads(event) for event in edited.proxy.log[logged:].splitlines()]
    assert {("refused", "error", reason)} == {
        (e["result"], e["level"], e["error"]) for e in events if e["event"] == "reload"
    }
    assert ({400}, {200}) == (await edited.statuses("delta"), await edited.statuses("gamma"))
    await edited.forbid("epsilon")
    assert "" == await edited.refusal()


async def test_an_exchange_under_way_keeps_the_policy_that_it_began_with(edited: Edited) -> None:
    await edited.forbid("before")
    wire = await Wire.open(edited.proxy.address)
    slow = {"answer": "one two three four five six seven eight nine after", "chunk_delay_ms": 200}
    await wire.send(ask("hello", stream=True, **slow))
    _, headers = await wire.head()
    await edited.forbid("after")
    rest = await asyncio.wait_for(wire.reader.readuntil(b"0\r\n\r\n"), 15)
    await wire.close()
    fresh = await exchange(edited.proxy.address, ask("hello", answer="and after"))
    old = await outcome(edited.proxy.data_dir, dict(headers)["Bylaw-Exchange"])
    new = await outcome(edited.proxy.data_dir, fresh.header("Bylaw-Exchange"))
    assert (True, "allow", 400, "blocked") == (
        b"after" in rest,
        old["decision"],
        fresh.status,
        new["decision"],
    )
    assert old["plan"] != new["plan"]


async def test_a_killed_worker_is_replaced_and_the_port_serves_on(edited: Edited) -> None:
    before = workers(edited.proxy.process.pid)
    before[0].kill()

    async def replaced() -> bool:
        now = workers(edited.proxy.process.pid)
        ready = (await told(edited.proxy, "/readyz"))["workers"]["ready"]
        return len(now) == 2 and before[0] not in now and ready == 2

    await eventually(replaced)
    async with aiohttp.ClientSession() as session, session.get(f"{edited.proxy.admin}/metrics") as reply:
        metrics = await reply.text()
    assert ({200}, True) == (await edited.statuses("hello"), "bylaw_worker_restarts_total 1.0" in metrics)


async def streaming(
    start: Start, upstream: ScriptedUpstream, drain_s: int, **script: object
) -> tuple[Proxy, Wire]:
    """A proxy, and a stream through it that has begun."""
    proxy = await start(upstream.url, limits=f"{{drain_s: {drain_s}}}", **QUIET)
    wire = await Wire.open(proxy.address)
    await wire.send(ask("hello", stream=True, **script))
    return proxy, wire


async def test_sigterm_lets_a_stream_finish_and_takes_no_new_connection(
    start: Start, upstream: ScriptedUpstream
) -> None:
    proxy, wire = await streaming(start, upstream, 10, words=20, chunk_delay_ms=60)
    idle = await Wire.open(proxy.address)
    answer = asyncio.ensure_future(wire.answer())
    await asyncio.sleep(0.3)
    stopping = asyncio.ensure_future(proxy.stop())
    await asyncio.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        await Wire.open(proxy.address)
    assert b"" == await asyncio.wait_for(idle.reader.read(), 2)
    got: Answer = await answer
    assert (True, True, 0) == (got.whole, b"[DONE]" in got.body, await stopping)
    assert "allow" == (await outcome(proxy.data_dir, got.header("Bylaw-Exchange")))["decision"]


async def test_a_stream_longer_than_the_drain_is_cut_and_on_record(
    start: Start, upstream: ScriptedUpstream
) -> None:
    proxy, wire = await streaming(start, upstream, 1, words=400, chunk_delay_ms=50)
    _, headers = await wire.head()
    began_s = time.monotonic()
    status = await proxy.stop()
    took_s = time.monotonic() - began_s
    rest = await asyncio.wait_for(wire.reader.read(), 5)
    entry = await outcome(proxy.data_dir, dict(headers)["Bylaw-Exchange"])
    assert (0, False, "shutdown", True) == (status, b"[DONE]" in rest, entry["error"], entry["released"] > 0)
    assert 0.9 < took_s < 3.5


async def test_a_second_sigterm_ends_it_at_once(start: Start, upstream: ScriptedUpstream) -> None:
    proxy, wire = await streaming(start, upstream, 30, words=4000, chunk_delay_ms=50)
    await wire.head()
    proxy.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    began_s = time.monotonic()
    status = await proxy.stop()
    assert (1, True, []) == (status, time.monotonic() - began_s < 2, workers(proxy.process.pid))
    await wire.close()
