"""Which of the languages that there are suits a reader best (RFC 9110, 12.5.4; RFC 4647, 3.4)."""

from __future__ import annotations

_RANGES_MAX = 32


def choose(accept_language: str, available: tuple[str, ...]) -> str:
    """The available language that the header wants most; the first, if it wants none of them.

    Args:
        accept_language: value of the header `Accept-Language`, possibly empty or malformed.
        available: language tags (BCP 47), at least one.
    """
    known = {tag.lower(): tag for tag in reversed(available)}
    for wanted in _ranges(accept_language):
        parts = wanted.split("-")
        for length in range(len(parts), 0, -1):
            tag = known.get("-".join(parts[:length]))
            if tag is not None:
                return tag
    return available[0]


def _ranges(header: str) -> list[str]:
    """Language ranges, most wanted first; those with weight 0 left out."""
    weighted = []
    for item in header.split(",")[:_RANGES_MAX]:
        tag, _, parameter = item.strip().partition(";")
        weight = _weight(parameter.strip())
        if weight > 0:
            weighted.append((weight, tag.strip().lower()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
