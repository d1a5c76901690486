"""One exchange as guards may know it: facts, no secrets.

Law of this module: an `Exchange` never holds a credential or content. What holds those (`stages.transit`)
is never handed to a guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET_HEADERS = frozenset(
    {
        "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "bylaw-key",
        "x-goog-api-key", "x-amz-security-token", "openai-organization", "x-auth-token",
    }
)  # fmt: skip


@dataclass(slots=True)
class Exchange:
    """One request and its reply.

    Args:
        id: the id under which the ledger has it; also the `Bylaw-Exchange` header.
        method: HTTP method.
        path: path without the query string (which may hold a key).
        dialect: `openai_chat`, `anthropic`, or `raw` for a route that is passed through.
        jurisdictions: codes that apply, e.g. `{"EU", "US-CA"}`.
        caller: name of the caller as configured, or `anonymous`.
        tenant: tenant of the caller, or an empty string.
        session: opaque id that the caller's app gave (`Bylaw-Session`), or an empty string.
        subject: opaque id of the person (`Bylaw-Subject`), or an empty string.
        headers: request headers in lower case, without those that carry credentials.
        deployment: facts of the deployment (`role`, `purpose`, `sector`, ...).
        state: scratch space of this exchange; a guard uses its own step id as key.
    """

    id: str
    method: str = "POST"
    path: str = "/"
    dialect: str = "raw"
    jurisdictions: frozenset[str] = frozenset()
    caller: str = "anonymous"
    tenant: str = ""
    session: str = ""
    subject: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    deployment: Mapping[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


class SealedExchange(Exchange):
    """An exchange as guards get it: what the record says of it is not theirs to change."""

    __slots__ = ()

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"an exchange is read-only for guards ({name}); keep things in exchange.state")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an exchange is read-only for guards ({name})")


def seal(exchange: Exchange) -> None:
    """Everything is known: from now on nobody assigns to its fields."""
    object.__setattr__(exchange, "__class__", SealedExchange)
