"""Errors, sorted by who must act.

Law of this module: blocking is a `Verdict`, not an error; a programmer's mistake is an assertion and is
answered 500 with code `bug`. Everything else that can go wrong is one of the five classes here.
"""

from __future__ import annotations

from dataclasses import dataclass


class BylawError(Exception):
    """Base of all errors that Bylaw raises on purpose."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the operator's files a mistake is: file, 1-based line (0: unknown), dotted key."""

    file: str
    line: int = 0
    key: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}" if self.key else where


class ConfigError(BylawError):
    """The operator must act; raised at start or reload only. Exit status 2."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        self.place = place
        self.message = message
        super().__init__(f"{place}: {message}" if place else message)


class ClientError(BylawError):
    """The caller must act: a 4xx with a stable code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        assert 400 <= status < 500
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}: {message}")


class UpstreamError(BylawError):
    """The provider failed: refused, timed out, answered garbage. 502 or 504."""

    def __init__(self, status: int, code: str, message: str) -> None:
        assert status in {502, 504}
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}: {message}")


class Overloaded(BylawError):
    """Our own capacity is exhausted (admission, scorer, ledger): 503 with Retry-After.

    Args:
        code: which capacity, e.g. `exchanges_full`, `ledger_unavailable`.
        message: one sentence for the caller.
        retry_after_s: whole seconds after which a retry makes sense.
    """

    status = 503

    def __init__(self, code: str, message: str, retry_after_s: int = 1) -> None:
        self.code, self.message, self.retry_after_s = code, message, retry_after_s
        super().__init__(f"503 {code}: {message}")


class GuardError(BylawError):
    """A guard raised, hung or returned nonsense; folded by `on_error`, never leaves `plan.run`."""
