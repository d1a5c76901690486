"""Noticing that the operator edited something.

Law of this module: a change is reported when it is over: two looks in a row that see the same. Looking means
`stat`; whether anything really differs is for the reader of the files to say.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

Mark = tuple[int, int, int] | None
Marks = dict[str, Mark]


class Watch:
    """Looks at files and directories from time to time.

    Args:
        paths: which; asked again at each look, because a reload may change the answer.
        changed: called after a change has come to rest.
        poll_s: seconds between looks.
    """

    def __init__(
        self, paths: Callable[[], Iterable[str]], changed: Callable[[], None], poll_s: float
    ) -> None:
        self._paths, self._changed, self._poll_s = paths, changed, poll_s
        self._reported: Marks = {}
        self._last: Marks = {}

    async def run(self) -> None:
        """Look until cancelled. What is found first counts as a change: it may differ from what was read."""
        while True:
            self.look(await asyncio.to_thread(marks, tuple(self._paths())))
            await asyncio.sleep(self._poll_s)

    def look(self, now: Marks) -> None:
        """Compare with the last look and with what was reported."""
        if now == self._last and now != self._reported:
            self._reported = now
            self._changed()
        self._last = now


def marks(paths: Iterable[str]) -> Marks:
    """What tells versions of a file apart; symbolic links are followed, as Kubernetes swaps those."""
    return {path: _mark(path) for path in paths}


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat is the same, slower
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
