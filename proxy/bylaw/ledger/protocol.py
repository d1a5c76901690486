"""What workers and the writer say to each other over the socket.

Law of this module: pure functions over bytes; every length is checked against a bound before anything is
kept. A message is `u32 length of the rest | u8 kind | rest`, big-endian.

| kind | from | rest |
|---|---|---|
| 1 hello | worker | JSON: protocol, boot, worker, mode, next_seq (the lowest number that it can still send) |
| 2 welcome | writer | u64: highest durable sequence number of this stream |
| 3 entry | worker | u64 seq, u8 role, u8 length of the exchange id, exchange id, leaf |
| 4 ack | writer | u64: everything up to this number is as safe as the mode says |
| 5 nack | writer | u64 as in ack, then why nothing behind it was written; to be sent again later |
| 6 refused | writer | why the hello is not accepted; the connection ends |
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

import orjson

from bylaw.ledger.entry import EXCHANGE_CHARS_MAX, LEAF_BYTES_MAX, Role
from bylaw.ledger.state import WRITER

PROTOCOL: Final = 1
REASON_BYTES_MAX: Final = 500

_PREFIX: Final = struct.Struct(">IB")
_ENTRY: Final = struct.Struct(">QBB")
_ENTRY_MESSAGE: Final = struct.Struct(">IBQBB")
_SEQ: Final = struct.Struct(">Q")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_PEER: Final = struct.Struct("3i")

REST_BYTES_MAX: Final = _ENTRY.size + EXCHANGE_CHARS_MAX + LEAF_BYTES_MAX


class Kind(IntEnum):
    """First byte of a message."""

    HELLO = 1
    WELCOME = 2
    ENTRY = 3
    ACK = 4
    NACK = 5
    REFUSED = 6


class ProtocolError(ValueError):
    """The other side breaks the rules; the connection ends."""


class Hello(NamedTuple):
    """Who a worker is."""

    boot: str
    worker: str
    mode: str
    next_seq: int


def hello_message(hello: Hello) -> bytes:
    """The first message of a worker."""
    return _message(Kind.HELLO, orjson.dumps({"protocol": PROTOCOL, **hello._asdict()}))


def entry_message(seq: int, role: Role, exchange: str, leaf: bytes) -> bytes:
    """One entry on its way to the writer."""
    name = exchange.encode()
    head = _ENTRY_MESSAGE.pack(_ENTRY.size + len(name) + len(leaf), Kind.ENTRY, seq, role, len(name))
    return b"".join((head, name, leaf))


def seq_message(kind: Kind, seq: int, reason: str = "") -> bytes:
    """A welcome, an ack or a nack."""
    return _message(kind, _SEQ.pack(seq) + reason.encode()[:REASON_BYTES_MAX])


def refused_message(reason: str) -> bytes:
    """The answer to a hello that cannot be accepted."""
    return _message(Kind.REFUSED, reason.encode()[:REASON_BYTES_MAX])


def _message(kind: Kind, rest: bytes) -> bytes:
    return _PREFIX.pack(len(rest), kind) + rest


def parse_hello(rest: bytes) -> Hello:
    """The rest of a hello.

    Raises:
        ProtocolError: it is malformed.
    """
    try:
        document: Any = orjson.loads(rest)
        hello = Hello(document["boot"], document["worker"], document["mode"], document["next_seq"])
        fits = document["protocol"] == PROTOCOL and type(hello.next_seq) is int and hello.next_seq >= 1
        fits = fits and all(_NAME.fullmatch(name) for name in hello[:3]) and hello.worker != WRITER
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ProtocolError(f"malformed hello: {error!r}") from error
    if not fits:
        raise ProtocolError("malformed hello")
    return hello


def parse_entry(rest: bytes) -> tuple[int, Role, str, bytes]:
    """The rest of an entry: seq, role, exchange, leaf.

    Raises:
        ProtocolError: it is malformed.
    """
    try:
        seq, role, size = _ENTRY.unpack_from(rest)
        start = _ENTRY.size + size
        exchange, leaf = rest[_ENTRY.size : start].decode("ascii"), rest[start:]
        if not 0 < len(leaf) <= LEAF_BYTES_MAX:
            raise ProtocolError(f"a leaf of {len(leaf)} bytes")
        return seq, Role(role), exchange, leaf
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise ProtocolError(f"malformed entry: {error}") from error


def parse_seq(rest: bytes) -> tuple[int, str]:
    """The rest of a welcome, an ack or a nack: sequence number, reason.

    Raises:
        ProtocolError: it is malformed.
    """
    if len(rest) < _SEQ.size:
        raise ProtocolError("malformed sequence number")
    return _SEQ.unpack_from(rest)[0], rest[_SEQ.size :].decode("utf-8", "replace")


class Inbox:
    """Cuts a byte stream into messages."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The messages that `data` completes: kind and rest.

        Raises:
            ProtocolError: a message longer than any can be.
        """
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while end - at >= _PREFIX.size:
            size, kind = _PREFIX.unpack_from(buffer, at)
            if size > REST_BYTES_MAX:
                raise ProtocolError(f"a message of {size} bytes")
            start = at + _PREFIX.size
            if start + size > end:
                break
            at = start + size
            yield kind, buffer[start:at]
        self._rest = buffer[at:]


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end (SO_PEERCRED, see unix(7))."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])
