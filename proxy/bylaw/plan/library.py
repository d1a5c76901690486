"""The packs and policies that a deployment uses: shipped ones, and files of the operator.

Law of this module: files come from a snapshot, in sorted order, all of them or none; nothing is read from
disk here. A name that does not exist is an error that names the nearest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bylaw.errors import ConfigError, Place
from bylaw.plan.packs import Pack, check_packs, load_pack
from bylaw.plan.policy import Policy, combine, load_policy
from bylaw.plan.snapshot import SUFFIXES, Files, Snapshot
from bylaw.plan.typed import nearest

BUILTIN = "builtin"
NO_FILES = Snapshot()


class Shipped(Protocol):
    """A file that comes with the package, e.g. `bylaw_policies.Resource`."""

    @property
    def file(self) -> str:
        """Name for errors."""
        ...

    @property
    def text(self) -> str:
        """What it says."""
        ...


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that plans are made from.

    Args:
        packs: in the order of the configuration.
        profiles: shipped profiles by name.
        added: the operator's own policies, in sorted order.
        files: where a profile that is a file is read from.
    """

    packs: tuple[Pack, ...]
    profiles: Mapping[str, Policy]
    added: tuple[Policy, ...] = ()
    files: Files = NO_FILES

    def policy(self, profile: str, place: Place | None = None) -> Policy:
        """The profile with the operator's policies added.

        Args:
            profile: name of a shipped profile, or absolute path of a policy file.
            place: where the profile is named, for errors.

        Raises:
            ConfigError: no such profile, or two steps of one id.
        """
        if profile in self.profiles:
            return combine(self.profiles[profile], self.added)
        if Path(profile).suffix in SUFFIXES:
            return combine(load_policy(self.files.read(profile), profile), self.added)
        known = ", ".join(sorted(self.profiles))
        raise ConfigError(f"no profile `{profile}`{nearest(profile, self.profiles)} Profiles: {known}", place)


def load_library(
    shipped_packs: Iterable[Shipped],
    shipped_profiles: Iterable[Shipped],
    packs: Sequence[str] = (BUILTIN,),
    directories: Sequence[Path] = (),
    files: Files = NO_FILES,
) -> Library:
    """Read and check everything.

    Args:
        shipped_packs: what `builtin` stands for.
        shipped_profiles: profiles that may be named.
        packs: `builtin`, absolute paths of pack files (.yaml, .yml), or of folders of them.
        directories: absolute paths of folders of policy files.
        files: where all but the shipped ones are read from.

    Raises:
        ConfigError: a missing file, or any mistake in one.
    """
    found: list[Pack] = []
    for name in packs:
        if name == BUILTIN:
            found += [load_pack(resource.text, resource.file) for resource in shipped_packs]
        else:
            paths = (name,) if Path(name).suffix in SUFFIXES else files.listing(name)
            found += [load_pack(files.read(path), path) for path in paths]
    check_packs(found)
    profiles = [load_policy(resource.text, resource.file) for resource in shipped_profiles]
    paths = tuple(path for directory in directories for path in files.listing(str(directory)))
    added = tuple(load_policy(files.read(path), path) for path in paths)
    return Library(tuple(found), {profile.name: profile for profile in profiles}, added, files)
