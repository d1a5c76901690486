"""JSON that every parser reads the same way, or an error.

Law of this module: what two parsers could read differently is refused, never repaired: duplicate keys,
invalid UTF-8, a BOM, lone surrogates, NaN and infinities (also by overflow), raw control characters,
trailing bytes, excessive depth (RFC 8259 section 4 and 8, RFC 7493). Time and memory are linear in the input.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn, cast

from bylaw.content import Json
from bylaw.wire.errors import WireError

# An integer of at most this many digits is finite as a double, which is how many readers store it.
_SAFE_DIGITS = 308
_spaces = re.compile(r"[ \t\n\r]*").match


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise WireError("duplicate_key", "an object of the JSON body has the same key twice")
    return members


def _finite(token: str) -> float:
    number = float(token)
    if math.isinf(number):
        raise WireError("too_large_number", "a number of the JSON body overflows a double")
    return number


def _integer(token: str) -> int:
    if len(token) > _SAFE_DIGITS:
        raise WireError("too_large_number", "an integer of the JSON body is too long")
    return int(token)


def _constant(_: str) -> NoReturn:
    raise WireError("not_a_number", "NaN and Infinity are not JSON")


_scan = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_int=_integer, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]


def parse(body: bytes, depth_max: int = 128) -> Json:
    """Parse a whole JSON body.

    Args:
        body: the bytes.
        depth_max: levels of nesting, the outermost array or object being the first.

    Raises:
        WireError: `invalid_json`, `duplicate_key`, `invalid_utf8`, `lone_surrogate`, `not_a_number`,
            `too_deep`, `too_large_number`.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise WireError("invalid_utf8", "the JSON body is not UTF-8") from None
    return parse_text(text, depth_max)


def parse_text(text: str, depth_max: int = 128, lone_surrogates: bool = False) -> Json:
    r"""Parse JSON that is decoded already, e.g. the arguments of a tool call.

    Args:
        text: the JSON text.
        depth_max: levels of nesting.
        lone_surrogates: accept escapes like `\ud83d` alone; for events of a stream, whose texts are cut
            anywhere and are checked once they are joined.

    Raises:
        WireError: as `parse`.
    """
    try:
        value, end = _scan(text, 0 if text[:1] == "{" else _start(text))
    except RecursionError:
        raise WireError("too_deep", "the JSON body is nested too deeply") from None
    except (ValueError, StopIteration):
        raise WireError("invalid_json", "the body is not JSON") from None
    if end != len(text) and _spaces(text, end).end() != len(text):  # type: ignore[union-attr]
        raise WireError("invalid_json", "bytes follow the JSON value")
    if text.count("{") + text.count("[") > depth_max:
        _check_depth(value, depth_max)
    if not lone_surrogates and ("\\ud" in text or "\\uD" in text):
        _check_surrogates(value)
    return cast(Json, value)


def _start(text: str) -> int:
    if text.startswith("\ufeff"):
        raise WireError("invalid_json", "the JSON body begins with a BOM")
    return _spaces(text).end()  # type: ignore[union-attr]


def _check_depth(value: Json, depth_max: int) -> None:
    """Level by level, because recursion is what the bound protects."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth_max):
        inner: list[Json] = []
        for container in level:
            inner.extend(container.values() if type(container) is dict else container)
        level = [child for child in inner if type(child) is dict or type(child) is list]
        if not level:
            return
    raise WireError("too_deep", "the JSON body is nested too deeply")


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise WireError("lone_surrogate", "a string of the JSON body has half a surrogate pair") from None
