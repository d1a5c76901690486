"""Child processes that a load run starts: each tells its address in its first line on stdout, as JSON.

Invariant: what is started is stopped, whatever happens in between; output goes to files, so that no pipe
fills up and stops what is measured.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_STOP_S = 15.0


class StartError(Exception):
    """The process did not come up: its last words are in the message."""


class Process:
    """A server in a process of its own; use it in a `with` block.

    Args:
        name: for messages and the names of its output files.
        command: program and arguments.
        directory: where its output goes.
        start_s_max: time to announce its address.
    """

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, *, start_s_max: float = 30.0
    ) -> None:
        self.name, self._command, self._start_s_max = name, command, start_s_max
        self._stdout = directory / f"{name}.stdout"
        self._stderr = directory / f"{name}.stderr"
        self.url = ""

    @property
    def pid(self) -> int:
        """Of the process itself, the root of its tree."""
        return self._process.pid

    def __enter__(self) -> Process:
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=err)  # noqa: S603
        try:
            self.url = self._announced()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _announced(self) -> str:
        deadline_s = time.monotonic() + self._start_s_max
        while time.monotonic() < deadline_s:
            line, newline, _ = self._stdout.read_bytes().partition(b"\n")
            if newline:
                return self._address(line)
            if self._process.poll() is not None:
                raise StartError(
                    f"{self.name} ended with status {self._process.returncode}: {self._last_words()}"
                )
            time.sleep(0.02)
        raise StartError(f"{self.name} announced no address in {self._start_s_max} s: {self._last_words()}")

    def _address(self, line: bytes) -> str:
        try:
            return str(json.loads(line)["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise StartError(f"{self.name} announced {line[:200]!r} instead of its address") from error

    def _last_words(self) -> str:
        return self._stderr.read_text("utf-8", "replace")[-800:].strip() or "it said nothing"

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
