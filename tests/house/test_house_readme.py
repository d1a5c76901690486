"""Every code block of the README is executed: commands, configuration, Python."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import Script, ScriptedUpstream
from rig import bylaw, environment, launch

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BYLAW = ".venv/bin/bylaw "


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(README) if kind == language]


def commands() -> Iterator[str]:
    """Shell commands of the README without their comments."""
    for block in blocks("sh"):
        for line in block.splitlines():
            command = line.split("#")[0].strip()
            if command:
                yield command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the README's configuration in it."""
    made = tmp_path_factory.mktemp("readme")
    (made / "bylaw.yaml").write_text(blocks("yaml")[0])
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(folder: Path) -> str:
    """What `make run` prints, on ports of its own; it leaves a ledger behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bylaw_loadtest.demo", "--once", cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment(LISTEN="127.0.0.1:0", ADMIN="127.0.0.1:0"),
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    assert 0 == process.returncode
    return out.decode()


async def test_the_readme_has_the_blocks_that_are_executed_here() -> None:
    assert (1, 1) == (len(blocks("yaml")), len(blocks("python")))
    known = ("make install", "make run", "make test", BYLAW)
    assert [] == [command for command in commands() if not command.startswith(known)]


@pytest.mark.parametrize("target", ["install", "run", "test", "test-slow", "lint", "bench"])
async def test_a_target_that_is_named_exists(target: str) -> None:
    run = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stderr


async def test_make_run_shows_two_jurisdictions_that_treat_one_prompt_differently(demo: str) -> None:
    eu, both = demo.split("-" * 100)[1:3]
    seen = [("<EMAIL_1>" in part, "人工智能" in part, "AI system" in part) for part in (eu, both)]
    assert [(False, False, True), (True, True, True)] == seen


READY = [c for c in commands() if c.startswith(BYLAW) and " serve " not in c]


@pytest.mark.parametrize("command", READY)
async def test_a_command_of_the_readme_succeeds(command: str, folder: Path, demo: str) -> None:
    arguments = shlex.split(command.removeprefix(BYLAW))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bylaw.cli", *arguments, cwd=folder, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (0, True) == (process.returncode, len(out) > 20), err.decode()


async def test_the_record_that_make_run_leaves_holds(demo: str, folder: Path) -> None:
    status, out, _ = await bylaw("audit", "verify", "--data-dir", str(folder / "bylaw-data"))
    assert (0, True) == (status, "OK" in out)


async def test_the_configuration_serves_and_the_python_block_talks_through_it(folder: Path) -> None:
    async with ScriptedUpstream(Script.of(answer="hello")) as upstream:
        text = re.sub(r"https://api\.[a-z]+\.com", upstream.url, blocks("yaml")[0])
        text = re.sub(r"(listen: 127\.0\.0\.1):\d+", r"\1:0", text).replace("./bylaw-data", "./other-data")
        (folder / "here.yaml").write_text(text)
        proxy = await launch(folder / "here.yaml", folder / "other-data")
        try:
            code = blocks("python")[0].replace("http://127.0.0.1:8080", proxy.url)
            said = await asyncio.to_thread(talk, code)
        finally:
            await proxy.stop()
    assert [True, True] == ["hello" in text for text in said]


def talk(code: str) -> list[str]:
    """Run the Python block, then one call through each client that it made."""
    names: dict[str, object] = {}
    exec(code, names)
    ask = [{"role": "user", "content": "hi"}]
    with names["openai"] as openai, names["anthropic"] as anthropic:  # type: ignore[attr-defined]
        chat = openai.chat.completions.create(model="m", messages=ask)
        message = anthropic.messages.create(model="m", max_tokens=9, messages=ask)
    return [chat.choices[0].message.content, message.content[0].text]


async def test_serve_with_nothing_but_an_upstream(folder: Path) -> None:
    command = next(c for c in commands() if " serve --upstream " in c)
    arguments = shlex.split(command.removeprefix(BYLAW))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bylaw.cli", *arguments, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
        "--data-dir", str(folder / "third-data"), cwd=folder, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readline(), 40)
    process.terminate()
    assert (0, True) == (await asyncio.wait_for(process.wait(), 20), b"listening on http" in first)


async def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [t for t in targets if not t.startswith("http") and not os.path.exists(ROOT / t)]
    assert [] == missing
