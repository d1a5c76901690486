"""The public kit for people who write guards; a pytest plugin, so that its assertions explain themselves.

Law of this package: it treats a guard as the proxy does, with the proxy's own code for hooks, edits and
placeholders, and needs no server, no file and no network. Every pytest session of a project that has Bylaw
installed imports this module, so it imports the rest only when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bylaw.testing.case import GuardCase, Result, assert_cut_invariant, guard_case
    from bylaw.testing.checks import Check, assert_conforms, conformance
    from bylaw.testing.make import make_exchange, make_prompt, make_reply, make_tool_call

__all__ = [
    "Check",
    "GuardCase",
    "Result",
    "assert_conforms",
    "assert_cut_invariant",
    "conformance",
    "guard_case",
    "make_exchange",
    "make_prompt",
    "make_reply",
    "make_tool_call",
]
_HOMES = {
    **dict.fromkeys(("GuardCase", "Result", "assert_cut_invariant", "guard_case"), "case"),
    **dict.fromkeys(("Check", "assert_conforms", "conformance"), "checks"),
    **dict.fromkeys(("make_exchange", "make_prompt", "make_reply", "make_tool_call"), "make"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
