"""The log: JSON lines on stderr, about exchanges, never of their content.

Law of this module: nothing is rendered before `guard` has looked at it. A value under a name that sounds
like a secret or like content is masked, bytes are refused, what is long is cut, and of an exception only its
type and the places in the code remain, because its message may quote a body (`KeyError: 'my password is'`).
Our own errors and those of the operating system keep their message: they are written not to quote. A log that
cannot be written is lost without a word: evidence is the ledger's business, and serving must not end with a
broken pipe.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog

from bylaw.errors import BylawError, GuardError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
SECRET_WORDS = frozenset(
    {
        "authorization", "auth", "key", "apikey", "token", "secret", "cookie", "password", "passphrase",
        "credential", "credentials", "content", "text", "body", "prompt", "message", "messages", "headers",
        "query", "arguments",
    }
)  # fmt: skip
MASK = "[masked]"
BYTES = "[bytes refused]"
VALUE_CHARS_MAX = 1000
ITEMS_MAX = 64
DEPTH_MAX = 4
FRAMES_MAX = 20
WAIT_S = 0.1
LINES_MAX = 200

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS_OF_A_LIBRARY = re.compile(r"[^\n(<\[{'\"`:=]*")
_masked: dict[str, bool] = {}

Event = MutableMapping[str, Any]
_current: list[_Out] = []


def get(room: str) -> Any:
    """A logger: `get("edge").warning("event_in_snake_case", facts=...)`."""
    return structlog.get_logger(room=room)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send our events and those of libraries to one place, in one form. May be called again.

    Args:
        level: `debug`, `info`, `warning` or `error`; libraries are heard from `warning` on.
        stream: where to; stderr if None.
    """
    out = _Out(stream or sys.stderr)
    _current[:] = [out] if LEVELS[level] <= logging.INFO else []
    structlog.configure(
        processors=[structlog.processors.add_log_level, guard, _render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: out,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Library(out)]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.getLogger("aiohttp.access").disabled = True
    logging.captureWarnings(True)


def counted(event: Event) -> None:
    """One event at level `info` without the guard's look, for those written once an exchange.

    The guard costs ten times the writing. Whoever calls this vouches that the fields are ids, codes and
    numbers of Bylaw's own; `journal` is the only caller. Lines wait for company, at most `WAIT_S`.
    """
    for out in _current:
        out.later(_render(None, "", event))


def flush() -> None:
    """Write the lines that wait."""
    for out in _current:
        out.flush()


def guard(_logger: Any, _method: str, event: Event) -> Event:
    """The processor that keeps secrets and content out; see the law above."""
    error = event.pop("exc_info", None)
    clean: Event = {name: _clean(name, value, 0) for name, value in event.items()}
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        clean["error"] = describe(error)
    return clean


def describe(error: BaseException) -> dict[str, Any]:
    """An exception without what it may quote: type, where it came from, and the message if it is ours."""
    found: dict[str, Any] = {"type": type(error).__name__}
    if isinstance(error, BylawError) and not isinstance(
        error, GuardError
    ):  # a guard's may quote what it read
        found["reason"] = _bounded(str(error))
    elif isinstance(error, OSError) and error.strerror:
        found["reason"] = _bounded(error.strerror)
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    found["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    if (cause := error.__cause__ or error.__context__) is not None:
        found["cause"] = type(cause).__name__
    return found


def _clean(name: str, value: Any, depth: int) -> Any:
    if _is_secret(name):
        return MASK
    if isinstance(value, str):
        return _bounded(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return BYTES
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        return {str(key)[:64]: _clean(str(key), value[key], depth + 1) for key in list(value)[:ITEMS_MAX]}
    if depth < DEPTH_MAX and isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth + 1) for item in list(value)[:ITEMS_MAX]]
    return f"[{type(value).__name__}]"


def _is_secret(name: str) -> bool:
    """Whether a word of the name is one of `SECRET_WORDS`; remembered, because names are few and repeat."""
    known = _masked.get(name)
    if known is None:
        known = any(word.lower() in SECRET_WORDS for word in _WORDS.findall(name))
        if len(_masked) < 1000:
            _masked[name] = known
    return known


def _bounded(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}... ({len(text)} characters)"


def _render(_logger: Any, _method: str, event: Event) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    stamped = {"at": now, **event}
    try:
        return orjson.dumps(stamped).decode()
    except TypeError:  # a lone surrogate, or an integer of more than 64 bits
        return json.dumps(stamped)


class _Out:
    """Writes lines; structlog calls it by the name of the level."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []

    def line(self, text: str) -> None:
        self._waiting.append(text)
        self.flush()

    def later(self, text: str) -> None:
        """Write soon, many lines in one call of the system."""
        self._waiting.append(text)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(WAIT_S, self.flush)
        elif len(self._waiting) >= LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait, in their order."""
        if not self._waiting:
            return
        text = "\n".join([*self._waiting, ""])
        self._waiting.clear()
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads, or the stream is closed
            pass

    debug = info = warning = error = critical = line


class _Library(logging.Handler):
    """What aiohttp, asyncio and other libraries log through `logging`.

    They put requests, replies and `repr` of anything into their messages. Only the words of the message
    before its first value survive ("Task exception was never retrieved"), and never its arguments.
    """

    def __init__(self, out: _Out) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        words = _WORDS_OF_A_LIBRARY.match(str(record.msg))
        event: Event = {
            "event": words.group().strip() if words else "",
            "room": record.name,
            "level": record.levelname.lower(),
            "exc_info": record.exc_info,
        }
        self._out.line(_render(None, "", guard(None, "", event)))
