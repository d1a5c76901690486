"""Entry point of the child processes: `python -m bylaw.main worker|writer FD`.

Law of this module: together with `worker` and `compose` it is the composition root; nobody imports it. A child
serves its supervisor's channel and ends when that ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bylaw import log
from bylaw.errors import BylawError, ConfigError
from bylaw.supervise.channel import Channel, Message
from bylaw.supervise.tether import fasten

ALARM_S = 35.0
ORPHAN_DRAIN_S = 5.0
LEFTOVER_S = 1.0


async def run_worker(sock: socket.socket) -> int:
    """Serve the channel until drained, or until the supervisor is gone (then drain briefly)."""
    from bylaw.worker import Worker  # noqa: PLC0415 - the writer starts without the data plane

    worker = Worker()
    channel = await Channel.open(sock)
    serving = asyncio.ensure_future(channel.serve(worker.handlers))
    finished = asyncio.ensure_future(worker.finished.wait())
    await asyncio.wait({serving, finished}, return_when=asyncio.FIRST_COMPLETED)
    if not worker.finished.is_set() and worker.port:
        await worker.drain({"drain_s": ORPHAN_DRAIN_S})
    await asyncio.sleep(0)  # lets the answer to `drain` leave
    channel.close()
    return 0


class WriterControl:
    """The writer's side of the channel."""

    def __init__(self) -> None:
        self.exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.end = asyncio.Event()

    async def start(self, message: Message) -> Message:
        """Recover the ledger and listen on its socket.

        Raises:
            ConfigError: another writer, damage, a directory that cannot be written.
        """
        from bylaw.ledger.writer_process import complain, serve_writer  # noqa: PLC0415 - workers do not need it

        log.configure(message.get("log_level", "info"))
        ready = asyncio.Event()
        reasons: list[str] = []
        serving = asyncio.ensure_future(
            serve_writer(
                Path(message["data_dir"]),
                Path(message["socket_path"]),
                message["mode"],
                ready=ready,
                stop=self.end,
                say=lambda reason: complain(reason) if ready.is_set() else reasons.append(reason),
            )
        )
        serving.add_done_callback(self._ended)
        listening = asyncio.ensure_future(ready.wait())
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if serving.done():
            error = ConfigError if serving.result() == 2 else BylawError
            raise error(f"the ledger's writer could not start: {' '.join(reasons)}")
        return {"ok": True}

    def _ended(self, serving: asyncio.Future[int]) -> None:
        if not self.exit.done():
            self.exit.set_result(serving.result() if serving.exception() is None else 1)

    async def stop(self, _message: Message) -> Message:
        """Write what has arrived, end."""
        self.end.set()
        return {"ok": True}

    async def ping(self, _message: Message) -> Message:
        """The loop turns."""
        return {"ok": not self.exit.done()}


async def run_writer(sock: socket.socket) -> int:
    """Serve the channel until the writer ends; a supervisor that is gone ends it after the last worker."""
    control = WriterControl()
    channel = await Channel.open(sock)
    handlers = {"start": control.start, "stop": control.stop, "ping": control.ping}
    serving = asyncio.ensure_future(channel.serve(handlers))
    status = await control.exit
    await asyncio.sleep(0)
    channel.close()
    await serving
    return status


ROLES = {"worker": run_worker, "writer": run_writer}


def main(arguments: list[str]) -> int:
    """Run one child."""
    role, descriptor = arguments
    log.configure()
    sock = fasten(int(descriptor), ALARM_S)
    return uvloop.run(_bounded(ROLES[role](sock)))


async def _bounded(role: Coroutine[Any, Any, int]) -> int:
    """Run it. A task of a guard that ignores its cancellation does not keep a process that has ended."""
    status = await role
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    for task in leftover:
        task.cancel()
    if leftover and (await asyncio.wait(leftover, timeout=LEFTOVER_S))[1]:
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
