"""The release mark of a stream: nothing leaves before every guard has cleared it.

Law of this module: events leave in the order in which they came, each when all its texts are cleared;
untouched events leave byte for byte as they came; a character that an edit covers never leaves; after an end
nothing leaves, and there is one end. How the upstream's bytes were cut makes no difference to any of this.

The host's loop, after each `feed` and after `eof`:

1. for each guard: `windows`, then `clear` for each; `calls`, then `clear_call` for each;
2. `release`, and while `amend_windows` gives any: `amend` each, `release` again;
3. on a block: `release`, then `end_blocked`. On a `WireError` of `feed`: as after `eof` (what came before
   the fault may still be cleared and leave), then `end_fault`. After `eof`, if `truncated`: `end_fault`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from bylaw.content import Path, ToolCall, Unread, Window
from bylaw.verdict import Edit
from bylaw.wire.channels import WHOLE, Channel, Piece
from bylaw.wire.edits import Span, merge
from bylaw.wire.errors import WireError
from bylaw.wire.held import Call, CallPiece, Item
from bylaw.wire.splice import splice
from bylaw.wire.sse import SseDecoder, SseEvent
from bylaw.wire.stream_codec import StreamCodec

CHANNELS_MAX = 4096
_NO_SCHEMAS: Mapping[str, Mapping[str, Any]] = {}


class StreamGate:
    """Stands between an upstream's stream of events and the client.

    Args:
        codec: the dialect's `stream()`; one a gate.
        look_behinds: for each guard the characters of cleared text that its windows bring along; `WHOLE`
            for a guard that gets each channel once, complete.
        text_max: bytes of events that may wait before a further `feed` is refused.
        event_bytes_max: bytes of one event.
        hold_calls: hold each tool call back until `clear_call`; otherwise its arguments are not inspected.
        amending: ask through `amend_windows` before a channel of answer text begins and before it ends.
        schemas: parameters that the caller declared, by tool name.

    Attributes:
        ended: an end was written (`end_blocked`, `end_fault`).
        fault: the error that stopped reading, once `feed` or `eof` raised it.
        unread: parts of the reply that no guard can read; look before you release.
    """

    def __init__(
        self,
        codec: StreamCodec,
        look_behinds: Sequence[int],
        text_max: int,
        event_bytes_max: int,
        *,
        hold_calls: bool = False,
        amending: bool = False,
        schemas: Mapping[str, Mapping[str, Any]] = _NO_SCHEMAS,
    ) -> None:
        self._codec = codec
        self._look_behinds = tuple(look_behinds)
        self._text_max = text_max
        self._hold_calls = hold_calls
        self._amending = amending
        self._schemas = schemas
        self._guarded = bool(self._look_behinds) or hold_calls or amending
        self._decoder = SseDecoder(event_bytes_max)
        self._queue: deque[Item] = deque()
        self._held_bytes = 0
        self._groups: dict[str, dict[str, Channel | Call]] = {}
        self._closed: set[str] = set()
        self._keys: dict[str, Channel | Call] = {}
        self._dirty: list[dict[Channel, None]] = [{} for _ in self._look_behinds]
        self._streaming = [
            dirty for dirty, back in zip(self._dirty, self._look_behinds, strict=True) if back != WHOLE
        ]
        self._whole: list[ToolCall] = []
        self._item = Item(None)
        self._others = 0
        self._released: dict[str, int] = {}
        self._stopped = self._ragged = False
        self.ended = False
        self.fault: WireError | None = None
        self.unread: list[Unread] = []
        self._skipped: set[str] = set()

    # What the host sees.

    @property
    def finished(self) -> bool:
        """The upstream's own terminal event was received."""
        return self._codec.finished

    @property
    def truncated(self) -> bool:
        """The upstream closed, or became unreadable, before its terminal event."""
        return self.fault is not None or (self._stopped and not self._codec.finished)

    @property
    def drained(self) -> bool:
        """Nothing waits."""
        return not self._queue

    @property
    def released(self) -> dict[str, int]:
        """Characters that left, by channel; texts of single events together as `other`."""
        return dict(self._released)

    def feed(self, data: bytes) -> None:
        """Take bytes of the upstream; ignored after an end.

        Raises:
            WireError: `invalid_event`, `event_too_large`, `too_much_held`, `after_end`, `lone_surrogate`,
                `too_many_channels`, or a code of `strict_json`. Events before the fault stay valid.
        """
        if self.ended or self.fault or self._stopped:
            return
        events: list[SseEvent] = []
        try:
            if self._held_bytes > self._text_max:
                raise WireError("too_much_held", "more of the stream waits for guards than allowed")
            try:
                self._decoder.feed(data, events)
            finally:
                for event in events:
                    self._enqueue(event)
        except WireError as error:
            self._fail(error)
            raise

    def eof(self) -> None:
        """The upstream closed. Channels become final; an event without its blank line is read like any other.

        Raises:
            WireError: as `feed`.
        """
        if self.ended or self.fault or self._stopped:
            return
        self._stopped = True
        tail = self._decoder.close()
        if tail is not None:
            try:
                self._enqueue(tail)
                self._ragged = True
            except WireError:
                # Cut in the middle of an event: nobody could read it, so nobody gets it.
                pass
        self._item = Item(None)
        self._finalise()

    def windows(self, guard: int) -> list[Window]:
        """What this guard has to look at now: each channel with text that it has not seen, or that ended."""
        dirty = self._dirty[guard]
        if not dirty:
            return []
        found = [window for channel in dirty if (window := channel.window(guard)) is not None]
        dirty.clear()
        return found

    def clear(self, guard: int, window: Window, hold: int | None, edits: Sequence[Edit] = ()) -> None:
        """A guard's answer to a window.

        Args:
            guard: its index.
            window: the window that it answers.
            hold: index in `window.text` from which on text stays uncleared; None clears all of it.
                Ignored for a final window.
            edits: spans of `window.text` to replace.

        Raises:
            WireError: `signed_thinking_edit`: the channel is signed and cannot be changed; block instead.
        """
        channel = self._keys[window.key]
        assert type(channel) is Channel
        if edits and not self.editable(window):
            raise WireError("signed_thinking_edit", "an edit falls into thinking that the provider signed")
        if channel.clear(guard, window, hold, edits):
            self._dirty[guard][channel] = None

    def cut(self, guard: int, window: Window, at: int) -> None:
        """A guard blocks: of this channel, what stands before `window.text[at]` is the last to leave.

        Unlike `clear`, this never completes a channel, so its closing event stays.
        """
        channel = self._keys[window.key]
        assert type(channel) is Channel
        channel.cut(guard, window.start + at)

    def editable(self, window: Window) -> bool:
        """Whether the channel may be edited; `clear` refuses edits of one that the provider signed."""
        return window.channel not in self._codec.unedited

    def calls(self) -> list[ToolCall]:
        """Tool calls that became whole since the last time; each waits for `clear_call`."""
        whole, self._whole = self._whole, []
        return whole

    def clear_call(self, key: str, edits: Sequence[Edit] = ()) -> None:
        """Let a tool call go; edits index its segments."""
        call = self._keys[key]
        assert type(call) is Call
        call.clear(edits)

    def amend_windows(self) -> list[Window]:
        """Channels of answer text that are about to begin (`start == 0`, not final) or to end (`final`).

        An opening window shows the text that begins the channel, as the client will get it; a closing
        window is empty. Channels without text are left out.
        """
        item = self._queue[0] if self._amending and self._queue and not self.ended else None
        found: list[Window] = []
        for piece in item.pieces if item else ():
            channel = piece.channel
            if type(piece) is Piece and not channel.opened and piece.start < piece.end <= channel.mark:
                found.append(Window(piece.channel.kind, channel.key, piece.rendered(), 0, 0, False))
        for channel in item.closes if item else ():
            if channel.opened and not channel.amended and not channel.done:
                found.append(Window(channel.kind, channel.key, "", 0, channel.total, True))
        return found

    def amend(self, window: Window, edits: Sequence[Edit]) -> None:
        """Add to the beginning or the end of a channel; what is added is not inspected.

        Args:
            window: one of `amend_windows`.
            edits: insertions, their text in order; spans that would replace text are the inspection's matter.
        """
        channel = self._keys[window.key]
        assert type(channel) is Channel
        at = channel.total if window.final else 0
        text = "".join(edit.text for edit in edits if edit.start == edit.end)
        if text:
            rank = (False, len(self._look_behinds) if window.final else -1, at)
            channel.edits = merge([*channel.edits, Span(at, at, rank, text)])
        if window.final:
            channel.amended = True
        else:
            channel.opened = True

    def release(self) -> bytes:
        """Everything that may leave now."""
        queue = self._queue
        if self.ended or not queue:
            return b""
        out: list[bytes] = []
        while queue and queue[0].ready() and (not queue[0].splits or self._both_halves()):
            out.append(self._leave(queue.popleft()))
        return b"".join(out)

    def end_blocked(self, code: str, message: str) -> bytes:
        """What makes the client's SDK end cleanly after a block, given what it got so far."""
        return self._end(self._codec.blocked, code, message)

    def end_fault(self, code: str, message: str) -> bytes:
        """The dialect's error event: the reply is incomplete, through no decision of a guard."""
        return self._end(self._codec.fault, code, message)

    # What the codec calls while it reads an event.

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
            piece = _mended(self._item, channel, text, path, nulls=nulls)
        else:
            piece = Piece(channel, channel.total, text, path, nulls)
            channel.append(text)
        self._item.pieces.append(piece)
        for dirty in self._streaming:
            dirty[channel] = None

    def leaf(self, path: Path | None, text: str, kind: str = "other") -> None:
        """A text that is complete in this event; `path` None for comments."""
        if not text or not self._look_behinds:
            return
        self._others += 1
        channel = Channel(kind, f"other.{self._others}", self._look_behinds)
        self._register(channel)
        piece = _mended(self._item, channel, text, path)
        self._item.pieces.append(piece)
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
        self._item.pieces.append(CallPiece(call, path, text))

    def mirror(self, group: str, name: str, path: Path) -> None:
        """The value at `path` repeats the text of a channel in this event."""
        channel = self._groups.get(group, {}).get(name)
        if channel is not None:
            self._item.mirrors = (*self._item.mirrors, (channel, path))

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
                self._whole.append(member.whole(self._schemas))

    def close_all(self) -> None:
        """The stream ends with this event."""
        for group in list(self._groups):
            self.close(group)

    # Inside.

    def _enqueue(self, event: SseEvent) -> None:
        item = self._item = Item(event)
        try:
            if event.other:
                self._comments(event.other)
            if event.data:
                item.note = self._codec.read(event, self)
        except WireError:
            if self._guarded:
                raise
        self._queue.append(item)
        self._held_bytes += len(event.raw)

    def _comments(self, other: bytes) -> None:
        text = other.decode(errors="replace").lstrip(": ")
        if not text.isascii() or len(text) > 64:
            self.leaf(None, text)

    def _fail(self, error: WireError) -> None:
        self.fault = error
        self._item = Item(None)
        self._finalise()

    def _finalise(self) -> None:
        """No more text will come; a tool call that is not whole stays held for good."""
        open_ = [one for group in self._groups.values() for one in group.values() if type(one) is Channel]
        for channel in open_:
            channel.opened = channel.amended = True
            channel.waiting = None
        self._close(open_)
        self._queue.append(self._item)

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
        if len(self._keys) >= CHANNELS_MAX:
            raise WireError("too_many_channels", "the stream opens more channels than allowed")
        self._keys[channel.key] = channel

    def _close(self, channels: Sequence[Channel]) -> None:
        for channel in channels:
            if channel.waiting:
                raise WireError("lone_surrogate", "a text of the stream ends in half a surrogate pair")
            channel.final = True
            for dirty in self._dirty:
                dirty[channel] = None
        self._item.closes = (*self._item.closes, *channels)

    def _leave(self, item: Item) -> bytes:
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
            if channel.key.startswith("other."):
                del self._keys[channel.key]
        if item.note is not None:
            self._codec.left(item.note)
        if event is None:
            return before
        self._held_bytes -= len(event.raw)
        if not changes and comments:
            return before + event.raw
        data = event.data if event.data is not None else b""
        return before + event.reframed(splice(data, changes), comments)

    def _both_halves(self) -> bool:
        """Whether the events that complete the first one's last characters can leave right behind it."""
        missing: set[Piece] = set()
        for item in self._queue:
            if not item.ready():
                return False
            missing.difference_update(item.halves)
            missing.update(piece for piece in item.pieces if type(piece) is Piece and piece.high)
            if not missing:
                return True
        return False

    def _count(self, channel: Channel | Call, length: int) -> None:
        key = channel.key if not channel.key.startswith("other.") else "other"
        self._released[key] = self._released.get(key, 0) + length

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

    def _end(self, write: Any, code: str, message: str) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        self._queue.clear()
        data: bytes = write(code, message)
        return b"\n\n" + data if data and self._ragged else data


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
