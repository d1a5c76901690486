"""Checks that tell a real credential from something of its shape."""

from __future__ import annotations

import base64
import binascii
import json
import math

import re2

_PLACEHOLDER = re2.compile(
    r"(?i)^(?:your|my|the|some|example|sample|test|dummy|fake|placeholder|change|insert|replace|enter|redacted"
    r"|none|null|undefined|true|false|process\.env|os\.|env\.|settings\.|config\.|secrets?\.|\$|%|<|\{|\[|\*{3}|x{4}"
    r"|\.{3}|-{3}|_{3})|(?:example|placeholder|redacted|\*{3}|x{6}|\.{3})"
)
_COMMON = frozenset(
    {"password", "passwd", "pass", "secret", "pwd", "token", "user", "username", "admin", "root", "string"}
)
_BASE64_RUN = re2.compile(r"[A-Za-z0-9+/]{20}")


def entropy_bits(text: str) -> float:
    """Shannon entropy per character, in bits."""
    counts = [text.count(character) for character in set(text)]
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_placeholder(text: str) -> bool:
    """Whether this stands for a value instead of being one, as `your_key`, `${KEY}`, `****`."""
    return text.lower() in _COMMON or _PLACEHOLDER.search(text) is not None


def is_password(text: str) -> bool:
    """Letters and digits or signs mixed, and not a placeholder."""
    letters = sum(map(str.isalpha, text))
    mixed = 0 < letters < len(text) and any(map(str.isdigit, text))
    return mixed and entropy_bits(text) >= 2.5 and not is_placeholder(text)


def is_mixed(text: str) -> bool:
    """A value that looks drawn by chance: digits among letters, and much entropy for its length."""
    mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return mixed and entropy_bits(text) >= 3.3


def is_random(text: str) -> bool:
    """As `is_mixed`, and not a placeholder."""
    return is_mixed(text) and not is_placeholder(text)


def is_real(text: str) -> bool:
    """Not a placeholder."""
    return not is_placeholder(text)


def is_jwt(text: str) -> bool:
    """RFC 7519: the first part is base64url of a JSON object that names an algorithm."""
    header = text.partition(".")[0]
    try:
        fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(fields, dict) and "alg" in fields


def is_key_block(text: str) -> bool:
    """A private key has at least one long line; a sentence about its first line has none."""
    return _BASE64_RUN.search(text.split("KEY", 1)[1]) is not None
