"""Server-sent events, decoded incrementally and written back byte for byte.

Law of this module: the raw bytes of all events, in order, and then `tail`, are exactly the bytes that were
fed; how they were cut makes no difference to any event. Grammar: WHATWG HTML, section 9.2.

An event's raw bytes run to the end of its blank line, comments and unknown fields included. One byte needs
care: a LF after a blank line that ended in CR. It belongs to the event if the line before ended in LF (the
stream writes CRLF; we wait for it), and opens the next event if the line before ended in a bare CR (a stream
that writes CR must not wait for a byte that never comes).
"""

from __future__ import annotations

import re

from bylaw.wire.errors import WireError

_BOM = b"\xef\xbb\xbf"
_LONGEST_END = 4
_FIELDS = frozenset({b"event", b"id", b"retry"})
_end = re.compile(rb"(?:\r\n|\n)(?:\n|\r\n|\r(?=[^\n]))|\r\r").search
_lines = re.compile(rb"\r\n|\n|\r").split
_line = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)").finditer


class SseEvent:
    """One event.

    Attributes:
        raw: its bytes, framing included.
        data: the data lines, joined by LF; None if the event has none and is therefore not dispatched.
        name: value of the last `event` field, or an empty string.
        ident: value of the last `id` field, or an empty string.
        other: comments and unknown fields, which no reader dispatches, joined by LF.
    """

    __slots__ = ("data", "first", "ident", "name", "other", "raw")

    def __init__(self, raw: bytes, first: bool = False) -> None:
        self.raw = raw
        self.first = first
        self.name = self.ident = self.other = b""
        self.data: bytes | None = None
        if raw.startswith(b"data:") and raw.endswith(b"\n\n") and raw.count(b"\n") == 2 and b"\r" not in raw:
            self.data = raw[6:-2] if raw[5:6] == b" " else raw[5:-2]
        else:
            self._fields(raw[self._bom() :])

    def _bom(self) -> int:
        """Length of the BOM, which may lead the stream, and nothing else."""
        return len(_BOM) if self.first and self.raw.startswith(_BOM) else 0

    def _fields(self, raw: bytes) -> None:
        data: list[bytes] = []
        other: list[bytes] = []
        for line in _lines(raw) if b"\r" in raw else raw.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if field == b"data":
                data.append(value)
            elif field == b"event":
                self.name = value
            elif field == b"id":
                self.ident = value
            elif line and not (field == b"retry" and value.isdigit()):
                other.append(line)
        self.other = b"\n".join(other)
        if data:
            self.data = b"\n".join(data)

    def reframed(self, data: bytes, comments: bool = True) -> bytes:
        """The raw event with other data; each line keeps its place and its line end.

        Args:
            data: at most as many lines as the event has data lines.
            comments: whether comments and unknown fields stay.
        """
        fresh = data.split(b"\n")
        out = [self.raw[: self._bom()]]
        for found in _line(self.raw, self._bom()):
            line, end = found[1], found[2]
            field, _, value = line.partition(b":")
            if field != b"data":
                if comments or not line or field in _FIELDS:
                    out += (line, end)
            elif fresh:
                out += (b"data: " if value[:1] == b" " else b"data:", fresh.pop(0), end)
        assert not fresh, "splicing adds no lines"
        return b"".join(out)


class SseDecoder:
    """Cuts a byte stream into events.

    Args:
        event_bytes_max: bound of one event's raw bytes.
    """

    __slots__ = ("_buffer", "_event_bytes_max", "_first", "_lf_only", "_searched")

    def __init__(self, event_bytes_max: int) -> None:
        self._event_bytes_max = event_bytes_max
        self._buffer = bytearray()
        self._searched = 0
        self._first = self._lf_only = True

    @property
    def tail(self) -> bytes:
        """Bytes after the last event: not an event until their blank line comes."""
        return bytes(self._buffer)

    def feed(self, data: bytes, events: list[SseEvent]) -> None:
        """Append the events that became whole to `events`.

        Raises:
            WireError: `event_too_large`; the events before it were appended.
        """
        buffer = self._buffer
        buffer += data
        self._lf_only = self._lf_only and b"\r" not in data
        start = 0
        while (end := self._end(max(start, self._searched))) > 0:
            self._bound(end - start)
            events.append(SseEvent(bytes(buffer[start:end]), self._first))
            self._first, start = False, end
        del buffer[:start]
        self._searched = max(0, len(buffer) - _LONGEST_END)
        self._bound(len(buffer))

    def _end(self, start: int) -> int:
        """Where the event ends; 0 if it does not end yet."""
        if self._lf_only:
            end = self._buffer.find(b"\n\n", start)
            return end + 2 if end >= 0 else 0
        found = _end(self._buffer, start)
        return found.end() if found else 0

    def _bound(self, size: int) -> None:
        if size > self._event_bytes_max:
            raise WireError("event_too_large", "an event of the stream is larger than allowed")

    def close(self) -> SseEvent | None:
        """What is left when the stream closes, read as if its blank line had come; None if nothing."""
        if not self._buffer:
            return None
        event = SseEvent(self.tail, self._first)
        self._buffer.clear()
        return event
