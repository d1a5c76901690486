"""read: bytes -> parsed body -> `Prompt`.

Law of this stage: a body that any guard may look at is read once, whole, within bounds, and refused if two
parsers could read it differently; what was inspected is what is forwarded. A body that nobody looks at is
not touched, so that it can be of any size.
"""

from __future__ import annotations

from bylaw.errors import ClientError
from bylaw.stages.headers import find
from bylaw.stages.transit import STAGES, Transit
from bylaw.wire.coding import decoder
from bylaw.wire.errors import WireError
from bylaw.wire.strict_json import parse

READ_LAP = STAGES.index("read")
STATUS_OF = {"unknown_coding": 415, "bomb": 413, "too_large": 413}


async def read(t: Transit) -> None:
    """Read the body if the plan looks at it.

    Raises:
        ClientError: 400 malformed, 408 too slow, 413 too large or a bomb, 415 unknown content coding.
    """
    assert t.plan is not None
    if not t.plan.reads_request or t.codec is None:
        return
    t.body = await t.inbound.whole(t.services.limits.body_bytes_max)
    try:
        t.text = decoded(t, t.body)
        t.prompt = t.codec.prompt(parse(t.text, t.services.limits.json_depth_max))
    except WireError as error:
        raise ClientError(STATUS_OF.get(error.code, 400), error.code, error.message) from None
    t.unread.extend(t.prompt.unread)
    t.lap(READ_LAP)


def decoded(t: Transit, body: bytes) -> bytes:
    """The body with its content coding undone."""
    coding = find(t.inbound.headers, b"content-encoding")
    if not coding or coding.strip().lower() == b"identity":
        return body
    limits = t.services.limits
    undo = decoder(coding.decode("latin-1"), limits.body_bytes_max, limits.body_ratio_max)
    return undo.feed(body) + undo.finish()
