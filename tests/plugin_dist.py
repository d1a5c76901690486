"""A plugin as somebody else would install it: a module and the metadata of its distribution in a folder."""

from __future__ import annotations

import os
from pathlib import Path


def install(folder: Path, name: str, source: str) -> dict[str, str]:
    """Write the plugin `name` into `folder`; the environment in which it is installed."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bylaw.v1]\n{name} = {name}\n")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
