"""Every hook of Bylaw, with its exact signature. This page is the whole plugin API.

Two kinds. *Cold hooks* are functions of a plugin's module, marked `@impl`, called by pluggy at start, reload
and stop. *Hot hooks* are methods of a `Guard`, marked `@impl`, compiled into plans and called directly: always
two arguments (the objects grow, the signature does not), `def` or `async def`, returning a `Verdict` or None.
A plugin may declare fewer arguments of a cold hook, as pluggy allows; a hot hook takes exactly both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from bylaw.content import Prompt, Reply, ToolCall, Window
from bylaw.exchange import Exchange
from bylaw.verdict import Verdict

if TYPE_CHECKING:
    import argparse

    from bylaw.spec.guard import Guard

PROJECT = "bylaw"
ENTRY_POINT_GROUP = "bylaw.v1"

spec = pluggy.HookspecMarker(PROJECT)
impl = pluggy.HookimplMarker(PROJECT)

Resolver = Callable[[Mapping[str, str], str], frozenset[str]]


class ColdHooks:
    """Called by pluggy, outside of any exchange."""

    @spec
    def register_guards(self) -> Sequence[type[Guard]]:  # type: ignore[empty-body]
        """Return the guard classes that policies may name. Called once a start and once a reload."""

    @spec
    def register_resolvers(self) -> Mapping[str, Resolver]:  # type: ignore[empty-body]
        """Return jurisdiction resolvers by the name that `jurisdictions.resolve` may use.

        A resolver takes the request's headers (lower case, credentials left out) and the client's address,
        and returns jurisdiction codes; empty when it does not know. It must not block.
        """

    @spec
    def register_commands(self) -> Mapping[str, Callable[[argparse.ArgumentParser], None]]:  # type: ignore[empty-body]
        """Return sub-commands of `bylaw` by name.

        Each value receives the sub-command's parser, adds its arguments, and sets `func` (a callable that
        takes the parsed namespace and returns the exit status) with `parser.set_defaults(func=...)`.
        """

    @spec
    def on_start(self, deployment: Mapping[str, Any]) -> Awaitable[None] | None:
        """A worker is about to accept its first exchange. Raising stops the start."""

    @spec
    def on_stop(self) -> Awaitable[None] | None:
        """A worker has finished its last exchange."""

    @spec
    def on_record(self, entry: Mapping[str, Any]) -> None:
        """The ledger has accepted this outcome entry (read-only). Never on the client's path; must not block."""


class HotHooks:
    """Methods of a guard. Both arguments are always given; the exchange holds no secrets."""

    @spec
    def inspect_request(self, exchange: Exchange, prompt: Prompt) -> Verdict | None:
        """Look at a request before it leaves. Edits index `prompt.segments`."""

    @spec
    def inspect_reply(self, exchange: Exchange, reply: Reply) -> Verdict | None:
        """Look at a whole reply before the client gets it. Edits index `reply.segments`.

        On a stream, a guard that has this hook but not `inspect_window` gets each channel when it is
        complete, as a reply of one segment; the host holds that channel back until then.
        """

    @spec
    def inspect_window(self, exchange: Exchange, window: Window) -> Verdict | None:
        """Look at the uncleared text of one channel of a stream. Edits use segment 0 and indexes of `window.text`.

        Return `hold` when a suffix could still become a match; it comes again with more text. On a block,
        what stands before the first finding or edit still leaves, so name everything that was found. Whole
        replies are given as one final window for each segment, if the guard has no `inspect_reply`.
        """

    @spec
    def inspect_tool_call(self, exchange: Exchange, call: ToolCall) -> Verdict | None:
        """Look at a tool call of the model, whole. Edits index `call.segments`.

        A guard without this hook gets the strings of the arguments through its other reply hooks.
        """

    @spec
    def amend_reply(self, exchange: Exchange, reply: Reply) -> Verdict | None:
        """Add to a whole reply (marks, notices): edits with `start == end`, and headers."""

    @spec
    def amend_window(self, exchange: Exchange, window: Window) -> Verdict | None:
        """The streaming twin of `amend_reply`: `window.start == 0` opens a channel, `window.final` ends it.

        Windows come after inspection, so what is added is not inspected again.
        """


HOT = tuple(name for name in vars(HotHooks) if not name.startswith("_"))
COLD = tuple(name for name in vars(ColdHooks) if not name.startswith("_"))
