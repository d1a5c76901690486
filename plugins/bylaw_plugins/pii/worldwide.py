"""Identifiers that are the same all over the world: e-mail, cards, IBAN, IP addresses."""

from __future__ import annotations

import ipaddress
import string

from stdnum import iban, luhn
from stdnum.exceptions import ValidationError

from bylaw.spec import Rule

# File names such as `icon@2x.png` have the form of an address.
_NOT_DOMAINS = frozenset(
    {
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "css",
        "js",
        "ts",
        "py",
        "json",
        "html",
        "md",
        "txt",
        "pdf",
        "zip",
    }
)
# Alphabets without spaces between words are left out: an address in running Chinese has no beginning.
_LETTER = r"A-Za-z0-9\x{C0}-\x{24F}\x{370}-\x{52F}"
# ISO/IEC 7812 issuer ranges in use: first and last leading digits, and the lengths of the numbers.
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 19})),
    ("51", "55", frozenset({16})),
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),
    ("37", "37", frozenset({15})),
    ("6011", "6011", frozenset({16, 17, 18, 19})),
    ("644", "659", frozenset({16, 17, 18, 19})),
    ("300", "305", frozenset({14, 16})),
    ("36", "36", frozenset({14, 16})),
    ("38", "39", frozenset({14, 16})),
    ("3528", "3589", frozenset({16, 17, 18, 19})),
    ("62", "62", frozenset({16, 17, 18, 19})),
    ("2200", "2204", frozenset({16, 17, 18, 19})),
    ("5018", "5018", frozenset({16, 17, 18, 19})),
    ("5020", "5020", frozenset({16, 17, 18, 19})),
    ("5038", "5038", frozenset({16, 17, 18, 19})),
    ("6304", "6304", frozenset({16, 17, 18, 19})),
    ("6759", "6763", frozenset({16, 17, 18, 19})),
)


def is_email(text: str) -> bool:
    """RFC 5321 lengths; not an ssh remote, not a file name."""
    local, _, domain = text.rpartition("@")
    if len(local) > 64 or len(domain) > 253 or ".." in local or local == "git":
        return False
    return domain.rpartition(".")[2].lower() not in _NOT_DOMAINS


def is_card(digits: str) -> bool:
    """An issuer's prefix with a length that it issues, and the check digit of ISO/IEC 7812."""
    issued = any(
        first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in _ISSUERS
    )
    return issued and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def card_length(text: str) -> int:
    """The longest beginning that is a card number: an expiry date or a code may follow."""
    for end in range(len(text), 12, -1):
        if text[end - 1].isdigit() and not text[end : end + 1].isdigit():
            digits = "".join(filter(str.isdigit, text[:end]))
            if is_card(digits):
                return end
    return 0


def iban_length(text: str) -> int:
    """The longest beginning that is an IBAN of its country with right check digits."""
    for end in range(len(text), 14, -1):
        if text[end - 1].isalnum() and not text[end : end + 1].isalnum():
            try:
                iban.validate(text[:end])
            except ValidationError:
                continue
            return end
    return 0


def is_ip(text: str) -> bool:
    """An address of a host: not the unspecified one, not loopback."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)


RULES: dict[str, tuple[Rule, ...]] = {
    "email": (
        Rule(
            "email",
            f"[{_LETTER}](?:[{_LETTER}._%+'-]*[{_LETTER}_+-])?@(?:[{_LETTER}](?:[{_LETTER}-]*[{_LETTER}])?\\.)+"
            f"[{_LETTER}]{{2,24}}",
            "EMAIL",
            validate=is_email,
            not_after=f"{string.ascii_letters}{string.digits}._%+-",
        ),
    ),
    "card": (
        Rule(
            "card",
            r"\b[2-6]\d{3}(?:[ -]?\d{4}){2,4}(?:[ -]\d{1,4}|\d{1,3})?\b|\b3\d{3}[ -]?\d{6}[ -]?\d{4,5}\b",
            "CARD",
            trim=card_length,
            not_after="-.,/_#",
            not_before="-_/",
        ),
    ),
    "iban": (
        Rule(
            "iban",
            r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b",
            "IBAN",
            trim=iban_length,
        ),
    ),
    "ip_address": (
        Rule(
            "ip_address",
            r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|\b(?:[0-9A-Fa-f]{1,4}:){1,7}[0-9A-Fa-f:]*[0-9A-Fa-f]\b",
            "IP",
            validate=is_ip,
            not_after=".:v",
            not_before=":",
        ),
    ),
}
