"""Starts the real thing for tests: `bylaw serve` as a process, and commands of the command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S = 40
STOP_S = 20


@dataclass
class Proxy:
    """A running `bylaw serve`."""

    process: asyncio.subprocess.Process
    url: str
    admin: str
    config: Path
    data_dir: Path
    stderr: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    @property
    def log(self) -> str:
        return b"".join(self.stderr).decode()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), STOP_S)

    async def entries(self, kind: str = "outcome") -> list[dict[str, Any]]:
        """What the ledger holds, read through the command line."""
        status, out, _ = await bylaw("audit", "tail", "--all", "--json", "--data-dir", str(self.data_dir))
        assert 0 == status
        found = [json.loads(line) for line in out.splitlines()]
        return [entry for entry in found if entry["type"] == kind]

    async def entry(self, exchange: str, kind: str = "outcome") -> dict[str, Any]:
        """The one entry of an exchange."""
        for _ in range(100):
            found = [entry for entry in await self.entries(kind) if entry["exchange"] == exchange]
            if found:
                assert 1 == len(found)
                return found[0]
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {kind} of {exchange}")


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: nobody's `BYLAW__...` variables."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("BYLAW__")}
    return clean | {"OMP_NUM_THREADS": "1"} | more


async def bylaw(*arguments: str, **env: str) -> tuple[int, str, str]:
    """Run a command of the command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bylaw.cli", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(**env),
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


def config_text(upstream: str, data_dir: Path, more: str = "", **keys: str) -> str:
    """A configuration in front of one provider; `keys` replace whole top-level entries."""
    entries = {
        "listen": "127.0.0.1:0",
        "admin": "{listen: 127.0.0.1:0, open: true}",
        "data_dir": str(data_dir),
        "upstreams": f"{{provider: {{url: '{upstream}'}}}}",
        "routes": (
            "[{match: /v1/messages, upstream: provider, dialect: anthropic},"
            " {match: /raw/, upstream: provider, dialect: raw, pass_through: true, unread: record},"
            " {match: /v1/, upstream: provider, dialect: openai}]"
        ),
    } | keys
    return "".join(f"{key}: {value}\n" for key, value in entries.items()) + more


async def launch(
    config: Path, data_dir: Path, *arguments: str, python: str = sys.executable, **env: str
) -> Proxy:
    """Start `bylaw serve` and wait for its first line."""
    process = await asyncio.create_subprocess_exec(
        python, "-m", "bylaw.cli", "serve", "--config", str(config), "--announce", "json", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(**env),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    proxy = Proxy(process, "", "", config, data_dir)
    reading = asyncio.ensure_future(_keep(process.stderr, proxy.stderr))
    line = await asyncio.wait_for(process.stdout.readline(), START_S)
    if not line:
        await process.wait()
        await reading
        raise AssertionError(f"bylaw serve ended with {process.returncode}: {proxy.log}")
    announced = json.loads(line)
    proxy.url, proxy.admin = announced["data"], announced["admin"]
    return proxy


async def _keep(stream: asyncio.StreamReader, into: list[bytes]) -> None:
    while line := await stream.readline():
        into.append(line)


class Start:
    """Starts proxies in front of a provider; all are stopped at the end of the module."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self._stack, self._count = folder, stack, 0

    async def __call__(
        self, upstream: str, *arguments: str, more: str = "", env: dict[str, str] | None = None, **keys: str
    ) -> Proxy:
        self._count += 1
        home = self.folder / f"proxy{self._count}"
        home.mkdir()
        config = home / "bylaw.yaml"
        config.write_text(config_text(upstream, home / "data", more, **keys))
        proxy = await launch(config, home / "data", *arguments, **(env or {}))
        self._stack.push_async_callback(proxy.stop)
        return proxy

    def file(self, name: str, text: str) -> str:
        """A file next to the configurations, e.g. a policy; its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)
