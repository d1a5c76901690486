"""Where an address is, as jurisdictions: a MaxMind database (GeoLite2/GeoIP2 Country or City).

Law of this module: an address that says nothing (private, loopback, not in the database, an unreadable
record) gives no code, and then another resolver decides; nothing is guessed, nothing raises after the start.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from bylaw.errors import ConfigError, Place
from bylaw.plan.addresses import parse_ip
from bylaw.plan.codes import CODE, EU_MEMBERS, EU_TERRITORIES

CACHE_MAX = 16_384
# Countries whose states or provinces make AI law of their own.
DIVIDED = frozenset({"US", "CA"})
NOWHERE: frozenset[str] = frozenset()


class GeoIp:
    """A database, opened for the life of a worker.

    Args:
        path: the .mmdb file; it is mapped into memory.
        place: where the configuration names it.

    Raises:
        ConfigError: missing, not a MaxMind database, or one without countries.
    """

    def __init__(self, path: Path, place: Place | None = None) -> None:
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise ConfigError(f"{path} cannot be opened as a MaxMind database: {error}", place) from None
        kind = self._reader.metadata().database_type
        if not any(word in kind for word in ("Country", "City", "Enterprise", "Insights")):
            self._reader.close()
            raise ConfigError(f"{path} is a database of type `{kind}`, which has no countries", place)
        self.codes = lru_cache(CACHE_MAX)(self._codes)

    def close(self) -> None:
        """Unmap the file; no look-up may follow."""
        self.codes.cache_clear()
        self._reader.close()

    def _codes(self, address: str) -> frozenset[str]:
        ip = parse_ip(address)
        if ip is None or not ip.is_global:
            return NOWHERE
        try:
            record: Any = self._reader.get(ip)
        except (ValueError, maxminddb.InvalidDatabaseError):  # IPv6 in an IPv4 database, or a damaged file
            return NOWHERE
        return codes_of(record)


def codes_of(record: Any) -> frozenset[str]:
    """The jurisdictions of a database record: the country, its state where that legislates, and `EU`.

    Args:
        record: what the database holds, e.g. `{"country": {"iso_code": "US"}, "subdivisions": [...]}`.
    """
    country = _part(record, "country")
    code = _part(country, "iso_code")
    if not isinstance(code, str) or not CODE.fullmatch(code):
        return NOWHERE
    if code in EU_MEMBERS | EU_TERRITORIES:
        return frozenset({code, "EU"})
    state = _part(_part(record, "subdivisions"), 0)
    divided = f"{code}-{_part(state, 'iso_code')}"
    if code in DIVIDED and CODE.fullmatch(divided):
        return frozenset({code, divided})
    return frozenset({code})


def _part(value: Any, key: str | int) -> Any:
    """A member of whatever the database holds there, or None."""
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None
