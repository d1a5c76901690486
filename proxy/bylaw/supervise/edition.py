"""What all workers serve: one configuration, captured once.

Law of this module: an edition is immutable and knows everything that the supervisor needs of it, so that no
file is read twice in one reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bylaw.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Facts:
    """What the supervisor has to know of a configuration.

    Args:
        fixed: values that cannot change while the processes live (`listen`, `workers`, `data_dir`,
            `ledger.store`, ...), by key.
        files: files and directories to watch for changes.
        drain_s: time for running exchanges to finish.
        policies: what went into the plans, for `/v1/policies`: profile, packs with versions. No secrets.
    """

    fixed: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    drain_s: float = 30.0
    policies: Mapping[str, Any] = field(default_factory=dict)


class Library(Protocol):
    """Where configurations come from. Both methods may take their time: they are called in a thread."""

    def capture(self) -> Mapping[str, Any]:
        """Read every file once; the result is JSON.

        Raises:
            ConfigError: a file that cannot be read.
        """
        ...

    def check(self, snapshot: Mapping[str, Any]) -> Facts:
        """Validate a captured configuration.

        Raises:
            ConfigError: with file and line.
        """
        ...


@dataclass(frozen=True, slots=True)
class Edition:
    """A configuration that was accepted.

    Args:
        generation: counts from 1, up by one with each reload that changed something.
        snapshot: the captured files, as workers get them.
        facts: what the supervisor knows of it.
        digest: of the compiled plans, as the workers told; empty if none did.
    """

    generation: int
    snapshot: Mapping[str, Any]
    facts: Facts
    digest: str = ""


def first_edition(library: Library) -> Edition:
    """Capture and validate, at start.

    Raises:
        ConfigError: the operator must act first.
    """
    snapshot = library.capture()
    return Edition(1, snapshot, library.check(snapshot))


def refuse_fixed(old: Facts, new: Facts) -> None:
    """Raise `ConfigError` if something changed that needs a restart."""
    keys = sorted({*old.fixed, *new.fixed})
    changed = [key for key in keys if old.fixed.get(key) != new.fixed.get(key)]
    if changed:
        raise ConfigError(f"a change of {', '.join(changed)} needs a restart")
