"""The one error of this room: input that Bylaw cannot read the way its reader will.

Law of this module: a `WireError` never holds content of the message, so it may be logged and shown. Whoever
fed the bytes knows who must act: a request becomes a `ClientError`, a reply an `UpstreamError`.
"""

from __future__ import annotations

from bylaw.errors import BylawError


class WireError(BylawError):
    """Bytes that are refused.

    Args:
        code: stable machine-readable reason, e.g. `duplicate_key`.
        message: one sentence, without content.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


# What official SDKs retry by themselves: a block must not look like one of these.
_RETRIED = frozenset({408, 409, 425, 429})


def block_status(status: int) -> int:
    """A 4xx status that no SDK retries; 400 for one that some would."""
    return status if 400 <= status < 500 and status not in _RETRIED else 400
