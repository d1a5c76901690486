"""Requests and responses between the supervisor and one child, over a pair of sockets.

Law of this module: one JSON object a line, both ways; each call has an id and a deadline; a message is
bounded by `MESSAGE_BYTES_MAX`, handlers at work by `HANDLERS_MAX`. A peer that sends anything else is as
good as gone, and every caller is told so. Both ends are our own processes: there is no version and no
authentication.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from bylaw import log
from bylaw.errors import BylawError, ConfigError
from bylaw.tasks import Tasks

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
HANDLERS_MAX = 32

Message = dict[str, Any]
Handler = Callable[[Message], Awaitable[Message]]


class Channel:
    """One end of a control channel. `serve` must run, or calls get no answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self._gone = False
        self._tasks = Tasks("channel")

    @classmethod
    async def open(cls, sock: socket.socket) -> Channel:
        """Take over one end of a socket pair."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MESSAGE_BYTES_MAX)
        return cls(reader, writer)

    async def call(self, op: str, timeout_s: float = 5.0, **fields: Any) -> Message:
        """Ask the peer and wait for its answer.

        Args:
            op: name of a handler of the peer.
            timeout_s: how long to wait for the answer.
            fields: what the handler gets.

        Returns:
            What the handler returned. One that failed answers `{"error": text, "exit": status}`.

        Raises:
            ConnectionError: the peer is gone.
            TimeoutError: no answer in time.
            ValueError: the message is larger than `MESSAGE_BYTES_MAX`.
        """
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._send({"id": number, "op": op, "fields": fields})
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await self._writer.drain()
                return await answer
        finally:
            del self._waiting[number]

    async def serve(self, handlers: Mapping[str, Handler]) -> None:
        """Answer the peer and hand out its answers, until it is gone."""
        try:
            while line := await self._reader.readline():
                self._take(orjson.loads(line), handlers)
        except (ValueError, KeyError, TypeError, ConnectionError):  # not our protocol, or reset
            pass
        finally:
            self.close()
            await self._tasks.close()

    def close(self) -> None:
        """Hang up: calls that wait fail, the peer reads the end of the channel."""
        self._gone = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the peer is gone"))
        self._writer.close()

    def _send(self, message: Message) -> None:
        data = orjson.dumps(message) + b"\n"
        if len(data) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {len(data)} bytes is more than {MESSAGE_BYTES_MAX}")
        if self._gone:
            raise ConnectionError("the peer is gone")
        self._writer.write(data)

    def _take(self, message: Message, handlers: Mapping[str, Handler]) -> None:
        if "re" not in message:
            number, op, fields = int(message["id"]), str(message["op"]), dict(message["fields"])
            self._tasks.spawn(self._answer(number, op, fields, handlers), f"channel {op}")
            return
        body = dict(message["body"])
        answer = self._waiting.get(message["re"])  # None: its caller has stopped waiting
        if answer is not None and not answer.done():
            answer.set_result(body)

    async def _answer(self, number: int, op: str, fields: Message, handlers: Mapping[str, Handler]) -> None:
        body = await self._handle(op, fields, handlers)
        try:
            self._send({"re": number, "body": body})
        except (TypeError, ValueError) as error:
            self._send({"re": number, "body": {"error": f"the answer cannot be sent: {error}", "exit": 1}})
        except ConnectionError:
            pass

    async def _handle(self, op: str, fields: Message, handlers: Mapping[str, Handler]) -> Message:
        if len(self._tasks) > HANDLERS_MAX:
            return {"error": "busy", "exit": 1}
        if op not in handlers:
            return {"error": f"no operation `{op}`", "exit": 1}
        try:
            return await handlers[op](fields)
        except ConfigError as error:
            return {"error": str(error), "exit": 2}
        except (BylawError, OSError) as error:
            return {"error": str(error), "exit": 1}
        except Exception as error:
            log.get("channel").error("bug", op=op, exc_info=error)
            return {"error": f"bug: {type(error).__name__} in `{op}`; its log has the place", "exit": 1}
