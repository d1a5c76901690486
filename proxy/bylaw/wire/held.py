"""What waits in a stream's queue: events, and the tool calls that are held until they are whole.

Law of this module: a tool call is atomic: none of its events leaves before the whole call is cleared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bylaw.content import Path, ToolCall
from bylaw.verdict import Edit
from bylaw.wire.calls import changes, parsed_call, rewritten, tool_call
from bylaw.wire.channels import Channel, Piece
from bylaw.wire.sse import SseEvent

_HELD, _FREE = -1, 0


class Call:
    """A tool call whose arguments arrive in fragments.

    Attributes:
        key: its name in the stream.
        name: the tool.
        mark: -1 while its events wait, then 0.
        edits: whether its arguments are rewritten.
        given: arguments that came as JSON in its first event, with their place in it.
    """

    __slots__ = ("_call", "_changes", "_new", "edits", "given", "key", "mark", "name", "parts")

    opened = True
    final = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.name = ""
        self.mark = _HELD
        self.edits = False
        self.parts: list[str] = []
        self.given: tuple[Path, Any] | None = None
        self._call: ToolCall | None = None
        self._new = ""
        self._changes: Mapping[Path, str] = {}

    def whole(self, schemas: Mapping[str, Mapping[str, Any]]) -> ToolCall:
        """The call, once its last fragment came."""
        text, schema = _joined(self.parts), schemas.get(self.name)
        if text.strip():
            self._call = tool_call(self.name, text, self.key, schema)
        else:
            self._call = parsed_call(self.name, self.given[1] if self.given else {}, self.key, schema)
        return self._call

    def clear(self, edits: Sequence[Edit]) -> None:
        """Let it go, its arguments rewritten if there are edits."""
        assert self._call is not None, "only a whole call can be cleared"
        self.mark = _FREE
        if not edits:
            return
        self.edits = True
        text = _joined(self.parts)
        if text.strip():
            self._new = rewritten(self._call, text, edits)
        elif self.given:
            self._changes = {(*self.given[0], *path): new for path, new in changes(self._call, edits).items()}

    def write(self, path: Path | None, into: dict[Path, str | None]) -> int:
        """The change of one of its events: the first fragment gets everything, the others nothing."""
        into.update(self._changes)
        self._changes = {}
        if path is None:
            return 0
        new, self._new = self._new, ""
        into[path] = new
        return len(new)


def _joined(parts: Sequence[str]) -> str:
    """The fragments as one text; halves of a surrogate pair meet."""
    text = "".join(parts)
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class CallPiece:
    """One event's share of a tool call."""

    __slots__ = ("channel", "path", "text")

    start = end = 0

    def __init__(self, call: Call, path: Path | None, text: str) -> None:
        self.channel = call
        self.path = path
        self.text = text

    def touched(self) -> bool:
        """Whether the call is rewritten."""
        return self.channel.edits

    def write(self, into: dict[Path, str | None]) -> int:
        """As `Piece.write`."""
        return self.channel.write(self.path, into)


class Item:
    """An event in the queue.

    Attributes:
        event: the event; None where the stream just stopped.
        pieces: its texts.
        closes: channels that end with it.
        mirrors: places that repeat the text of a channel, and are emptied when that text changes.
        note: what the codec wants to know once it has left.
        splits: one of its texts ends in half a character.
        halves: pieces of earlier events whose last character it completes.
    """

    __slots__ = ("closes", "event", "halves", "mirrors", "note", "pieces", "splits")

    def __init__(self, event: SseEvent | None) -> None:
        self.event = event
        self.pieces: list[Piece | CallPiece] = []
        self.closes: Sequence[Channel] = ()
        self.mirrors: Sequence[tuple[Channel | Call, Path]] = ()
        self.note: object = None
        self.splits = False
        self.halves: Sequence[Piece] = ()

    def ready(self) -> bool:
        """Whether it may leave."""
        for piece in self.pieces:
            channel = piece.channel
            if piece.end > channel.mark or not (channel.opened or piece.end == piece.start):
                return False
        return not self.closes or all(channel.settled for channel in self.closes)
