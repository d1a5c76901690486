"""One logical text of a stream, and how far each guard has cleared it.

Law of this module: `mark` is the number of leading characters that every guard has cleared, stepped back to
the start of any replaced span that is not yet cleared to its end. It never decreases, and no later edit can
begin before it.

Offsets are characters (code points) from the start of the channel. Half surrogate pairs that two events
share count as one character, of the first event.
"""

from __future__ import annotations

from collections.abc import Sequence

from bylaw.content import Path, Window
from bylaw.verdict import Edit
from bylaw.wire.edits import Span, merge, span

WHOLE = -1
"""As a guard's look-behind: it gets the channel once, whole, when it is complete."""

_TRIM_MIN = 1024


class Piece:
    """The text that one event adds to one channel.

    Attributes:
        channel: which channel.
        start, end: its characters in the channel.
        path: place in the event's JSON; None if there is none to write to.
        text: its text.
        nulls: an edit empties the place with `null` instead of writing text (log probabilities).
        low: the event's text begins with the low half of the character before `start`.
        high: the event's text ends in the high half of the character before `end`.
    """

    __slots__ = ("channel", "end", "high", "low", "nulls", "path", "start", "text")

    def __init__(
        self, channel: Channel, start: int, text: str, path: Path | None, nulls: bool = False
    ) -> None:
        self.channel = channel
        self.start = start
        self.end = start + len(text)
        self.path = path
        self.text = text
        self.nulls = nulls
        self.low = self.high = ""

    def touched(self) -> bool:
        """Whether an edit changes this piece."""
        low, end = self.start - len(self.low), self.end
        for one in self.channel.edits:
            if one.start >= end:
                return False
            if one.end > low or one.start >= self.start:
                return True
        return False

    def write(self, changes: dict[Path, str | None]) -> int:
        """Add the change of the event's JSON to `changes`; gives the number of characters that stay."""
        new = self.rendered()
        if self.path is not None:
            changes[self.path] = None if self.nulls else new
        return len(new)

    def rendered(self) -> str:
        """The text after all edits. A replacement stands in the piece where its span starts."""
        out: list[str] = []
        at, start, end = self.start, self.start, self.end
        body = self.text
        for one in self.channel.edits:
            if one.start >= end:
                break
            if one.start >= start:
                out += (body[at - start : one.start - start], one.text)
            if one.end > at:
                at = min(one.end, end)
        out.append(body[at - start :])
        new = "".join(out)
        if self.high and at < end:
            new = new[:-1] + self.high
        if self.low and not self.channel.replaced(start - 1):
            new = self.low + new
        return new


class Channel:
    """A text that grows.

    Attributes:
        kind: as `Segment.channel`.
        key: its name in the stream; "other" for a text of a single event.
        total: characters received.
        final: no more text follows.
        mark: characters that may leave.
        released: characters that left, after edits.
        edits: merged edits that may still touch unreleased text.
        waiting: the last piece of text, if it ends in half a character.
        opened: nobody waits to add to its beginning.
        amended: nobody waits to add to its end.
    """

    __slots__ = (
        "amended", "base", "buffer", "cleared", "done", "edits", "final", "key", "kind", "last",
        "look_behinds", "mark", "opened", "streamed", "total", "waiting", "whole",
    )  # fmt: skip

    def __init__(self, kind: str, key: str, look_behinds: Sequence[int]) -> None:
        self.kind = kind
        self.key = key
        self.look_behinds = look_behinds
        self.total = self.mark = self.base = 0
        self.buffer = ""
        self.streamed = max(look_behinds, default=WHOLE) != WHOLE
        self.whole: list[str] | None = [] if WHOLE in look_behinds else None
        self.cleared = [0] * len(look_behinds)
        self.done = len(look_behinds)
        self.final = False
        self.edits: list[Span] = []
        self.last: Window | None = None
        self.waiting: Piece | None = None
        self.opened = self.amended = True

    @property
    def settled(self) -> bool:
        """Every guard has had the final word, and so had those who may add to the end."""
        return self.final and not self.done and self.amended

    def append(self, text: str) -> None:
        """More text."""
        self.total += len(text)
        if not self.cleared:
            self.mark = self.total
            return
        if self.streamed:
            self.buffer += text
        if self.whole is not None:
            self.whole.append(text)

    def window(self, guard: int) -> Window | None:
        """What the guard has not cleared, with context; None if it is one that waits for the whole."""
        look_behind = self.look_behinds[guard]
        if look_behind == WHOLE:
            if not self.final:
                return None
            assert self.whole is not None
            return Window(self.kind, self.key, "".join(self.whole), 0, 0, True)
        fresh = self.cleared[guard]
        start = max(0, fresh - look_behind)
        last = self.last
        if (
            last is not None
            and last.start == start
            and last.fresh == fresh - start
            and last.final == self.final
            and start + len(last.text) == self.total
        ):
            return last
        self.last = Window(
            self.kind, self.key, self.buffer[start - self.base :], fresh - start, start, self.final
        )
        return self.last

    def clear(self, guard: int, window: Window, hold: int | None, edits: Sequence[Edit]) -> bool:
        """Take a guard's answer; true if there is text that it has not seen yet."""
        floor, end = self.cleared[guard], window.start + len(window.text)
        if edits:
            self._edit(guard, window, edits, floor)
        if window.final:
            self.done -= 1
        elif hold is not None:
            end = max(floor, min(end, window.start + hold))
        self.cleared[guard] = end
        self._advance()
        if len(self.buffer) > _TRIM_MIN:
            self._trim()
        return not window.final and (self.final or window.start + len(window.text) < self.total)

    def cut(self, guard: int, at: int) -> None:
        """A guard lets text go up to `at` and no further."""
        self.cleared[guard] = max(self.cleared[guard], at)
        self._advance()

    def _edit(self, guard: int, window: Window, edits: Sequence[Edit], floor: int) -> None:
        end = len(window.text)
        for edit in edits:
            assert 0 <= edit.start <= edit.end <= end, "the host checks that edits lie in their window"
            if edit.end + window.start > floor or edit.start == edit.end:
                self.edits.append(span(edit, guard, window.start, floor))
        self.edits = merge(self.edits)

    def _advance(self) -> None:
        mark = min(self.cleared)
        for one in self.edits:
            if one.start < mark < one.end:
                mark = one.start
                break
        self.mark = mark

    def _trim(self) -> None:
        """Forget text that no window will show again; in large steps, so that all of it is linear."""
        shown = [at - back for at, back in zip(self.cleared, self.look_behinds, strict=True) if back != WHOLE]
        spare = min(shown, default=self.total) - self.base
        if spare > len(self.buffer) // 2:
            self.buffer = self.buffer[spare:]
            self.base += spare

    def forget(self, end: int) -> None:
        """Drop the edits before `end`; one that ends there may still own half of a character that follows."""
        self.edits = [one for one in self.edits if one.end >= end]

    def replaced(self, offset: int) -> bool:
        """Whether an edit takes away the character at `offset`."""
        return any(one.start <= offset < one.end for one in self.edits)

    def ending(self) -> str:
        """Text inserted after the last character."""
        return "".join(one.text for one in self.edits if one.start == one.end == self.total)
