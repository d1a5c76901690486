"""One entry of the ledger as the bytes that are hashed.

Law of this module: the stored bytes are the hashed bytes, so nobody ever has to encode an entry a second
time. They are UTF-8 JSON with sorted keys, made of strings, integers up to 2**53, booleans, null, lists and
objects; floats are refused. For ASCII keys that is the form of RFC 8785 (JCS).

An entry never exceeds `LEAF_BYTES_MAX` (C2SP tlog-tiles prefixes entries with 16 bits). A larger one is
trimmed, because an outcome must not be lost for being big: `truncated: true` is set; the tail of `steps` is
cut off until the rest fits; if that is not enough, `steps` goes and then whole fields go, the largest first
(`decision` last), and `dropped` lists the first `DROPPED_NAMED_MAX` of their names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

import orjson

SCHEMA: Final = 1
LEAF_BYTES_MAX: Final = 65_535
EXCHANGE_CHARS_MAX: Final = 128
DROPPED_NAMED_MAX: Final = 32
RESERVED: Final = frozenset(
    {"v", "type", "exchange", "nonce", "at_us", "mono_us", "boot", "worker", "seq", "truncated", "dropped"}
)

_PLAIN: Final = frozenset({str, int, bool, type(None)})
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


class Role(IntEnum):
    """What an entry means for the pairing of intents and outcomes."""

    OTHER = 0
    OPENS = 1
    CLOSES = 2


_ROLES: Final = {"intent": Role.OPENS, "outcome": Role.CLOSES, "abandoned": Role.CLOSES}


def role_of(kind: str) -> Role:
    """The role of an entry of this kind."""
    return _ROLES.get(kind, Role.OTHER)


class Entry(NamedTuple):
    """One fact about an exchange, or about the ledger itself.

    Args:
        kind: `intent` (before the first upstream byte), `outcome` (before the last client byte), `boot`, ...
        exchange: id of the exchange, printable ASCII; empty for entries about the ledger.
        fields: what the caller records: `decision`, `jurisdictions`, `steps`, ... An `outcome` with
            `forwarded: false` says that nothing went upstream, so that it needs no intent.
    """

    kind: str
    exchange: str
    fields: Mapping[str, Any]

    def encode(self, at_us: int, mono_us: int, boot: str, worker: str, seq: int) -> bytes:
        """The leaf of this entry.

        Args:
            at_us: wall clock, microseconds since 1970 (UTC).
            mono_us: monotonic clock of the worker's machine, microseconds.
            boot: id of this life of the worker.
            worker: name of the worker.
            seq: number of the entry in this life of the worker, from 1, without gaps.

        Raises:
            ValueError: a reserved key, a value of another type, a malformed exchange id: a programmer's
            mistake.
        """
        fields, exchange = self.fields, self.exchange
        if not RESERVED.isdisjoint(fields):
            raise ValueError(f"reserved keys in an entry: {sorted(RESERVED.intersection(fields))}")
        if len(exchange) > EXCHANGE_CHARS_MAX or not (exchange.isascii() and exchange.isprintable()):
            raise ValueError("an exchange id is printable ASCII of at most 128 characters")
        _check(fields if type(fields) is dict else dict(fields))
        # The nonce makes the leaf's hash hiding, even after the text of the leaf was deleted.
        head = {
            "v": SCHEMA, "type": self.kind, "exchange": exchange, "nonce": os.urandom(16).hex(),
            "at_us": at_us, "mono_us": mono_us, "boot": boot, "worker": worker, "seq": seq,
        }  # fmt: skip
        leaf = _dump({**fields, **head})
        return leaf if len(leaf) <= LEAF_BYTES_MAX else _trim(head, dict(fields))


def _check(value: Any) -> None:
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"an entry's keys are strings, not {type(key).__name__}")
            if type(item) not in _PLAIN:
                _check(item)
    elif kind is list or kind is tuple:
        for item in value:
            if type(item) not in _PLAIN:
                _check(item)
    elif kind not in _PLAIN:
        raise ValueError(
            f"an entry holds no {kind.__name__}; use integers (per mille, microseconds) or strings"
        )


def _dump(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document, option=_OPTIONS)
    except TypeError:
        return _dump_hard(document)


def _dump_hard(document: dict[str, Any]) -> bytes:
    # A path or a model name from outside may hold lone surrogates, which are not UTF-8.
    try:
        return orjson.dumps(_mend(document), option=_OPTIONS)
    except TypeError as error:
        raise ValueError(f"an entry that is not JSON: {error}") from error


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return [_mend(item) for item in value] if isinstance(value, list | tuple) else value


def _trim(head: Mapping[str, Any], fields: dict[str, Any]) -> bytes:
    fields["truncated"] = True
    if isinstance(fields.get("steps"), list | tuple):
        leaf = _trim_steps(head, fields)
        if leaf is not None:
            return leaf
    by_size = sorted(fields, key=lambda name: (name == "decision", -len(_dump({name: fields[name]})), name))
    dropped: list[str] = []
    for name in by_size:
        if name == "truncated":
            continue
        del fields[name]
        dropped.append(name[:64])
        leaf = _dump({**fields, **head, "dropped": dropped[:DROPPED_NAMED_MAX]})
        if len(leaf) <= LEAF_BYTES_MAX:
            return leaf
    raise AssertionError("the head of an entry fits")


def _trim_steps(head: Mapping[str, Any], fields: dict[str, Any]) -> bytes | None:
    steps, fits, low, high = fields["steps"], None, 0, len(fields["steps"])
    while low < high:
        middle = (low + high) // 2
        leaf = _dump({**fields, **head, "steps": steps[:middle]})
        if len(leaf) <= LEAF_BYTES_MAX:
            fits, low = leaf, middle + 1
        else:
            high = middle
    return fits
