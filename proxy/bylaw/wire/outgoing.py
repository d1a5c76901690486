"""Writing the events that leave.

Law of this module: an event without edits leaves byte for byte; one with edits differs in the edited strings,
and in what repeats them, only.
"""

from __future__ import annotations

from bylaw.content import Path
from bylaw.wire.channels import Channel, Piece
from bylaw.wire.held import Call, Item
from bylaw.wire.splice import splice
from bylaw.wire.stream_codec import StreamCodec

_OTHER = "other."


class Outgoing:
    """Renders items, and counts what left.

    Args:
        codec: writes events of our own.
        keys: channels by key; those of single events are forgotten here.

    Attributes:
        released: characters by channel.
    """

    def __init__(self, codec: StreamCodec, keys: dict[str, Channel | Call]) -> None:
        self._codec = codec
        self._keys = keys
        self.released: dict[str, int] = {}

    def leave(self, item: Item) -> bytes:
        """The bytes of an item that is ready."""
        event = item.event
        changes: dict[Path, str | None] = {}
        comments = True
        before = b""
        for piece in item.pieces:
            channel = piece.channel
            length = len(piece.text)
            if channel.edits and piece.touched():
                length = piece.write(changes)
                comments = comments and piece.path is not None
                self._mirrors(item, channel, changes)
            self._count(channel, length)
            if channel.edits and type(channel) is Channel:
                channel.forget(piece.end)
        for channel in item.closes:
            before += self._ending(item, channel, changes)
            if channel.key.startswith(_OTHER):
                del self._keys[channel.key]
        if item.note is not None:
            self._codec.left(item.note)
        if event is None:
            return before
        if not changes and comments:
            return before + event.raw
        data = event.data if event.data is not None else b""
        return before + event.reframed(splice(data, changes), comments)

    def _count(self, channel: Channel | Call, length: int) -> None:
        key = channel.key if not channel.key.startswith(_OTHER) else "other"
        self.released[key] = self.released.get(key, 0) + length

    def _mirrors(self, item: Item, channel: Channel | Call, changes: dict[Path, str | None]) -> None:
        for mirrored, path in item.mirrors:
            if mirrored is channel:
                changes[path] = None

    def _ending(self, item: Item, channel: Channel, changes: dict[Path, str | None]) -> bytes:
        """Put text added to a channel's end into its last event, or into one of our own before that."""
        text = channel.ending() if channel.edits else ""
        if not text or item.event is None:
            return b""
        self._count(channel, len(text))
        pieces = [one for one in item.pieces if one.channel is channel and one.path is not None]
        if not pieces:
            return self._codec.delta(channel.key, text)
        last = pieces[-1]
        assert type(last) is Piece and last.path is not None
        changes[last.path] = last.rendered() + text
        self._mirrors(item, channel, changes)
        return b""
