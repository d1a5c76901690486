"""The head of a reply: what of the provider's fields is passed on, and what Bylaw adds.

Law of this module: framing and hop-by-hop fields are never passed on; fields named `Bylaw-...` come from Bylaw
alone, so that a provider cannot forge them.
"""

from __future__ import annotations

from bylaw.stages.headers import ABOUT_THE_BYTES, HOP_BY_HOP, Head, connection_named
from bylaw.stages.transit import STAGES, Transit


def passed_head(t: Transit, *, rewritten: bool = False, length: int | None = -1) -> Head:
    """The provider's head, cleaned.

    Args:
        t: the exchange.
        rewritten: whether the body differs from the provider's, so that statements about its bytes are dropped.
        length: the new length; -1 keeps the provider's.
    """
    up = t.upstream
    assert up is not None
    drop = HOP_BY_HOP | connection_named(up.headers) | {key.lower().encode() for key in t.reply_headers}
    if rewritten:
        drop |= ABOUT_THE_BYTES
    kept = [(k, v) for k, v in up.headers if (low := k.lower()) not in drop and not low.startswith(b"bylaw-")]
    return Head(up.status, up.reason, kept, up.length if length == -1 else length)


def own_headers(t: Transit) -> list[tuple[bytes, bytes]]:
    """The fields that Bylaw adds to every reply."""
    added = [
        (b"Bylaw-Exchange", t.exchange.id.encode()),
        (b"Bylaw-Decision", t.decision.encode()),
        (b"Server-Timing", server_timing(t)),
    ]
    if t.plan is not None:
        added.append((b"Bylaw-Policy", t.plan.label.encode()))
    added += [(key.encode("latin-1"), value.encode("latin-1")) for key, value in t.reply_headers.items()]
    return added


def server_timing(t: Transit) -> bytes:
    """Milliseconds of the stages that are over when the head leaves (W3C Server-Timing)."""
    return ", ".join(
        f"{name};dur={ns / 1e6:.3f}" for name, ns in zip(STAGES, t.stage_ns, strict=True) if ns
    ).encode()
