"""Who is calling: proxy keys and what belongs to them.

Law of this module: keys are known by their SHA-256 only. A presented key is hashed and looked up in a dict.
That is safe against timing: what a dict compares are digests, of which an attacker cannot choose the leading
bits without inverting SHA-256, so the time of a miss tells nothing about any key. Plain SHA-256 is enough
because keys are long random strings made by `bylaw keys new`, not passwords.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from bylaw.plan.codes import Code

KEY_PREFIX = "bylaw_"
KEY_CHARS_MAX = 512
ANONYMOUS = "anonymous"
HEX = re.compile(r"[0-9a-f]{64}")

Headers = Callable[[str], str | None]


class KeyDigest(str):
    """SHA-256 of a proxy key, in hexadecimal digits."""

    __slots__ = ()
    EXPECTED: ClassVar[str] = "the SHA-256 of a key in 64 hexadecimal digits"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Check a digest.

        Raises:
            ValueError: anything else; it may be the key itself and so is not repeated.
        """
        if not HEX.fullmatch(text.lower()):
            raise ValueError(f"expected {cls.EXPECTED}, never the key itself (`bylaw keys new` prints both)")
        return cls(text.lower())


@dataclass(frozen=True, slots=True)
class CallerEntry:
    """One caller of the configuration; its name is the key in `callers`.

    Args:
        key_sha256: SHA-256 of its key in hexadecimal digits, or a list of them while keys are rotated.
        tenant: whom its exchanges belong to in the ledger.
        jurisdictions: codes that always apply to it, through the resolver `caller`.
        trusted: whether its `Bylaw-Jurisdiction` header is believed.
    """

    key_sha256: KeyDigest | tuple[KeyDigest, ...]
    tenant: str = ""
    jurisdictions: frozenset[Code] = frozenset()
    trusted: bool = False

    def __post_init__(self) -> None:
        if not self.key_sha256:
            raise ValueError("`key_sha256` is empty")

    @property
    def digests(self) -> tuple[str, ...]:
        """All digests of this caller."""
        return (self.key_sha256,) if isinstance(self.key_sha256, str) else self.key_sha256


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that has shown its key.

    Args:
        name: as configured.
        tenant: whom its exchanges belong to; may be empty.
        jurisdictions: codes that belong to it.
        trusted: whether its `Bylaw-Jurisdiction` header is believed.
    """

    name: str
    tenant: str = ""
    jurisdictions: frozenset[str] = frozenset()
    trusted: bool = False


class Callers:
    """All callers; false if none are configured, and then nobody needs a key."""

    __slots__ = ("_by_digest", "_by_name")

    def __init__(self, entries: Mapping[str, CallerEntry]) -> None:
        self._by_name: dict[str, Caller] = {}
        self._by_digest: dict[bytes, Caller] = {}
        for name, entry in entries.items():
            caller = Caller(name, entry.tenant, frozenset(entry.jurisdictions), entry.trusted)
            self._by_name[name] = caller
            self._by_digest.update(dict.fromkeys(map(bytes.fromhex, entry.digests), caller))

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, key: str) -> Caller | None:
        """The caller with this key, or None."""
        if len(key) > KEY_CHARS_MAX:
            return None
        return self._by_digest.get(digest(key))

    def named(self, name: str) -> Caller | None:
        """The caller of this name, or None, e.g. for `anonymous`."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[Caller]:
        return iter(self._by_name.values())


def digest(key: str) -> bytes:
    """SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def present_key(header: Headers) -> str | None:
    """The proxy key of a request, from where the SDKs of the dialects can put one.

    `Bylaw-Key` wins and holds any key. `Authorization: Bearer`, `x-api-key` and `api-key` are looked at only
    for keys that begin with `bylaw_`; what else they hold is for the provider.

    Args:
        header: gives the value of a header by lower-case name, or None.
    """
    if key := header("bylaw-key"):
        return key.strip()
    scheme, _, token = (header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()).startswith(KEY_PREFIX):
        return token
    for name in ("x-api-key", "api-key"):
        if (value := (header(name) or "").strip()).startswith(KEY_PREFIX):
            return value
    return None
