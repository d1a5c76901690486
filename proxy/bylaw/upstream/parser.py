"""Bytes of one connection to replies, without any input or output.

Law of this module: for any way of cutting the bytes, the outcome is the same. A head is handed to llhttp
only when it is whole, so its bounds are exact and llhttp never glues header pieces; what follows the end of
a reply is never part of it. llhttp runs strict, and what strictness means is not left to its version:
see `framing`.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from bylaw.upstream.framing import MalformedReply, ReplyHead, read_head

HEAD_BYTES_MAX = 64 * 1024
INTERIM_MAX = 16
_HEAD_END = b"\r\n\r\n"
_VERSION = b"HTTP/1."


class ReplyParser:
    """Parses the replies of one connection, one after the other.

    Attributes:
        head: the head of the final reply, None as long as it is not whole.
        pieces: body bytes that were not taken yet; the owner clears the list, and never replaces it.
        done: the reply is whole.
        surplus: bytes followed the reply that belong to no request: never use the connection again.
        tunnel: the reply was 101: from here on the bytes are another protocol's.
    """

    __slots__ = (
        "_headers", "_interim", "_llhttp", "_overhead_bytes", "_partial", "_reason", "_upgrade",
        "_wants_body", "done", "head", "on_body", "pieces", "surplus", "tunnel",
    )  # fmt: skip

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # called by llhttp, without a Python frame between
        self._llhttp: HttpResponseParser | None = None
        self._partial = bytearray()
        self.start("GET", upgrade=False)

    def start(self, method: str, upgrade: bool) -> None:
        """Expect the reply to a request.

        Args:
            method: the request's method (a reply to HEAD has no body).
            upgrade: the request asked for another protocol, so 101 is an answer.
        """
        self.head: ReplyHead | None = None
        self.done = self.surplus = self.tunnel = False
        self._wants_body = method != "HEAD"
        self._upgrade = upgrade
        self._interim = self._overhead_bytes = 0
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        if self._llhttp is None:
            self._llhttp = HttpResponseParser(self)

    def feed(self, data: bytes) -> bool:
        """Take bytes as they came.

        Returns:
            True if the head became whole, body bytes came or the reply ended.

        Raises:
            MalformedReply: see `framing`.
        """
        progress = False
        if self.head is None:
            data = self._feed_head(data)
            progress = self.head is not None
        if data:
            progress = self._feed_body(data) or progress
        return progress

    def end(self) -> bool:
        """The peer sends no more; tells whether the reply is whole."""
        head = self.head
        if head is not None and (self.tunnel or (head.length is None and not head.chunked)):
            self.done = True
        return self.done

    def close(self) -> None:
        """Let go of llhttp, which refers back to this object."""
        self._llhttp = None

    def _feed_head(self, data: bytes) -> bytes:
        while data and self.head is None:
            head, data = self._cut_head(data)
            if head:
                self._parse_head(head)
        return data

    def _cut_head(self, data: bytes) -> tuple[bytes, bytes]:
        partial, known = self._partial, len(self._partial)
        if known:
            partial += data
            end = partial.find(_HEAD_END, max(0, known - 3))
        else:
            end = data.find(_HEAD_END)
        if end < 0:
            if not known:
                partial += data
            self._check_partial()
            return b"", b""
        if known:
            data = bytes(partial)
            partial.clear()
        end += len(_HEAD_END)
        if end > HEAD_BYTES_MAX:
            raise MalformedReply("the head is too large")
        return data[:end], data[end:]

    def _check_partial(self) -> None:
        partial = self._partial
        if len(partial) > HEAD_BYTES_MAX:
            raise MalformedReply("the head is too large")
        # Garbage and bare line feeds would otherwise be waited for until the timeout.
        if partial[: len(_VERSION)] != _VERSION[: len(partial)] or b"\n\n" in partial:
            raise MalformedReply("no HTTP/1 head")

    def _parse_head(self, head: bytes) -> None:
        # llhttp before 9.3 joins folded lines silently (obs-fold, RFC 9112, section 5.2).
        if not head.startswith(_VERSION) or b"\n " in head or b"\n\t" in head:
            raise MalformedReply("no HTTP/1 head, or a folded header")
        self._reason, self._headers = b"", []
        llhttp = self._llhttp
        assert llhttp is not None
        try:
            llhttp.feed_data(head)
        except HttpParserUpgrade:
            self.tunnel = self._upgrade
        except HttpParserError as error:
            raise MalformedReply(f"bad head: {error}") from None
        self._judge_head(llhttp.get_status_code(), head.startswith(b"HTTP/1.1"))

    def _judge_head(self, status: int, http11: bool) -> None:
        if 100 <= status < 200 and status != 101:
            return self._skip_interim()
        head = read_head(status, self._reason, self._headers, http11)
        if status == 101 and not self.tunnel:
            raise MalformedReply("a switch of protocols that nobody asked for")
        self._headers = []  # trailers land there, and are dropped
        if self.tunnel:
            self.done = False
        elif not self._wants_body:
            self.done = True
            self._llhttp = None  # it waits for a body that does not come
        self.head = head
        return None

    def _skip_interim(self) -> None:
        self._interim += 1
        if not self.done or self._interim > INTERIM_MAX:
            raise MalformedReply("an interim reply with a body, or too many of them")
        self.done = False

    def _feed_body(self, data: bytes) -> bool:
        if self.tunnel:
            self.pieces.append(data)
            return True
        if self.done:
            self.surplus = True
            return False
        return self._feed_llhttp(data)

    def _feed_llhttp(self, data: bytes) -> bool:
        assert self._llhttp is not None
        before = len(self.pieces)
        try:
            self._llhttp.feed_data(data)
        except HttpParserError as error:
            if not self.done:
                raise MalformedReply(f"bad body framing: {error}") from None
            self.surplus = True
        if self.done or len(self.pieces) > before:
            self._overhead_bytes = 0
            return True
        return self._count_overhead(len(data))

    def _count_overhead(self, count: int) -> bool:
        # Chunk extensions and trailers are not delivered, so no back-pressure bounds them.
        self._overhead_bytes += count
        if self._overhead_bytes > HEAD_BYTES_MAX:
            raise MalformedReply("chunk extensions or trailers are too large")
        return False

    # Called by llhttp.

    def on_message_begin(self) -> None:
        if self.done:
            raise MalformedReply("bytes after the reply")

    def on_status(self, reason: bytes) -> None:
        self._reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_message_complete(self) -> None:
        self.done = True
