"""A real writer process, to be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from bylaw.ledger.writer_process import socket_path_for

CODE = """
import asyncio, pathlib, sys
from bylaw.ledger.writer_process import serve_writer, socket_path_for
data_dir = pathlib.Path(sys.argv[1])
sys.exit(asyncio.run(serve_writer(data_dir, socket_path_for(data_dir), sys.argv[2])))
"""


class WriterProcess:
    def __init__(self, data_dir: Path, mode: str = "strict") -> None:
        self.socket_path = socket_path_for(data_dir)
        command = [sys.executable, "-c", CODE, str(data_dir), mode]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        """Ask it to stop; exit status and what it said."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said
