"""What a dialect must be able to do, and every dialect by its name.

Law of this module: a codec has no state; `stream()` makes what has. A dialect exists if it is listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bylaw.content import Json, Path, Prompt, Reply, ToolCall
from bylaw.wire.anthropic import Anthropic
from bylaw.wire.openai_chat import OpenAIChat
from bylaw.wire.stream_codec import StreamCodec


class Codec(Protocol):
    """One dialect."""

    name: str
    operations: tuple[tuple[str, str], ...]
    """Method and path suffix of what it reads."""

    def prompt(self, body: Json) -> Prompt:
        """Every text of a request.

        Raises:
            WireError: `invalid_request`: not a request of this dialect.
        """
        ...

    def reply(self, body: Json, status: int) -> Reply:
        """Every text of a whole reply, errors included.

        Raises:
            WireError: `invalid_reply`: not an object.
        """
        ...

    def calls(self, body: Json) -> list[tuple[ToolCall, Path]]:
        """Tool calls of a whole reply, each with the path under which its segments' paths continue."""
        ...

    def tools(self, body: Json) -> dict[str, Mapping[str, Any]]:
        """Parameters of the tools that a request declares, by name."""
        ...

    def repeats(self, body: Json, path: Path) -> tuple[Path, ...]:
        """Places of a whole reply that repeat the text at `path`; whoever edits it sets them to None."""
        ...

    def stream(self) -> StreamCodec:
        """A reader for one stream."""
        ...

    def block_reply(self, status: int, code: str, message: str, exchange: str) -> tuple[int, bytes]:
        """Status and JSON body of a block before the first byte; no SDK retries it."""
        ...

    def error_body(self, status: int, code: str, message: str, exchange: str) -> bytes:
        """JSON body of any other error."""
        ...


CODECS: dict[str, Codec] = {OpenAIChat.name: OpenAIChat(), Anthropic.name: Anthropic()}
