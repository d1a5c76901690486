"""Strings of stream events that no codec knows by name.

Law of this module: such a string is an identifier, a payload of another modality, or a text that is inspected
before it leaves.
"""

from __future__ import annotations

from collections.abc import Collection

from bylaw.content import Json, Path
from bylaw.wire.errors import WireError
from bylaw.wire.splice import step
from bylaw.wire.sse import SseEvent
from bylaw.wire.stream_codec import Sink
from bylaw.wire.walk import data_uri_kind, is_opaque, is_token

_TOKENS_MAX = 256


class Leaves:
    """Finds them.

    Args:
        structural: keys whose values are no content, if they look like identifiers.
        opaque: keys whose values are encrypted content, if they look like base64: unread.
    """

    __slots__ = ("_opaque", "_structural", "_tokens")

    def __init__(self, structural: Collection[str], opaque: Collection[str] = ()) -> None:
        self._structural = structural
        self._opaque = opaque
        # Each event repeats the same few identifiers: look them up instead of matching them again.
        self._tokens: set[str] = set()

    def is_structural(self, key: str, value: str) -> bool:
        """Whether a string is an identifier in a place for identifiers."""
        if key not in self._structural:
            return False
        if value in self._tokens:
            return True
        if not is_token(value):
            return False
        if len(self._tokens) < _TOKENS_MAX:
            self._tokens.add(value)
        return True

    def framing(self, event: SseEvent) -> None:
        """Refuse an event name or id that is a text: they could not be edited.

        Raises:
            WireError: `invalid_event`.
        """
        if event.name or event.ident:
            for value in (event.name, event.ident):
                if not is_token(value.decode(errors="replace")):
                    raise WireError("invalid_event", "the name or id of an event is not an identifier")

    def string(self, sink: Sink, key: str, value: str, path: Path) -> None:
        """One member that is a string."""
        if not value or self.is_structural(key, value):
            return
        if key in self._opaque and is_opaque(value):
            sink.skip("history", path, "encrypted")
        else:
            self._leaf(sink, value, (*path[:-1], step(key)))

    def walk(self, sink: Sink, value: Json, path: Path) -> None:
        """Every string under `value`, each a text of its own."""
        if type(value) is dict:
            for key, child in value.items():
                if type(child) is str:
                    self.string(sink, key, child, (*path, key))
                elif type(child) is dict or type(child) is list:
                    self.walk(sink, child, (*path, step(key)))
        elif type(value) is list:
            for index, child in enumerate(value):
                self.walk(sink, child, (*path, index))
        elif type(value) is str and value:
            self._leaf(sink, value, path)

    def _leaf(self, sink: Sink, value: str, path: Path) -> None:
        if kind := data_uri_kind(value):
            sink.skip(kind, path)
        else:
            sink.leaf(path, value)

    def continued(self, sink: Sink, value: Json, path: Path, group: str, name: str) -> None:
        """Every string under `value`, each continuing the channel named by its place."""
        if type(value) is dict:
            for key, child in value.items():
                if not (type(child) is str and self.is_structural(key, child)):
                    self.continued(sink, child, (*path, step(key)), group, f"{name}.{key}")
        elif type(value) is list:
            for index, child in enumerate(value):
                self.continued(sink, child, (*path, index), group, f"{name}.{index}")
        elif type(value) is str:
            if kind := data_uri_kind(value):
                sink.skip(kind, path)
            else:
                sink.text(group, name, "other", path, value)
