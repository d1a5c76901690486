"""A load generator on raw asyncio: prepared bytes out, httptools in, as cheap as Python allows.

Closed loop: each connection sends its next request when the last is answered. Open loop: requests are due at
a fixed rate whatever the server does, and wait for a free connection if there is none, which counts.
Law: every run is bounded in requests and in seconds and ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any

from bylaw_loadtest.client import Client, Target, connect
from bylaw_loadtest.result import Result, Sample
from bylaw_loadtest.scripted.text import generated

# A run that is over waits this long for the replies still on their way.
_DRAIN_S = 5.0
# Timers of the event loop have a resolution of a millisecond: that much lateness is the generator's own.
_TIMER_S = 0.002


def chat_target(url: str, *, body_bytes: int = 1024, stream: bool = False, headers: dict[str, str]) -> Target:
    """A chat completion of about `body_bytes` of ordinary text for a server at `url`.

    Args:
        url: `http://host:port`.
        body_bytes: length of the JSON body.
        stream: ask for SSE.
        headers: more headers, e.g. a script or a jurisdiction.
    """
    host, _, port = url.removeprefix("http://").rpartition(":")
    body = _chat_body(body_bytes, stream)
    given = {
        "Host": f"{host}:{port}",
        "Authorization": "Bearer load-test",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        *(f"{name}: {value}" for name, value in given.items()),
        "",
        "",
    ]
    return Target(host, int(port), "\r\n".join(lines).encode() + body)


async def closed_loop(target: Target, *, connections: int, seconds_max: float, requests_max: int) -> Result:
    """As many requests as the server answers over `connections` connections; raises OSError if it refuses."""
    return await _ClosedLoop(target, seconds_max, requests_max).play(connections)


async def open_loop(
    target: Target, *, rate_hz: float, connections: int, seconds_max: float, requests_max: int
) -> Result:
    """`rate_hz` requests a second over `connections` connections; raises OSError if the server refuses."""
    return await _OpenLoop(target, rate_hz, seconds_max, requests_max).play(connections)


class _Run:
    def __init__(self, target: Target, seconds_max: float, requests_max: int) -> None:
        self._target, self._seconds_max, self._left = target, seconds_max, requests_max
        self._loop = asyncio.get_running_loop()
        self._result = Result()
        self._in_flight = 0
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def play(self, connections: int) -> Result:
        clients = await asyncio.gather(*(connect(self._target, self) for _ in range(connections)))
        started_s = time.perf_counter()
        timers = [
            self._loop.call_later(self._seconds_max, self.expire),
            self._loop.call_later(self._seconds_max + _DRAIN_S, self._finish),
        ]
        self.begin(clients)
        await self._over
        self._result.elapsed_s = time.perf_counter() - started_s
        self._result.failures += ["unfinished"] * self._in_flight
        for timer in timers:
            timer.cancel()
        for client in clients:
            client.cancel()
        return self._result

    def begin(self, clients: list[Client]) -> None:
        for client in clients:
            self.ready(client)

    def ready(self, client: Client) -> None:
        raise NotImplementedError

    def expire(self) -> None:
        self._left = 0
        self._finish_if_idle()

    def answered(self, sample: Sample) -> None:
        self._in_flight -= 1
        if sample.status == 200:
            self._result.samples.append(sample)
        else:
            self._result.failures.append(f"status {sample.status}")
        self._finish_if_idle()

    def failed(self, reason: str) -> None:
        self._in_flight -= 1
        self._result.failures.append(reason)
        self._finish_if_idle()

    def send(self, client: Client, scheduled_s: float) -> None:
        self._in_flight += 1
        client.send(scheduled_s)

    def _finish_if_idle(self) -> None:
        if not self._in_flight and not self._left:
            self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


class _ClosedLoop(_Run):
    def ready(self, client: Client) -> None:
        if self._left:
            self._left -= 1
            self.send(client, time.perf_counter())


class _OpenLoop(_Run):
    def __init__(self, target: Target, rate_hz: float, seconds_max: float, requests_max: int) -> None:
        super().__init__(target, seconds_max, requests_max)
        self._period_s = 1 / rate_hz
        self._idle: deque[Client] = deque()
        self._waiting: deque[float] = deque()

    def begin(self, clients: list[Client]) -> None:
        super().begin(clients)
        self._due_s = time.perf_counter()
        self._tick()

    def ready(self, client: Client) -> None:
        if self._waiting:
            self.send(client, self._waiting.popleft())
            return
        self._idle.append(client)

    def _finish_if_idle(self) -> None:
        if not self._waiting:
            super()._finish_if_idle()

    def _tick(self) -> None:
        now_s = time.perf_counter()
        while self._left and self._due_s <= now_s + _TIMER_S:
            self._left -= 1
            self._arrive(min(now_s, self._due_s + _TIMER_S))
            self._due_s += self._period_s
        if self._left:
            self._loop.call_later(self._due_s - now_s, self._tick)

    def _arrive(self, scheduled_s: float) -> None:
        if self._idle:
            self.send(self._idle.popleft(), scheduled_s)
        else:
            self._waiting.append(scheduled_s)


def _chat_body(body_bytes: int, stream: bool) -> bytes:
    asked: dict[str, Any] = {"model": "scripted-1", "stream": stream}
    asked["messages"] = [{"role": "user", "content": ""}]
    room = body_bytes - len(json.dumps(asked))
    asked["messages"][0]["content"] = generated(max(room, 8), seed=7)[: max(room, 0)]
    return json.dumps(asked).encode()
