"""Finding every text of a JSON body.

Law of this module: each string leaf that is visited becomes a `Segment`, unless the codec calls its key
structural *and* its value looks like an identifier, or it is a payload of another modality, which becomes
`Unread`. New fields of an API are therefore read by construction.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from bylaw.content import Json, Path, Segment, Unread
from bylaw.wire.errors import WireError
from bylaw.wire.splice import step
from bylaw.wire.strict_json import parse_text

NOTHING: frozenset[str] = frozenset()
_token = re.compile(r"[A-Za-z0-9_.:/+=-]{0,128}").fullmatch
_opaque = re.compile(r"[A-Za-z0-9_+/=-]*").fullmatch
_data_uri = re.compile(r"data:([a-zA-Z]*)/?[^,]{0,256};base64,[A-Za-z0-9+/=_%\s-]*").fullmatch
_KINDS = {"image": "image", "audio": "audio", "video": "image"}


def is_token(value: str) -> bool:
    """Whether a string looks like an identifier or an enumeration's name: short, no spaces."""
    return _token(value) is not None


def is_opaque(value: str) -> bool:
    """Whether a string could be base64 (signatures, encrypted content), which nobody can read."""
    return _opaque(value) is not None


def data_uri_kind(value: str) -> str:
    """`image`, `audio` or `file` for a base64 `data:` URI (RFC 2397), else an empty string."""
    found = _data_uri(value) if value.startswith("data:") else None
    return _KINDS.get(found[1].lower(), "file") if found else ""


class Walk:
    """Collects the segments and unread parts of one body, in document order."""

    __slots__ = ("segments", "unread")

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.unread: list[Unread] = []

    def text(self, value: str, path: Path, role: str, channel: str, trusted: bool = True) -> None:
        """A string that is text for certain."""
        self.segments.append(Segment(value, role, channel, path, trusted))

    def skip(self, kind: str, path: Path, reason: str = "modality") -> None:
        """A part that nobody can read."""
        self.unread.append(Unread(kind, path, reason))

    def leaves(
        self,
        value: Json,
        path: Path,
        role: str = "other",
        channel: str = "other",
        trusted: bool = True,
        *,
        structural: Collection[str] = NOTHING,
        keys: bool = False,
    ) -> None:
        """Every string under `value`.

        Args:
            value: any JSON.
            path: its place.
            role: role of the segments.
            channel: channel of the segments.
            trusted: trust of the segments.
            structural: keys whose values are no content, if they look like identifiers.
            keys: read the keys of objects too (free-form objects: tool arguments, metadata).
        """
        if type(value) is str:
            self._leaf(value, path, role, channel, trusted)
        elif type(value) is list:
            for index, child in enumerate(value):
                if type(child) is str or type(child) is dict or type(child) is list:
                    at = (*path, index)
                    self.leaves(child, at, role, channel, trusted, structural=structural, keys=keys)
        elif type(value) is dict:
            for key, child in value.items():
                if keys:
                    self.text(key, (*path, step(key), "@key"), role, channel, trusted)
                self.member(
                    key, child, path, role, channel, trusted=trusted, structural=structural, keys=keys
                )

    def member(
        self,
        key: str,
        value: Json,
        path: Path,
        role: str = "other",
        channel: str = "other",
        *,
        trusted: bool = True,
        structural: Collection[str] = NOTHING,
        keys: bool = False,
    ) -> None:
        """Every string under one member of an object at `path`; arguments as `leaves`."""
        if type(value) is str:
            if not (key in structural and is_token(value)):
                self._leaf(value, (*path, step(key)), role, channel, trusted)
        elif type(value) is dict or type(value) is list:
            at = (*path, step(key))
            self.leaves(value, at, role, channel, trusted, structural=structural, keys=keys)

    def _leaf(self, value: str, path: Path, role: str, channel: str, trusted: bool) -> None:
        if kind := data_uri_kind(value):
            self.skip(kind, path)
        else:
            self.text(value, path, role, channel, trusted)

    def arguments(self, value: str, path: Path, role: str, trusted: bool = True) -> None:
        """Arguments of a tool call: JSON in a string, read leaf by leaf; as one text if it is not JSON."""
        parsed = parsed_arguments(value)
        if parsed is UNPARSED:
            self.text(value, path, role, "tool_arguments", trusted)
        else:
            self.leaves(parsed, (*path, "@json"), role, "tool_arguments", trusted, keys=True)

    def link(self, value: Json, path: Path, kind: str, role: str, trusted: bool = True) -> None:
        """A URL of a picture or file: text, unless a `data:` URI; what it names is unread either way."""
        if type(value) is str:
            if not data_uri_kind(value):
                self.text(value, path, role, "other", trusted)
            self.skip(kind, path)


UNPARSED: Any = object()


def parsed_arguments(text: str) -> Any:
    """The parsed arguments of a tool call, or `UNPARSED` where two readers could differ about them."""
    try:
        return parse_text(text)
    except WireError:
        return UNPARSED
