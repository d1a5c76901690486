"""Runs a guard's coroutine so that the watchdog sees it, too.

Law of this module: between two waits a coroutine has the event loop for itself, exactly like an inline guard;
each such turn is bounded by the budget. Without this an `async def` guard that never waits would stop every
exchange of its worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from time import monotonic_ns
from typing import Any

from bylaw.plan.plan import HookResult
from bylaw.plan.watchdog import Watch


class Timed:
    """An awaitable.

    Args:
        begin: calls the hook.
        watch: the watchdog's number.
        budget_ms: of each turn.

    Raises (when awaited):
        GuardTimeout: a turn ran over the budget.
    """

    __slots__ = ("_begin", "_budget_ns", "_watch")

    def __init__(self, begin: Callable[[], Awaitable[HookResult]], watch: Watch, budget_ms: int) -> None:
        self._begin, self._watch, self._budget_ns = begin, watch, budget_ms * 1_000_000

    def __await__(self) -> Generator[Any, Any, HookResult]:
        turns: Any = None
        value: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                self._watch.deadline_ns = monotonic_ns() + self._budget_ns
                if turns is None:
                    turns = self._begin().__await__()
                waits_for = turns.send(value) if thrown is None else turns.throw(thrown)
            except StopIteration as end:
                result: HookResult = end.value
                return result
            finally:
                self._watch.deadline_ns = 0
            value = thrown = None
            try:
                value = yield waits_for
            except BaseException as error:  # cancellation included: the guard hears of it
                thrown = error
