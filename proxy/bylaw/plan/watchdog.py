"""Interrupts a guard that hangs inside the event loop.

A synchronous guard runs in the worker's only thread, so no timer of the loop can stop it. A watchdog thread
looks at one number every few milliseconds; when it lies in the past, the thread signals the main thread, and
the signal's handler (which Python runs in the main thread, between two instructions of the guard) raises
`GuardTimeout`. The handler looks at the number again, so a guard that has just returned is never hit.

Limits: code that stays inside C without checking signals is not interrupted, and a guard is interrupted once:
one that catches even BaseException and goes on is not. A worker that stops answering its supervisor for long
is killed and restarted.
"""

from __future__ import annotations

import signal
import threading
from time import monotonic_ns
from types import FrameType

TICK_S = 0.02
SIGNAL = signal.SIGUSR1


class GuardTimeout(BaseException):
    """Raised inside a guard that has run over its budget; a guard's `except Exception` does not catch it."""


class Watch:
    """The number: `deadline_ns` is 0 while no guard runs."""

    __slots__ = ("deadline_ns",)

    def __init__(self) -> None:
        self.deadline_ns = 0


class Watchdog:
    """Owns the thread and the signal handler of one process. Start it from the main thread."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._stop = threading.Event()
        self._main = threading.main_thread().ident
        self._thread = threading.Thread(target=self._look, name="guard-watchdog", daemon=True)

    def start(self) -> None:
        """Install the handler and start looking."""
        signal.signal(SIGNAL, self._handle)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; the handler stays, harmless."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(TICK_S):
            if self._late() and self._main is not None:
                signal.pthread_kill(self._main, SIGNAL)

    def _late(self) -> bool:
        deadline = self.watch.deadline_ns
        return deadline != 0 and monotonic_ns() > deadline

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        if self._late():
            self.watch.deadline_ns = 0
            raise GuardTimeout
