"""How a dialect's stream is read and ended.

Law of this module: the reader never decides what leaves; it reports texts to a `Sink`, and builds ends from
what the client got, not from what was received.
"""

from __future__ import annotations

from typing import Any, Protocol

from bylaw.content import Path
from bylaw.wire.sse import SseEvent


class Sink(Protocol):
    """Where a stream codec puts what it reads; `intake.Intake` documents each method."""

    def text(
        self, group: str, name: str, kind: str, path: Path, text: str, *, nulls: bool = False
    ) -> None: ...
    def leaf(self, path: Path | None, text: str, kind: str = "other") -> None: ...
    def call(
        self,
        group: str,
        name: str,
        tool: str,
        path: Path | None,
        text: str,
        *,
        given: tuple[Path, Any] | None = None,
    ) -> None: ...
    def mirror(self, group: str, name: str, path: Path) -> None: ...
    def skip(self, kind: str, path: Path, reason: str = "modality") -> None: ...
    def close(self, group: str) -> None: ...
    def close_all(self) -> None: ...


class StreamCodec(Protocol):
    """Reads the events of one stream, and knows how to end it.

    `read` follows what was received, `left` what the client got; the ends are built from the latter.
    """

    unedited: frozenset[str]
    """Channels that are signed and must not be edited."""
    finished: bool
    """The upstream's own terminal event was read."""

    def read(self, event: SseEvent, sink: Sink) -> object:
        """Report the texts of an event; gives a note for `left`, or None.

        Raises:
            WireError: the event cannot be read, or comes after the end.
        """
        ...

    def left(self, note: object) -> None:
        """The event of this note went to the client."""
        ...

    def delta(self, key: str, text: str) -> bytes:
        """An event that adds text to an open channel; empty if the channel takes none."""
        ...

    def blocked(self, code: str, message: str) -> bytes:
        """The end of a stream that a guard stopped, in the client's vocabulary."""
        ...

    def fault(self, code: str, message: str) -> bytes:
        """The dialect's error event."""
        ...
