"""A supervisor of fake children inside the test."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from bylaw.errors import ConfigError
from bylaw.supervise.child import Timings, launch
from bylaw.supervise.edition import Facts, first_edition
from bylaw.supervise.port import reserve
from bylaw.supervise.supervisor import Phase, Supervisor

FAKE_CHILD = Path(__file__).with_name("supervise_fake_child.py")
PATIENCE_S = 8.0


async def until(condition, what=""):
    """Wait for something that must become true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what or "waited in vain"
        await asyncio.sleep(0.01)


class Desk:
    """The operator's files: one text, and facts."""

    def __init__(self, folder):
        self.file = folder / "config"
        self.fixed = {"listen": "127.0.0.1:8080", "workers": 2}
        self.drain_s = 3.0
        self.edit("v1")

    def edit(self, text):
        self.file.write_text(text)

    def capture(self):
        return {"text": self.file.read_text()}

    def check(self, snapshot):
        if snapshot["text"] == "invalid":
            raise ConfigError("config:1: unknown key")
        if snapshot["text"] == "odd":
            raise RuntimeError("my password is swordfish")
        return Facts(
            dict(self.fixed), (str(self.file),), drain_s=self.drain_s, policies={"profile": "default"}
        )


class House:
    """A supervisor and what its children were told."""

    def __init__(self, folder, watch=False, clock=None, **timings):
        self.folder, self.desk = folder, Desk(folder)
        self.timings = Timings(
            **{"ping_s": 0.05, "poll_s": 0.05, "backoff_s": 0.02, "sample_s": 0.05, "stop_s": 2.0, **timings}
        )
        self.watch, self.clock = watch, clock

    def build(self):
        self.supervisor = Supervisor(
            spawn=self._spawn,
            library=self.desk,
            edition=first_edition(self.desk),
            port=reserve("127.0.0.1", 0),
            workers=2,
            context={},
            timings=self.timings,
            watch=self.watch,
            clock=self.clock,
        )
        return self.supervisor

    async def _spawn(self, role, index):
        command = (sys.executable, "-S", str(FAKE_CHILD), str(self.folder), role, str(index))
        return await launch(f"{role} {index}", command, self.timings)

    def events(self):
        """What the children were told, in order; process ids left out."""
        path = self.folder / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split(" pid ")[0] for line in lines]

    def order(self, order, role, index):
        """See `supervise_fake_child`."""
        path = self.folder / f"{order}-{role}-{index}"
        path.touch()
        return path

    def worker(self, index):
        return self.supervisor.workers()[index]

    def ready(self):
        return (
            self.supervisor.phase is Phase.SERVING
            and all(child.ready for child in self.supervisor.workers())
            and self.supervisor.writer.ready
        )

    @contextlib.asynccontextmanager
    async def serving(self):
        running = asyncio.ensure_future(self.build().run())
        try:
            await until(lambda: running.done() or self.ready(), "the house did not become ready")
            assert not running.done()
            yield self.supervisor
        finally:
            if not self.supervisor._stop_wanted.is_set():
                self.supervisor.request_stop()
            self.exit_status = await asyncio.wait_for(running, PATIENCE_S)


def alive(pid):
    """Whether a process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
