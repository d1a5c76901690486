"""A WebSocket echo (RFC 6455), without extensions: every text, binary and ping frame comes back."""

from __future__ import annotations

import asyncio
import base64
import hashlib

from bylaw_loadtest.scripted.reply import status_line_and
from bylaw_loadtest.scripted.request import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA
_FRAME_BYTES_MAX = 16 * 1024 * 1024
_TOO_BIG = (1009).to_bytes(2, "big")
_PROTOCOL_ERROR = (1002).to_bytes(2, "big")


def accepts(request: Request) -> bool:
    """Whether the request opens a WebSocket here."""
    upgrade = request.header(b"upgrade") or b""
    return request.path.endswith("/v1/realtime") and upgrade.lower() == b"websocket"


def opening(request: Request) -> bytes:
    """The 101 reply, with the first offered subprotocol (RFC 6455, 4.2.2)."""
    key = request.header(b"sec-websocket-key") or b""
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if offered := request.header(b"sec-websocket-protocol"):
        headers.append(("Sec-WebSocket-Protocol", offered.decode("latin-1").split(",")[0].strip()))
    return status_line_and(headers, 101)


class WebSocketEcho:
    """The open socket.

    Args:
        transport: where the echo goes.
    """

    __slots__ = ("_buffer", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Answer each whole frame in the bytes so far."""
        self._buffer += data
        while not self._transport.is_closing() and (frame := self._next_frame()) is not None:
            first, payload = frame
            self._answer(first, payload)

    def _answer(self, first: int, payload: bytes) -> None:
        code = first & 0x0F
        if code == _PONG:
            return
        self._send((first & 0xF0) | _PONG if code == _PING else first, payload)
        if code == _CLOSE:
            self._transport.close()

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1] & 0x7F, 2
        if length > 125:
            width = 2 if length == 126 else 8
            length, at = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        if not buffer[1] & 0x80 or length > _FRAME_BYTES_MAX:
            self._refuse(_TOO_BIG if buffer[1] & 0x80 else _PROTOCOL_ERROR)
            return None
        end = at + 4 + length
        if len(buffer) < end:
            return None
        first, payload = buffer[0], _unmasked(buffer[at : at + 4], buffer[at + 4 : end])
        del buffer[:end]
        return first, payload

    def _refuse(self, code: bytes) -> None:
        self._send(0x80 | _CLOSE, code)
        self._transport.close()

    def _send(self, first: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((first, size))
        elif size < 1 << 16:
            head = bytes((first, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((first, 127)) + size.to_bytes(8, "big")
        self._transport.write(head + payload)


def _unmasked(mask: bytearray, masked: bytearray) -> bytes:
    key = (bytes(mask) * (len(masked) // 4 + 1))[: len(masked)]
    number = int.from_bytes(masked, "big") ^ int.from_bytes(key, "big")
    return number.to_bytes(len(masked), "big")
