"""Telephone numbers, by the numbering plans of the ITU as libphonenumber knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import phonenumbers

from bylaw.spec import Rule

_SEPARATORS = " .-/()"
_TRIES_MAX = 6
_WORDS = (
    r"(?i)\b(?:tel|telephone|telefon|téléphone|teléfono|telefono|telefone|telefoon|phone|ph|call|cell|mobile|mob|handy"
    r"|móvil|celular|cellulare|portable|fax|whatsapp|signal|sms|text me|ring|numéro|rufnummer|anrufen)\b"
    r"|电话|手机|電話|携帯|전화"
)  # fmt: skip
_APART = "-._/#@=&"


def known_regions() -> frozenset[str]:
    """Countries that have a numbering plan."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def rules(regions: Sequence[str]) -> tuple[Rule, ...]:
    """International numbers always; national ones of `regions` after a word that announces one."""
    international = Rule(
        "phone",
        r"(?:\+|\b00)[1-9](?:[ .\-/()]{0,3}\d){6,14}\b",
        "PHONE",
        trim=_length(()),
        not_after=_APART + "0123456789",
        not_before="-_/",
    )
    national = Rule(
        "phone",
        r"(?:\(\d{1,5}\)|\b\d)(?:[ .\-/()]{0,3}\d){6,13}\b",
        "PHONE",
        trim=_length(tuple(regions)),
        near=_WORDS,
        not_after=_APART,
        not_before="-_/",
    )
    american = Rule(
        "phone",
        r"(?:\(\d{3}\) ?|\b\d{3}-)\d{3}-\d{4}\b",
        "PHONE",
        trim=_length(("US",)),
        not_after=_APART,
        not_before="-_/",
    )
    return (international, national, *((american,) if {"US", "CA"} & set(regions) else ()))


def _length(regions: tuple[str, ...]) -> Callable[[str], int]:
    """How much of a candidate is a number: what follows it may be digits too."""

    def length(text: str) -> int:
        ends = [end for end in range(len(text), 6, -1) if _ends(text, end)]
        for end in ends[:_TRIES_MAX]:
            if _is_number(text[:end], regions):
                return end
        return 0

    return length


def _ends(text: str, end: int) -> bool:
    return text[end - 1].isdigit() and not text[end : end + 1].isdigit()


def _is_number(text: str, regions: tuple[str, ...]) -> bool:
    international = "+" + text[2:] if text.startswith("00") else text
    if international.startswith("+"):
        return _is_valid(international, None)
    return any(_is_valid(text, region) for region in regions)


def _is_valid(text: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False
