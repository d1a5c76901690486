"""A plugin made by `bylaw plugins new`, installed with pip into another environment, changes a reply there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

from bylaw_loadtest.upstream import Script, ScriptedUpstream
from rawhttp import exchange, request
from rig import bylaw, config_text, launch

ROOT = Path(__file__).parents[2]
JSON = ("Content-Type", "application/json")


def installed(folder: Path, project: Path) -> str:
    """A fresh environment with Bylaw and the plugin, both built by pip; its Python."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "pip", "install", "--quiet", str(ROOT), str(project)]
    subprocess.run(command, env=clean, check=True, cwd=folder)
    return python


@pytest.mark.slow
async def test_a_plugin_from_the_skeleton_changes_a_reply_in_a_second_environment(tmp_path: Path) -> None:
    status, _, error = await bylaw("plugins", "new", "acme-terms", "--dir", str(tmp_path))
    assert 0 == status, error
    python = await asyncio.to_thread(installed, tmp_path / "venv", tmp_path / "acme-terms")
    config = tmp_path / "bylaw.yaml"
    async with ScriptedUpstream(Script.of(answer="Project Falcon is late", chunks="char")) as upstream:
        config.write_text(
            config_text(
                upstream.url,
                tmp_path / "data",
                policies="{profile: ./acme-terms/policy.yaml}",
                jurisdictions="{default: [ZZ]}",
            )
        )
        proxy = await launch(config, tmp_path / "data", python=python, PYTHONPATH="")
        try:
            texts = [await ask(proxy.address, stream) for stream in (False, True)]
        finally:
            await proxy.stop()
    assert ["[internal] is late"] * 2 == texts


async def ask(address: tuple[str, int], stream: bool) -> str:
    """The text of one answer."""
    body = json.dumps(
        {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    answer = await exchange(address, request("POST", "/v1/chat/completions", [JSON], body))
    if not stream:
        return str(json.loads(answer.body)["choices"][0]["message"]["content"])
    lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    deltas = [
        choice["delta"].get("content") or "" for line in lines for choice in json.loads(line)["choices"]
    ]
    return "".join(deltas)
