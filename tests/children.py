"""The processes of a running proxy, found as an operator finds them: in /proc."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Child:
    """A worker or the ledger's writer."""

    pid: int
    role: str

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def children(supervisor: int) -> list[Child]:
    """The workers and the writer of a supervisor, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (role := _role(folder, supervisor)):
            found.append(Child(int(folder.name), role))
    return sorted(found, key=lambda child: child.pid)


def workers(supervisor: int) -> list[Child]:
    """The workers alone."""
    return [child for child in children(supervisor) if child.role == "worker"]


def _role(folder: Path, supervisor: int) -> str:
    try:
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if int(parent) != supervisor or state == "Z" or "bylaw.main" not in words:
        return ""
    return words[words.index("bylaw.main") + 1]
