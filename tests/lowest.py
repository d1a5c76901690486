"""Runs the suite against the oldest pluggy and aiohttp that `pyproject.toml` admits (`make test-lowest`).

Everything else is as locked. The environment is made anew in `.venvs/lowest`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venvs" / "lowest"
FLOORED = ("aiohttp", "pluggy")


def floors() -> list[str]:
    """`name==oldest` of each floored dependency."""
    text = (ROOT / "pyproject.toml").read_text()
    found = {name: re.search(rf'"{name}>=([0-9.]+)', text) for name in FLOORED}
    return [f"{name}=={match[1]}" for name, match in found.items() if match]


def main() -> int:
    """Build the environment, run the suite, return its status."""
    pinned = floors()
    assert len(FLOORED) == len(pinned), "a floor is missing in pyproject.toml"
    venv.create(HOME, clear=True, with_pip=True)
    python = str(HOME / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for arguments in (["--requirement", "requirements.lock"], pinned, ["--no-deps", "--editable", "."]):
        subprocess.run([*pip, *arguments], cwd=ROOT, check=True)
    print("lowest:", ", ".join(pinned), flush=True)
    return subprocess.run([python, "-m", "pytest", "-m", "not slow"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
