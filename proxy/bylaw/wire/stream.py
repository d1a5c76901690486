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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bylaw.content import ToolCall, Window
from bylaw.verdict import Edit
from bylaw.wire.channels import Channel, Piece
from bylaw.wire.edits import Span, merge
from bylaw.wire.errors import WireError
from bylaw.wire.held import Call, Item
from bylaw.wire.intake import Intake
from bylaw.wire.outgoing import Outgoing
from bylaw.wire.sse import SseDecoder, SseEvent
from bylaw.wire.stream_codec import StreamCodec

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
        self._text_max = text_max
        self._amending = amending
        self._guarded = bool(look_behinds) or hold_calls or amending
        self._decoder = SseDecoder(event_bytes_max)
        self._queue: deque[Item] = deque()
        self._held_bytes = 0
        self._in = Intake(tuple(look_behinds), hold_calls=hold_calls, amending=amending, schemas=schemas)
        self._out = Outgoing(codec, self._in.keys)
        self._stopped = self._ragged = False
        self.ended = False
        self.fault: WireError | None = None
        self.unread = self._in.unread

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
        return dict(self._out.released)

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
        self._queue.append(self._in.finalise())

    def windows(self, guard: int) -> list[Window]:
        """What this guard has to look at now: each channel with text that it has not seen, or that ended."""
        dirty = self._in.dirty[guard]
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
        channel = self._in.keys[window.key]
        assert type(channel) is Channel
        if edits and not self.editable(window):
            raise WireError("signed_thinking_edit", "an edit falls into thinking that the provider signed")
        if channel.clear(guard, window, hold, edits):
            self._in.dirty[guard][channel] = None

    def cut(self, guard: int, window: Window, at: int) -> None:
        """A guard blocks: of this channel, what stands before `window.text[at]` is the last to leave.

        Unlike `clear`, this never completes a channel, so its closing event stays.
        """
        channel = self._in.keys[window.key]
        assert type(channel) is Channel
        channel.cut(guard, window.start + at)

    def editable(self, window: Window) -> bool:
        """Whether the channel may be edited; `clear` refuses edits of one that the provider signed."""
        return window.channel not in self._codec.unedited

    def calls(self) -> list[ToolCall]:
        """Tool calls that became whole since the last time; each waits for `clear_call`."""
        whole, self._in.whole = self._in.whole, []
        return whole

    def clear_call(self, key: str, edits: Sequence[Edit] = ()) -> None:
        """Let a tool call go; edits index its segments."""
        call = self._in.keys[key]
        assert type(call) is Call
        call.clear(edits)

    def amend_windows(self) -> list[Window]:
        """Channels of answer text that are about to begin (`start == 0`, not final) or to end (`final`).

        An opening window shows the text that begins the channel, as the client will get it; a closing
        window is empty. Channels without text are left out.
        """
        if not self._amending or not self._queue or self.ended:
            return []
        item, _ = self._next()
        found: list[Window] = []
        for piece in item.pieces:
            channel = piece.channel
            if type(piece) is Piece and not channel.opened and piece.start < piece.end <= channel.mark:
                found.append(Window(piece.channel.kind, channel.key, piece.rendered(), 0, 0, False))
        for channel in item.closes:
            if channel.opened and not channel.amended and not channel.done:
                found.append(Window(channel.kind, channel.key, "", 0, channel.total, True))
        return found

    def amend(self, window: Window, edits: Sequence[Edit]) -> None:
        """Add to the beginning or the end of a channel; what is added is not inspected.

        Args:
            window: one of `amend_windows`.
            edits: insertions, their text in order; spans that would replace text are the inspection's matter.
        """
        channel = self._in.keys[window.key]
        assert type(channel) is Channel
        at = channel.total if window.final else 0
        text = "".join(edit.text for edit in edits if edit.start == edit.end)
        if text:
            rank = (False, len(channel.look_behinds) if window.final else -1, at)
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
        while queue and self._next()[1]:
            item = queue.popleft()
            self._held_bytes -= len(item.event.raw) if item.event else 0
            out.append(self._out.leave(item))
        return b"".join(out)

    def end_blocked(self, code: str, message: str) -> bytes:
        """What makes the client's SDK end cleanly after a block, given what it got so far."""
        return self._end(self._codec.blocked, code, message)

    def end_fault(self, code: str, message: str) -> bytes:
        """The dialect's error event: the reply is incomplete, through no decision of a guard."""
        return self._end(self._codec.fault, code, message)

    def _enqueue(self, event: SseEvent) -> None:
        item = self._in.item = Item(event)
        try:
            if event.other:
                self._in.comments(event.other)
            if event.data:
                item.note = self._codec.read(event, self._in)
        except WireError:
            if self._guarded:
                raise
        self._queue.append(item)
        self._held_bytes += len(event.raw)

    def _fail(self, error: WireError) -> None:
        self.fault = error
        self._queue.append(self._in.finalise())

    def _next(self) -> tuple[Item, bool]:
        """The item at which the queue stands, and whether it may leave.

        Half a character leaves only if its other half can leave right behind it; then what stands between
        them is where the queue stands.
        """
        head = self._queue[0]
        if not head.splits:
            return head, head.ready()
        missing: set[Piece] = set()
        for item in self._queue:
            if not item.ready():
                return item, False
            missing.difference_update(item.halves)
            missing.update(piece for piece in item.pieces if type(piece) is Piece and piece.high)
            if not missing:
                return head, True
        return head, False

    def _end(self, write: Callable[[str, str], bytes], code: str, message: str) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        self._queue.clear()
        data = write(code, message)
        return b"\n\n" + data if data and self._ragged else data
