"""`make run`: Bylaw in front of a model server, a few exchanges, and what each of them did.

Law of this module: it uses Bylaw as a stranger would, through its command line and its port, and prints only
what came over them. It stops what it started.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp

from bylaw_loadtest.upstream import Script, ScriptedUpstream

LISTEN = os.environ.get("LISTEN", "127.0.0.1:8080")
ADMIN = os.environ.get("ADMIN", "127.0.0.1:9090")
START_S = 60
STOP_S = 40
# A key of no account, in AWS's documented example form.
QUESTION = "Please write to ada@example.org, my key is AKIAIOSFODNN7EXAMPLE. What can you do?"
SAMPLES: tuple[tuple[str, dict[str, str], str], ...] = (
    ("EU (the default)", {}, "/v1/chat/completions"),
    ("EU and China (header Bylaw-Jurisdiction: CN)", {"Bylaw-Jurisdiction": "CN"}, "/v1/chat/completions"),
    ("EU and China, Anthropic dialect", {"Bylaw-Jurisdiction": "CN"}, "/v1/messages"),
)
RULE = "-" * 100


def body_of(path: str, model: str) -> dict[str, Any]:
    """One request in the dialect of the path."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    return body | ({"max_tokens": 256} if path.endswith("/messages") else {})


def answer_of(reply: Mapping[str, Any]) -> str:
    """The text of a reply in either dialect, or its error."""
    if "choices" in reply:
        return str(reply["choices"][0]["message"]["content"])
    if "content" in reply:
        return "".join(block.get("text", "") for block in reply["content"])
    return json.dumps(reply.get("error", reply), ensure_ascii=False)


def credentials() -> dict[str, str]:
    """The caller's own provider keys, for a real provider."""
    keys = {
        "Authorization": os.environ.get("OPENAI_API_KEY"),
        "x-api-key": os.environ.get("ANTHROPIC_API_KEY"),
    }
    given = {name: f"Bearer {key}" if name == "Authorization" else key for name, key in keys.items() if key}
    return given | ({"anthropic-version": "2023-06-01"} if "x-api-key" in given else {})


def config_text(upstream: str) -> str:
    """The demo's configuration: one provider, two dialects, the default profile, EU unless told more."""
    return f"""\
# Written by `make run`. Edit it while the demo runs: a good edit is taken over, a bad one is refused.
listen: {LISTEN}
admin: {{listen: {ADMIN}, open: true}}
data_dir: .
upstreams:
  provider: {{url: "{upstream}"}}
routes:
  - {{match: /v1/messages, upstream: provider, dialect: anthropic}}
  - {{match: /v1/, upstream: provider, dialect: openai}}
deployment: {{role: deployer, purpose: [general_assistant]}}
jurisdictions: {{default: [EU]}}
policies: {{profile: default}}
"""


async def start_bylaw(config: Path) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    """`bylaw serve` as a process of its own; returns it with what it announced."""
    command = (sys.executable, "-m", "bylaw.cli", "serve", "--config", str(config), "--announce", "json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    with suppress(TimeoutError):
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        if line:
            return process, json.loads(line)
    await stop(process)
    raise SystemExit(process.returncode or 1)


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, patience, SIGKILL."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def show(data: str, upstream: ScriptedUpstream | None, model: str) -> None:
    """Send the samples and print what each did."""
    async with aiohttp.ClientSession() as session:
        for title, headers, path in SAMPLES:
            asked = {**headers, **credentials()}
            async with session.post(data + path, json=body_of(path, model), headers=asked) as reply:
                answer = answer_of(await reply.json(content_type=None))
                print(RULE, f"\n{title}: POST {path} -> {reply.status}")
                print("  asked     ", QUESTION)
                if upstream is not None:
                    print("  provider  ", json.loads(upstream.requests[-1].body)["messages"][-1]["content"])
                print("  answered  ", answer.replace("\n", "\n             "))
                for name in (
                    "Bylaw-Decision",
                    "Bylaw-Exchange",
                    "Bylaw-Policy",
                    "AI-Disclosure",
                    "Server-Timing",
                ):
                    if name in reply.headers:
                        print(f"  {name + ':':<16}", reply.headers[name])


def farewell(announced: Mapping[str, Any]) -> None:
    """What to try next."""
    data, admin = announced["data"], announced["admin"]
    print(RULE)
    print(f"Bylaw       {data}   (base_url for the SDKs: {data}/v1, Anthropic: {data})")
    print(f"Control     {admin}/readyz  {admin}/metrics")
    print("Record      .venv/bin/bylaw audit tail   .venv/bin/bylaw audit verify")
    print("Explain     .venv/bin/bylaw policy explain --jurisdiction EU,CN")
    body = json.dumps(body_of("", "demo"))
    print(f"Try         curl -i {data}/v1/chat/completions -H 'Content-Type: application/json' \\")
    print(f"              -H 'Bylaw-Jurisdiction: CN' -d '{body}'")
    print("Ctrl-C stops it.", flush=True)


async def run(upstream_url: str | None, model: str, *, keep: bool) -> None:
    """The whole demo."""
    async with AsyncExitStack() as stack:
        upstream = None
        if upstream_url is None:
            upstream = await stack.enter_async_context(ScriptedUpstream(Script.of(echo_prompt=True)))
            upstream_url = upstream.url
        process, announced = await start_bylaw(written(config_text(upstream_url)))
        stack.push_async_callback(stop, process)
        await show(announced["data"], upstream, model)
        farewell(announced)
        if keep:
            await until_stopped(process)


def written(text: str) -> Path:
    """The configuration file of the demo, beside its ledger."""
    config = Path("bylaw-data/demo.yaml")
    config.parent.mkdir(exist_ok=True)
    config.write_text(text)
    return config


async def until_stopped(process: asyncio.subprocess.Process) -> None:
    """Until Ctrl-C, SIGTERM, or the end of Bylaw."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    waits = {asyncio.ensure_future(process.wait()), asyncio.ensure_future(stopped.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bylaw_loadtest.demo", description=__doc__)
    parser.add_argument("--upstream", help="a real provider instead of the scripted model server")
    parser.add_argument("--model", default="demo", help="model to ask for")
    parser.add_argument("--once", action="store_true", help="stop after the samples")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.upstream, arguments.model, keep=not arguments.once))
    return 0


if __name__ == "__main__":
    sys.exit(main())
