"""Kept connections of one upstream.

Law of this module: at most `pool_max` connections rest, the one that rested shortest is used first (so that
the others can grow old and close), and one that cannot be told from a closed one is not used.
"""

from __future__ import annotations

from bylaw.upstream.connection import Connection


class Pool:
    """All connections of one upstream: those in use and those at rest.

    Args:
        resting_max: most connections at rest.
    """

    __slots__ = ("_alive", "_closed", "_resting", "_resting_max")

    def __init__(self, resting_max: int) -> None:
        self._resting_max = resting_max
        self._resting: dict[Connection, None] = {}  # a dict is a stack that forgets any entry at once
        self._alive: set[Connection] = set()
        self._closed = False

    @property
    def in_use(self) -> int:
        """Connections that carry an exchange now."""
        return len(self._alive) - len(self._resting)

    @property
    def resting(self) -> int:
        """Connections that are kept for the next exchange."""
        return len(self._resting)

    def take(self) -> Connection | None:
        """A kept connection that can be used, or None."""
        while self._resting:
            connection, _ = self._resting.popitem()
            if connection.usable():
                return connection
            connection.abort()
        return None

    def add(self, connection: Connection) -> bool:
        """A new connection, in use; False if the pool has been closed meanwhile."""
        if not self._closed:
            self._alive.add(connection)
        return not self._closed

    def rest(self, connection: Connection) -> bool:
        """Keep a connection, if there is room."""
        if self._closed or len(self._resting) >= self._resting_max:
            return False
        self._resting[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._resting.pop(connection, None)
        self._alive.discard(connection)

    def close(self) -> None:
        """Abort every connection, those in use too, and keep none from now on."""
        self._closed = True
        self._resting.clear()
        for connection in tuple(self._alive):
            connection.abort()
