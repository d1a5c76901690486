"""The public API for plugin authors: everything a guard needs, and nothing else.

Law of this package: it imports the value types of Bylaw, pluggy's markers and RE2; never asyncio, aiohttp,
files or the clock. Names exported here stay.
"""

from bylaw.content import Prompt, Reply, Segment, ToolCall, Unread, Window
from bylaw.exchange import Exchange
from bylaw.spec.guard import TEXT_CHANNELS, Guard, NoOptions
from bylaw.spec.hooks import ENTRY_POINT_GROUP, ColdHooks, HotHooks, impl
from bylaw.spec.matching import NEAR_CHARS, Rule
from bylaw.spec.patterns import Hit, PatternSet
from bylaw.spec.scanning import Answer, PatternGuard
from bylaw.verdict import Action, Edit, Finding, Verdict

__all__ = [
    "ENTRY_POINT_GROUP",
    "NEAR_CHARS",
    "TEXT_CHANNELS",
    "Action",
    "Answer",
    "ColdHooks",
    "Edit",
    "Exchange",
    "Finding",
    "Guard",
    "Hit",
    "HotHooks",
    "NoOptions",
    "PatternGuard",
    "PatternSet",
    "Prompt",
    "Reply",
    "Rule",
    "Segment",
    "ToolCall",
    "Unread",
    "Verdict",
    "Window",
    "impl",
]
