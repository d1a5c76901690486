"""The ledger cannot write: evidence comes before service, and service returns by itself."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from children import children
from ledger_reading import outcome, some
from rawhttp import Answer, Wire, exchange, request
from rig import Proxy, Start, bylaw

pytestmark = pytest.mark.asyncio(loop_scope="module")

DISK_BYTES = 4 * 1024 * 1024
BUFFER_BYTES = 128 * 1024
ENTRIES = 400
"""More than fit into the buffer."""
RETURN_S = 10.0
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def ask(path: str = OPENAI, *, stream: bool = False, **script: object) -> bytes:
    headers = [("Content-Type", "application/json"), *script_header(**script).items()]
    return request("POST", path, headers, json.dumps(BODY | {"stream": stream}).encode())


class FullDisk:
    """A small file system of its own, filled by a ballast."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder
        self._ballast = folder / "ballast"

    def fill(self, _proxy: Proxy) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (65536, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def free(self, _proxy: Proxy) -> None:
        self._ballast.unlink()


class Quota:
    """A limit on the size of files, of the supervisor and of every process that it starts."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder

    def fill(self, proxy: Proxy) -> None:
        self._limit(proxy, 0)

    def free(self, proxy: Proxy) -> None:
        self._limit(proxy, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(proxy: Proxy, size: int) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        for pid in (proxy.process.pid, *(child.pid for child in children(proxy.process.pid))):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


Shortage = FullDisk | Quota


@pytest.fixture(scope="module", params=["full disk", "quota"])
def shortage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shortage]:
    folder = tmp_path_factory.mktemp("disk")
    if request.param == "quota":
        yield Quota(folder)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    yield FullDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def serving(start: Start, upstream: ScriptedUpstream, data_dir: Path, mode: str) -> Proxy:
    proxy = await start(
        upstream.url, "--data-dir", str(data_dir / mode),
        jurisdictions="{default: [ZZ]}", limits="{drain_s: 1}",
        ledger=f"{{mode: {mode}, deadline_ms: 700, buffer_bytes_max: {BUFFER_BYTES}}}",
    )  # fmt: skip
    proxy.data_dir = data_dir / mode
    return proxy


async def until(condition: Callable[[Answer], bool], proxy: Proxy, data: bytes) -> Answer:
    """Ask until an answer fits."""
    deadline_s = time.monotonic() + RETURN_S
    while not condition(answer := await exchange(proxy.address, data)):
        assert time.monotonic() < deadline_s, (answer.status, answer.body)
        await asyncio.sleep(0.05)
    return answer


async def metric(proxy: Proxy, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.admin}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


async def verified(proxy: Proxy) -> int:
    return (await bylaw("audit", "verify", "--data-dir", str(proxy.data_dir)))[0]


async def test_strict_refuses_in_the_dialect_sends_nothing_and_returns_without_a_restart(
    start: Start, upstream: ScriptedUpstream, shortage: Shortage
) -> None:
    proxy = await serving(start, upstream, shortage.data_dir, "strict")
    assert 200 == (await exchange(proxy.address, ask())).status
    shortage.fill(proxy)
    await until(lambda answer: answer.status == 503, proxy, ask())
    upstream.requests.clear()
    answers = [await exchange(proxy.address, ask(path)) for path in (OPENAI, ANTHROPIC, "/raw/x")]
    assert [503] * 3 == [answer.status for answer in answers]
    assert 0 == len(upstream.requests)
    assert all(int(answer.header("Retry-After") or 0) >= 1 for answer in answers)
    openai, anthropic = answers[0].json(), answers[1].json()
    assert "ledger_unavailable" == openai["error"]["code"]
    assert ("error", "overloaded_error") == (anthropic["type"], anthropic["error"]["type"])
    shortage.free(proxy)
    served = await until(lambda answer: answer.status == 200, proxy, ask())
    assert "allow" == (await outcome(proxy.data_dir, served.header("Bylaw-Exchange")))["decision"]
    assert "ledger_alarm" in proxy.log
    assert (0, 0) == (await proxy.stop(), await verified(proxy))


async def test_async_serves_on_counts_what_it_lost_and_raises_the_alarm(
    start: Start, upstream: ScriptedUpstream, shortage: Shortage
) -> None:
    proxy = await serving(start, upstream, shortage.data_dir, "async")
    assert 200 == (await exchange(proxy.address, ask())).status
    before = await metric(proxy, "bylaw_ledger_lost_total")
    shortage.fill(proxy)
    wire = await Wire.open(proxy.address)
    statuses = set()
    for _ in range(ENTRIES):
        await wire.send(ask())
        statuses.add((await wire.answer()).status)
    await wire.close()
    lost = await metric(proxy, "bylaw_ledger_lost_total")
    assert ({200}, 0.0, True, True) == (statuses, before, lost > 0, "ledger_alarm" in proxy.log)
    shortage.free(proxy)
    gap = (await some(proxy.data_dir, lambda entry: entry["type"] == "gap"))[0]
    served = await exchange(proxy.address, ask())
    assert (lost, "allow") == (
        gap["unwritten"], (await outcome(proxy.data_dir, served.header("Bylaw-Exchange")))["decision"],
    )  # fmt: skip
    assert (0, 0) == (await proxy.stop(), await verified(proxy))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("halted")


async def halted(proxy: Proxy, upstream: ScriptedUpstream, data: bytes, *, read: bytes = b"") -> Wire:
    """Ask, and halt the writer once the provider has the request (and the client has read so far)."""
    upstream.requests.clear()
    wire = await Wire.open(proxy.address)
    await wire.send(data)
    if read:
        await asyncio.wait_for(wire.reader.readuntil(read), 5)
    await upstream.until(lambda: len(upstream.requests) and upstream.requests[0].received_s)
    os.kill(writer(proxy), signal.SIGSTOP)
    return wire


def writer(proxy: Proxy) -> int:
    return next(child.pid for child in children(proxy.process.pid) if child.role == "writer")


@pytest.mark.parametrize(
    "script", [{}, {"reset_after_events": -1}, {"status": 429}], ids=["reply", "reset", "429"]
)
@pytest.mark.parametrize("path", [OPENAI, "/raw/x"])
async def test_no_answer_is_whole_before_its_outcome_is_durable(
    start: Start, upstream: ScriptedUpstream, folder: Path, path: str, script: dict[str, object]
) -> None:
    proxy = await halting(start, upstream, folder)
    wire = await halted(proxy, upstream, ask(path, first_delay_ms=300, **script))
    try:
        answer = await wire.answer(timeout_s=5)
    except (asyncio.IncompleteReadError, ConnectionError):
        answer = None
    finally:
        os.kill(writer(proxy), signal.SIGCONT)
        await wire.close()
    assert answer is None or not answer.whole or 503 == answer.status


async def test_the_last_event_of_a_stream_waits_for_its_outcome(
    start: Start, upstream: ScriptedUpstream, folder: Path
) -> None:
    proxy = await halting(start, upstream, folder)
    wire = await halted(proxy, upstream, ask(stream=True, words=20, chunk_delay_ms=30), read=b"content")
    rest = await asyncio.wait_for(wire.reader.read(-1), 8)
    os.kill(writer(proxy), signal.SIGCONT)
    await wire.close()
    assert (True, False) == (b"content" in rest, b"[DONE]" in rest)


_halting: dict[Path, Proxy] = {}


async def halting(start: Start, upstream: ScriptedUpstream, folder: Path) -> Proxy:
    """One proxy for all tests that halt the writer."""
    if folder not in _halting:
        _halting[folder] = await serving(start, upstream, folder, "strict")
    await until(lambda answer: answer.status == 200, _halting[folder], ask())
    return _halting[folder]
