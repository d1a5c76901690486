"""Workers and the ledger's writer are killed under load: what a client got whole is on record."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter

import pytest

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from children import Child, children
from ledger_reading import read
from rawhttp import Answer, exchange, request
from rig import Proxy, Start, bylaw

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 6
RECOVERY_S = 5.0
ANSWER_S = 12.0
CALM_S = 11.0
"""A child that lived this long is replaced without a wait; see `supervise.slot.Backoff`."""
BURIAL_S = 20.0
TEXT = "word " * 40
KINDS = ("plain", "stream", "anthropic", "anthropic stream", "raw", "reset")


def ask(kind: str) -> bytes:
    """A request of each kind; provider's delays make exchanges overlap with kills."""
    script = {"chunk_delay_ms": 3} if "stream" in kind else {"first_delay_ms": 10}
    if kind == "reset":
        script = {"reset_after_events": -1}
    headers = [("Content-Type", "application/json"), *script_header(**script).items()]
    if kind == "raw":
        return request("POST", "/raw/x", headers, b"x" * 3000)
    path = "/v1/messages" if kind.startswith("anthropic") else "/v1/chat/completions"
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": TEXT}]}
    return request("POST", path, headers, json.dumps(body | {"stream": "stream" in kind}).encode())


class Load:
    """Clients that each have one request at a time; keeps what was answered whole."""

    def __init__(self, proxy: Proxy, random_: random.Random) -> None:
        self.proxy, self._random = proxy, random_
        self.whole: dict[str, int] = {}
        self.seen: Counter[str] = Counter()
        self.served_s = 0.0
        self._clients = [asyncio.ensure_future(self._client()) for _ in range(CLIENTS)]

    async def _client(self) -> None:
        while True:
            kind = self._random.choice(KINDS)
            try:
                async with asyncio.timeout(ANSWER_S):
                    self._take(kind, await exchange(self.proxy.address, ask(kind)))
            except (OSError, asyncio.IncompleteReadError):
                self.seen["cut"] += 1
                await asyncio.sleep(0.02)

    def _take(self, kind: str, answer: Answer) -> None:
        self.seen[f"{kind} {answer.status}" if answer.whole else "cut"] += 1
        if not answer.whole:
            return
        if answer.status == 200:
            self.served_s = time.monotonic()
        if (
            answer.status != 503
        ):  # Bylaw's own refusal: nothing was released, and its record may not be possible
            self.whole[answer.header("Bylaw-Exchange") or "none"] = answer.status

    async def recovered(self) -> float:
        """Wait until an exchange that began now, or later, is served; how long that took."""
        began_s = time.monotonic()
        while self.served_s < began_s and time.monotonic() < began_s + 2 * RECOVERY_S:
            await asyncio.sleep(0.01)
        return time.monotonic() - began_s

    async def stop(self) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.wait(self._clients)
        for client in self._clients:
            assert client.cancelled(), client.exception()


class Victims:
    """Chooses whom to kill: any, or one that has lived calmly."""

    def __init__(self, proxy: Proxy, kills: int, random_: random.Random, calm: bool) -> None:
        self._proxy, self._random, self._calm = proxy, random_, calm
        self._roles = ["writer"] * (kills * 2 // 5) + ["worker"] * (kills - kills * 2 // 5)
        random_.shuffle(self._roles)
        self._since: dict[int, float] = {}

    async def next(self, number: int) -> Child:
        while True:
            alive = children(self._proxy.process.pid)
            now = time.monotonic()
            for child in alive:
                self._since.setdefault(child.pid, now)
            calm = [c for c in alive if not self._calm or now - self._since[c.pid] > CALM_S]
            if fit := [c for c in calm if self._calm or c.role == self._roles[number]]:
                return self._random.choice(fit)
            await asyncio.sleep(0.02)


async def torment(proxy: Proxy, kills: int, seed: int, calm: bool) -> tuple[Load, list[float]]:
    """Load, and kills at random moments; how long each recovery took."""
    print(f"seed {seed}")
    random_ = random.Random(seed)
    victims = Victims(proxy, kills, random_, calm)
    load = Load(proxy, random.Random(seed + 1))
    took = []
    try:
        for number in range(kills):
            await asyncio.sleep(random_.uniform(0.05, 0.5))
            (await victims.next(number)).kill()
            took.append(await load.recovered())
    finally:
        await load.stop()
    return load, took


async def closed(proxy: Proxy) -> tuple[set[str], Counter[str], set[str]]:
    """Intents, outcomes with their number, and abandoned exchanges, once every intent has an end."""
    deadline_s = time.monotonic() + BURIAL_S
    while True:
        entries = read(proxy.data_dir)
        intents = {entry["exchange"] for entry in entries if entry["type"] == "intent"}
        outcomes = Counter(entry["exchange"] for entry in entries if entry["type"] == "outcome")
        abandoned = {entry["exchange"] for entry in entries if entry["type"] == "abandoned"}
        if intents <= {*outcomes, *abandoned} or time.monotonic() > deadline_s:
            return intents, outcomes, abandoned
        await asyncio.sleep(0.5)


async def trial(start: Start, upstream: ScriptedUpstream, kills: int, seed: int, calm: bool) -> None:
    proxy = await start(upstream.url, "--workers", "2", jurisdictions="{default: [ZZ]}")
    load, took = await torment(proxy, kills, seed, calm)
    print(f"slowest recovery {max(took):.2f} s; {dict(load.seen)}")
    intents, outcomes, abandoned = await closed(proxy)
    stopped = await proxy.stop()
    status, said, _ = await bylaw("audit", "verify", "--data-dir", str(proxy.data_dir))
    missing = {exchange: load.whole[exchange] for exchange in load.whole.keys() - outcomes.keys()}
    assert ({}, 0, 0) == (missing, status, stopped), said
    assert set() == intents - {*outcomes, *abandoned}
    assert {1} == set(outcomes.values())
    assert set() == abandoned & outcomes.keys()
    assert max(took) < RECOVERY_S
    assert len(load.whole) > 3 * kills


@pytest.mark.parametrize("seed", [20])
async def test_ten_kills_lose_no_record(start: Start, upstream: ScriptedUpstream, seed: int) -> None:
    await trial(start, upstream, 10, seed, calm=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_sixty_kills_lose_no_record(start: Start, upstream: ScriptedUpstream, seed: int) -> None:
    await trial(start, upstream, 60, seed, calm=True)
