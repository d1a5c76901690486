"""What arrived, kept for the test to look at; bounded in count and in bytes."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_KEPT_BYTES_MAX = 256 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Request:
    """One request as it stood on the wire; times are `time.monotonic()` seconds, None while not reached.

    Args:
        method: as sent.
        target: the request target as sent, undecoded.
        headers: names and values as sent, in order, duplicates kept.
        http_version: `1.0` or `1.1`.
        body: after removing the framing, before removing any coding; empty for uploads, which are counted.
        body_bytes: length of the body, also of one that was not kept.
        started_s: the head was complete.
        received_s: the body was complete.
        replied_s: the last byte of the reply was handed to the kernel.
        disconnected_s: the client left before that.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    body: bytes = b""
    body_bytes: int = 0
    started_s: float = field(default_factory=time.monotonic)
    received_s: float | None = None
    replied_s: float | None = None
    disconnected_s: float | None = None

    @property
    def path(self) -> str:
        """The target without its query, undecoded."""
        return self.target.partition(b"?")[0].decode("latin-1")

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = parse_qs(urlsplit(self.target.decode("latin-1")).query).get(name)
        return values[0] if values else None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, named in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON: the body as text where it is UTF-8, and always in base64."""
        return {
            "method": self.method,
            "target": self.target.decode("latin-1"),
            "http_version": self.http_version,
            "headers": [[key.decode("latin-1"), value.decode("latin-1")] for key, value in self.headers],
            "body": self.body.decode("utf-8", "replace"),
            "body_base64": base64.b64encode(self.body).decode(),
            "body_bytes": self.body_bytes,
            "started_s": self.started_s,
            "received_s": self.received_s,
            "replied_s": self.replied_s,
            "disconnected_s": self.disconnected_s,
        }


class RequestLog:
    """The last requests, oldest first.

    Args:
        count_max: requests kept.
    """

    def __init__(self, count_max: int = 1000) -> None:
        self._kept: deque[Request] = deque(maxlen=count_max)
        self._bytes = 0
        self.total = 0

    def add(self, request: Request) -> None:
        """Keep a request whose head has arrived."""
        if len(self._kept) == self._kept.maxlen:
            self._bytes -= len(self._kept[0].body)
        self._kept.append(request)
        self.total += 1

    def complete(self, request: Request, body: bytes) -> None:
        """Keep its body too, at the price of the oldest requests if the memory is used up."""
        request.body = body
        request.received_s = time.monotonic()
        self._bytes += len(body)
        while self._bytes > _KEPT_BYTES_MAX and len(self._kept) > 1:
            self._bytes -= len(self._kept.popleft().body)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._kept)

    def __getitem__(self, at: int) -> Request:
        return self._kept[at]
