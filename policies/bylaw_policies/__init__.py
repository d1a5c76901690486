"""The policies that ship with Bylaw: jurisdiction packs and profiles, as text.

Law of this package: data only. It imports nothing of Bylaw and interprets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Resource:
    """One shipped file: `name` without suffix, `file` as errors name it, `text`."""

    name: str
    file: str
    text: str


def packs() -> tuple[Resource, ...]:
    """Every shipped jurisdiction pack, by name."""
    return _resources("packs")


def profiles() -> tuple[Resource, ...]:
    """Every shipped profile, by name."""
    return _resources("profiles")


def _resources(folder: str) -> tuple[Resource, ...]:
    found = [entry for entry in files(__name__).joinpath(folder).iterdir() if entry.name.endswith(".yaml")]
    return tuple(
        Resource(
            entry.name.removesuffix(".yaml"),
            f"bylaw_policies/{folder}/{entry.name}",
            entry.read_text("utf-8"),
        )
        for entry in sorted(found, key=lambda entry: entry.name)
    )
