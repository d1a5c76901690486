"""Every bound of the data plane in one place; the unit is the last word of each name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker. Each is a key of `limits:` in the configuration.

    Args:
        exchanges_max: exchanges in flight in one worker; one more is answered 503 at once.
        head_bytes_max: request line, one header field, and a sixteenth of the whole head.
        headers_max: header fields of a request.
        body_bytes_max: an inspected request body after decoding.
        body_ratio_max: decoded bytes per encoded byte before a body counts as a bomb.
        json_depth_max: nesting of an inspected JSON body.
        read_ms_max: time for the whole of an inspected request body.
        idle_ms_max: silence of either side in the middle of a body.
        request_budget_ms: time of all request guards together.
        reply_budget_ms: time of all guards of one reply, window or tool call together.
        connect_ms_max: time to reach the upstream, TLS included.
        first_byte_ms_max: time until the head of the upstream's reply.
        reply_bytes_max: an inspected whole reply after decoding, and the text held back of a stream.
        event_bytes_max: one event of a stream.
        drain_ms_max: time a client may take none of the bytes that wait for it.
        keepalive_s: idle time of a kept connection, either side.
        pool_max: kept idle connections per upstream in one worker.
        drain_s: time for running exchanges to finish after SIGTERM.
    """

    exchanges_max: int = 1024
    head_bytes_max: int = 16_384
    headers_max: int = 128
    body_bytes_max: int = 16 * 1024 * 1024
    body_ratio_max: int = 100
    json_depth_max: int = 128
    read_ms_max: int = 30_000
    idle_ms_max: int = 300_000
    request_budget_ms: int = 500
    reply_budget_ms: int = 500
    connect_ms_max: int = 5_000
    first_byte_ms_max: int = 300_000
    reply_bytes_max: int = 64 * 1024 * 1024
    event_bytes_max: int = 4 * 1024 * 1024
    drain_ms_max: int = 60_000
    keepalive_s: int = 75
    pool_max: int = 256
    drain_s: int = 30
