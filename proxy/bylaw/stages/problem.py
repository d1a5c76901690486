"""Errors and blocks as replies in the caller's words: the one mapper.

Law of this module: a block is a 4xx that no SDK retries, never a 500; the body never repeats what was
matched; a caller whose dialect is unknown gets the OpenAI shape, which is also plain JSON.
"""

from __future__ import annotations

from http import HTTPStatus

from bylaw.errors import ClientError, Overloaded, UpstreamError
from bylaw.stages.headers import Head
from bylaw.stages.transit import Transit
from bylaw.wire.codec import CODECS, Codec

JSON_TYPE = (b"Content-Type", b"application/json")
# A refusal of the caller or its model, rather than of what it says; every SDK maps 403 to a typed error.
FORBIDDEN_CODES = frozenset({"model_not_allowed", "guard_failed", "unread_part"})


def error_reply(t: Transit, error: ClientError | UpstreamError | Overloaded) -> tuple[Head, bytes]:
    """An error that is not a verdict."""
    body = speaker(t).error_body(error.status, error.code, error.message, t.exchange.id)
    headers = [JSON_TYPE]
    if isinstance(error, Overloaded):
        headers.append((b"Retry-After", str(error.retry_after_s).encode()))
    if error.status == 401:
        headers.append((b"WWW-Authenticate", b'Bearer realm="bylaw"'))
    return Head(error.status, phrase(error.status), headers, len(body)), body


def block_reply(t: Transit) -> tuple[Head, bytes]:
    """A block before the first byte of the reply."""
    assert t.blocker is not None
    verdict = t.blocker.verdict
    status = 403 if verdict.code in FORBIDDEN_CODES else 400
    status, body = speaker(t).block_reply(status, verdict.code, verdict.message, t.exchange.id)
    return Head(status, phrase(status), [JSON_TYPE], len(body)), body


def bug_reply(t: Transit) -> tuple[Head, bytes]:
    """An assertion of ours failed."""
    body = speaker(t).error_body(500, "bug", "this proxy made a mistake; nothing was released", t.exchange.id)
    return Head(500, phrase(500), [JSON_TYPE], len(body)), body


def speaker(t: Transit) -> Codec:
    """The codec in whose words to answer: the route's, or a guess from the path."""
    if t.codec is not None:
        return t.codec
    if t.exchange.dialect in CODECS:
        return CODECS[t.exchange.dialect]
    return CODECS["anthropic" if "/v1/messages" in t.inbound.path else "openai_chat"]


def phrase(status: int) -> str:
    """The reason phrase of a status."""
    return HTTPStatus(status).phrase
