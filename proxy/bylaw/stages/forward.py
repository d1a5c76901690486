"""forward: prompt -> open upstream response.

Law of this stage: in ledger mode `strict` the intent is durable before the first byte leaves. Hop-by-hop
headers, Bylaw's own headers and the caller's proxy key never reach the provider; framing is made anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from bylaw.plan.callers import KEY_PREFIX
from bylaw.stages.headers import ABOUT_THE_BYTES, HOP_BY_HOP, connection_named
from bylaw.stages.record import intended
from bylaw.stages.transit import STAGES, Transit
from bylaw.wire.coding import KNOWN_CODINGS

UPSTREAM_LAP = STAGES.index("upstream")


KEY_FIELDS = frozenset({b"authorization", b"x-api-key", b"api-key"})
KEY_MARK = KEY_PREFIX.encode()


async def forward(t: Transit) -> None:
    """Open the upstream exchange and wait for the head of its reply.

    Raises:
        Overloaded: the intent could not be made durable.
        UpstreamError: the provider is unreachable, late, or answers garbage.
    """
    assert t.route is not None
    await intended(t)
    body, length = outgoing_body(t)
    t.forwarded = True
    t.upstream = await t.runtime.upstreams[t.route.upstream].open(
        t.inbound.method, target(t), request_headers(t), body, length
    )
    t.lap(UPSTREAM_LAP)


def target(t: Transit) -> str:
    """The request target as received; the upstream client puts its base path before it."""
    return t.inbound.target


def outgoing_body(t: Transit) -> tuple[bytes | AsyncIterator[bytes], int | None]:
    """The body that leaves: rewritten, as received, or passed through piece by piece."""
    if t.forward_body is not None:
        return t.forward_body, len(t.forward_body)
    if t.body is not None:
        return t.body, len(t.body)
    if t.inbound.length == 0:
        return b"", 0
    body = t.inbound.arrived()
    return (t.inbound.chunks(), t.inbound.length) if body is None else (body, len(body))


def request_headers(t: Transit) -> list[tuple[bytes, bytes]]:
    """End-to-end headers in the caller's order and case."""
    drop = HOP_BY_HOP | connection_named(t.inbound.headers)
    if t.forward_body is not None:
        drop |= ABOUT_THE_BYTES
    kept = [
        (k, v)
        for k, v in t.inbound.headers
        if (low := k.lower()) not in drop and not low.startswith(b"bylaw-")
    ]
    kept = with_credentials(t, kept)
    if t.route is not None and t.route.websocket and t.inbound.upgrade == "websocket":
        kept += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    return readable_codings(kept) if t.codec is not None else kept


def with_credentials(t: Transit, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Take proxy keys out, also those that were not needed; put the provider's key in, if there is one."""
    assert t.route is not None
    headers = [(k, v) for k, v in headers if KEY_MARK not in v or not is_proxy_key(k, v)]
    if t.caller_key is not None:
        secret = t.caller_key.encode("latin-1", "replace")
        headers = [(k, v) for k, v in headers if secret not in v]
    credential = t.route.credential
    if credential is None:
        return headers
    return [(k, v) for k, v in headers if k.lower() not in KEY_FIELDS] + [credential_for(credential, t)]


def is_proxy_key(name: bytes, value: bytes) -> bool:
    """Whether a field holds a key of Bylaw, be it another than the one that let the caller in."""
    return name.lower() in KEY_FIELDS and value.strip().rpartition(b" ")[2].startswith(KEY_MARK)


def credential_for(credential: tuple[str, str], t: Transit) -> tuple[bytes, bytes]:
    """The header that carries the provider's key: as configured, or as the dialect's SDK sends it."""
    kind, secret = credential
    if kind == "x-api-key" or (kind == "auto" and t.exchange.dialect == "anthropic"):
        return b"x-api-key", secret.encode()
    return b"Authorization", b"Bearer " + secret.encode()


def readable_codings(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Ask the provider only for content codings that guards can undo (RFC 9110 12.5.3)."""
    return [(k, _readable(v) if k.lower() == b"accept-encoding" else v) for k, v in headers]


def _readable(accepted: bytes) -> bytes:
    """The codings of a list that can be undone, with their weights; the list itself if it is all of them."""
    items = accepted.split(b",")
    kept = [item.strip() for item in items if item.split(b";")[0].strip().lower() in KNOWN_CODINGS]
    return accepted if len(kept) == len(items) else b", ".join(kept) or b"identity"
