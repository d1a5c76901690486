"""Which paths speak which dialect.

Law of this module: an operation that no codec reads is not readable, so `codec_for` gives None and the route
decides; it is never passed unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bylaw.wire.codec import CODECS, Codec

_ID = r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}"
# An id may hold an encoded slash, but nothing that an upstream could resolve to another path.
_model_path = re.compile(rf".*/v1/models(?:/{_ID}(?:%2[Ff]{_ID})?)?").fullmatch


@dataclass(frozen=True, slots=True)
class Family:
    """The operations behind one kind of route.

    Args:
        name: as `dialect` of a route.
        codecs: what it can read.
    """

    name: str
    codecs: tuple[Codec, ...]

    def codec_for(self, method: str, path: str) -> Codec | None:
        """The codec of an operation, told by method and the end of the path; None if none reads it."""
        for codec in self.codecs:
            if any(method == verb and path.endswith(suffix) for verb, suffix in codec.operations):
                return codec
        return None

    def is_content_free(self, method: str, path: str) -> bool:
        """Whether an operation carries no content either way: listing models."""
        return method in {"GET", "HEAD"} and _model_path(path) is not None


FAMILIES: dict[str, Family] = {
    "openai": Family("openai", (CODECS["openai_chat"],)),
    "anthropic": Family("anthropic", (CODECS["anthropic"],)),
}
