"""Codes of jurisdictions: ISO 3166 as far as it goes, and `EU`.

Law of this module: a well-formed code is kept even if nobody knows it (it is recorded, no pack answers for
it); a malformed one is refused, never guessed at.
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
HEADER_CHARS_MAX = 512
CODES_MAX = 32

# The Member States (Art. 52 TEU, as of 2020-02-01). Iceland, Liechtenstein and Norway are not here: an act of
# the Union binds there only once the EEA Joint Committee has taken it over. Who serves them under such an act
# lists `EU` for those callers or as a default.
EU_MEMBERS = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
        "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
# Parts of Member States that have a country code of their own and where Union law applies
# (Art. 349 and Art. 355(1) and (4) TFEU): French outermost regions and Aland.
EU_TERRITORIES = frozenset({"AX", "GF", "GP", "MF", "MQ", "RE", "YT"})


class Code(str):
    """A jurisdiction, e.g. `EU`, `CN`, `US-CA`."""

    __slots__ = ()
    EXPECTED: ClassVar[str] = "a jurisdiction such as EU or US-CA"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Check a code.

        Raises:
            ValueError: not two capital letters, optionally a hyphen and up to three capitals or digits.
        """
        if not CODE.fullmatch(text):
            raise ValueError(f"`{text[:20]}` is not {cls.EXPECTED}")
        return cls(text)


def parse_codes(header: str) -> frozenset[str]:
    """The codes of a `Bylaw-Jurisdiction` header: a comma-separated list (RFC 9110, section 5.6.1).

    Raises:
        ValueError: a malformed code, more than `CODES_MAX` codes or `HEADER_CHARS_MAX` characters.
    """
    words = [word for part in header.split(",") if (word := part.strip(" \t"))]
    if len(header) > HEADER_CHARS_MAX or len(words) > CODES_MAX:
        raise ValueError(f"more than {CODES_MAX} jurisdictions")
    return frozenset(Code.from_text(word) for word in words)
