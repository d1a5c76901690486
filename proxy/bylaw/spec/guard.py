"""The base class of guards.

A guard class is instantiated once for each policy entry that names it, with that entry's options. One
instance serves many exchanges at the same time: keep nothing of an exchange on `self`; use
`exchange.state[self.step]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

TEXT_CHANNELS = frozenset({"text", "reasoning", "refusal", "tool_arguments", "tool_schema", "other"})


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of a guard that has none."""


class Guard:
    """One rule of a policy.

    Class attributes:
        name: how policies name it; lower case, unique among all installed guards.
        version: shown by `bylaw plugins list` and recorded in the ledger.
        controls: the controls of jurisdiction packs that this guard implements, e.g. `("disclosure",)`.
        reads: channels of text that it can read; what it cannot read appears in the coverage map.
        look_behind: characters of cleared text that a window brings along as context.
        Options: a dataclass; its fields are the keys that a policy entry may give under `options:`.

    Args:
        options: an instance of `Options`, built and checked by the host.
        step: id of the policy entry, unique in its plan.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    controls: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[frozenset[str]] = TEXT_CHANNELS
    look_behind: ClassVar[int] = 1
    Options: ClassVar[type[Any]] = NoOptions

    def __init__(self, options: Any, step: str) -> None:
        self.options = options
        self.step = step
        self.setup()

    def setup(self) -> None:
        """Prepare what is expensive (compile expressions). Raise ValueError on bad options.

        Runs at start and reload only; the message becomes a configuration error with file and line.
        """
