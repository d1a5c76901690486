"""Where a stream's events become items of the queue: channels, tool calls, and who has to look at them.

Law of this module: every text that a codec reports belongs to exactly one item and one channel (or tool
call), and every guard is told of it. Text after the end of its channel is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bylaw.content import Path, ToolCall, Unread
from bylaw.wire.channels import WHOLE, Channel, Piece
from bylaw.wire.errors import WireError
from bylaw.wire.held import Call, CallPiece, Item

CHANNELS_MAX = 4096
_COMMENT_MAX = 64


class Intake:
    """The `Sink` of one stream.

    Args:
        look_behinds: as `StreamGate`.
        hold_calls: as `StreamGate`.
        amending: as `StreamGate`.
        schemas: as `StreamGate`.

    Attributes:
        item: the event that is being read.
        keys: every channel and call by its key, until a text of a single event has left.
        dirty: for each guard the channels that it has to look at.
        whole: calls that became whole and were not handed out.
        unread: parts that nobody can read, noted once a kind.
    """

    def __init__(
        self,
        look_behinds: Sequence[int],
        *,
        hold_calls: bool,
        amending: bool,
        schemas: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._look_behinds = look_behinds
        self._hold_calls = hold_calls
        self._amending = amending
        self._schemas = schemas
        self._groups: dict[str, dict[str, Channel | Call]] = {}
        self._closed: set[str] = set()
        self._skipped: set[str] = set()
        self._others = 0
        self.item = Item(None)
        self.keys: dict[str, Channel | Call] = {}
        self.dirty: list[dict[Channel, None]] = [{} for _ in look_behinds]
        self._streaming = [d for d, back in zip(self.dirty, look_behinds, strict=True) if back != WHOLE]
        self.whole: list[ToolCall] = []
        self.unread: list[Unread] = []

    def text(self, group: str, name: str, kind: str, path: Path, text: str, *, nulls: bool = False) -> None:
        """Text that continues the channel `name` of `group`."""
        if not text:
            return
        try:
            channel = self._groups[group][name]
        except KeyError:
            channel = self._open(group, name, kind)
        if type(channel) is not Channel or channel.final:
            raise WireError("invalid_event", "text follows the end of its channel")
        if channel.waiting or not text.isascii():
            piece = _mended(self.item, channel, text, path, nulls=nulls)
        else:
            piece = Piece(channel, channel.total, text, path, nulls)
            channel.append(text)
        self.item.pieces.append(piece)
        for dirty in self._streaming:
            dirty[channel] = None

    def leaf(self, path: Path | None, text: str, kind: str = "other") -> None:
        """A text that is complete in this event; `path` None for comments."""
        if not text or not self._look_behinds:
            return
        self._others += 1
        channel = Channel(kind, f"other.{self._others}", self._look_behinds)
        self._register(channel)
        piece = _mended(self.item, channel, text, path)
        self.item.pieces.append(piece)
        self._close((channel,))

    def call(
        self,
        group: str,
        name: str,
        tool: str,
        path: Path | None,
        text: str,
        *,
        given: tuple[Path, Any] | None = None,
    ) -> None:
        """A fragment of a tool call."""
        if not self._hold_calls:
            return
        call = self._groups.get(group, {}).get(name)
        if call is None:
            self._refuse_closed(group)
            call = Call(f"{group}.{name}")
            self._groups.setdefault(group, {})[name] = call
            self._register(call)
        assert type(call) is Call, "codecs keep the names of texts and calls apart"
        call.name += tool
        call.given = given or call.given
        call.parts.append(text)
        self.item.pieces.append(CallPiece(call, path, text))

    def mirror(self, group: str, name: str, path: Path) -> None:
        """The value at `path` repeats the text of a channel in this event."""
        channel = self._groups.get(group, {}).get(name)
        if channel is not None:
            self.item.mirrors = (*self.item.mirrors, (channel, path))

    def skip(self, kind: str, path: Path, reason: str = "modality") -> None:
        """A part that nobody can read; noted once a kind."""
        if kind not in self._skipped:
            self._skipped.add(kind)
            self.unread.append(Unread(kind, path, reason))

    def close(self, group: str) -> None:
        """The texts and calls of a group end with this event."""
        self._closed.add(group)
        members = list(self._groups.pop(group, {}).values())
        self._close([member for member in members if type(member) is Channel])
        for member in members:
            if type(member) is Call:
                self.whole.append(member.whole(self._schemas))

    def close_all(self) -> None:
        """The stream ends with this event."""
        for group in list(self._groups):
            self.close(group)

    def comments(self, other: bytes) -> None:
        """Comments and unknown fields of an event; short ones are heartbeats."""
        text = other.decode(errors="replace").lstrip(": ")
        if not text.isascii() or len(text) > _COMMENT_MAX:
            self.leaf(None, text)

    def finalise(self) -> Item:
        """No more text will come; gives the item that ends the queue. A call that is not whole stays held."""
        self.item = Item(None)
        open_ = [one for group in self._groups.values() for one in group.values() if type(one) is Channel]
        for channel in open_:
            channel.opened = channel.amended = True
            channel.waiting = None
        self._close(open_)
        return self.item

    def _open(self, group: str, name: str, kind: str) -> Channel:
        self._refuse_closed(group)
        channel = Channel(kind, f"{group}.{name}", self._look_behinds)
        if self._amending and kind == name == "text":
            channel.opened = channel.amended = False
        self._groups.setdefault(group, {})[name] = channel
        self._register(channel)
        return channel

    def _refuse_closed(self, group: str) -> None:
        if group in self._closed:
            raise WireError("invalid_event", "text follows the end of its channel")

    def _register(self, channel: Channel | Call) -> None:
        if len(self.keys) >= CHANNELS_MAX:
            raise WireError("too_many_channels", "the stream opens more channels than allowed")
        self.keys[channel.key] = channel

    def _close(self, channels: Sequence[Channel]) -> None:
        for channel in channels:
            if channel.waiting:
                raise WireError("lone_surrogate", "a text of the stream ends in half a surrogate pair")
            channel.final = True
            for dirty in self.dirty:
                dirty[channel] = None
        self.item.closes = (*self.item.closes, *channels)


def _mended(item: Item, channel: Channel, text: str, path: Path | None, *, nulls: bool = False) -> Piece:
    """A piece whose text may begin or end in half a surrogate pair; the halves meet in the channel."""
    waiting, low = channel.waiting, ""
    if waiting is not None:
        low, text = text[0], text[1:]
        try:
            whole = (waiting.high + low).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise _LONE from None
        waiting.text += whole
        channel.waiting, item.halves = None, (*item.halves, waiting)
        channel.append(whole)
    high = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    text = text[: len(text) - len(high)]
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _LONE from None
    piece = Piece(channel, channel.total, text, path, nulls)
    piece.low, piece.high = low, high
    channel.append(text)
    if high:
        item.splits = True
        piece.end += 1
        channel.waiting = piece
    return piece


_LONE = WireError("lone_surrogate", "a text of the stream has half a surrogate pair")
