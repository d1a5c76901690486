"""Fixtures of tests over real sockets: the scripted provider, and proxies in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import Script, ScriptedUpstream
from rig import Start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted provider that echoes the last user text."""
    async with ScriptedUpstream(Script.of(echo_prompt=True)) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    """Starts proxies."""
    async with AsyncExitStack() as stack:
        yield Start(tmp_path_factory.mktemp("proxies"), stack)
