"""Who owns the background tasks.

Law of this module: nobody calls `create_task` elsewhere. A task that nobody holds may be collected in the
middle of its work, and its exception is seen by nobody; here each one is held, and a failure is logged once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bylaw import log

T = TypeVar("T")


class Tasks:
    """An owner of tasks, to be closed by whoever made it.

    Args:
        owner: name of the owner, for the log.
    """

    __slots__ = ("_closed", "_held", "_log")

    def __init__(self, owner: str) -> None:
        self._held: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._log = log.get(owner)

    def __len__(self) -> int:
        return len(self._held)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start `work` and hold it until it ends.

        Args:
            work: what to run.
            name: name of the task, for the log.

        Raises:
            RuntimeError: this owner is closed; `work` was not started.
        """
        if self._closed:
            work.close()
            raise RuntimeError(f"task {name} was spawned after its owner had been closed")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._held.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel every task and wait until all have ended. No task can be spawned any more."""
        self._closed = True
        current = asyncio.current_task()
        while held := [task for task in self._held if task is not current]:
            for task in held:
                task.cancel()
            await asyncio.wait(held)
            self._held.difference_update(held)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._held.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("task_failed", task=task.get_name(), exc_info=error)
