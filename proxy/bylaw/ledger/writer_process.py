"""The life of the writer process: lock, recover, serve, drain.

Law of this module: nothing about the socket is touched before the ledger's lock is held, so a stale socket
file is always one that nobody listens on. Exit status 0: asked to stop. 2: the operator must act (another
writer, damage). 75 (EX_TEMPFAIL): the disk failed or is full; start again, which goes through recovery.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from bylaw.clock import SystemClock
from bylaw.errors import BylawError, ConfigError, Place
from bylaw.ledger.connection import Connection
from bylaw.ledger.disk import RealDisk
from bylaw.ledger.hub import Hub
from bylaw.ledger.layout import ledger_dir
from bylaw.ledger.writer import Writer

SOCKET_PATH_BYTES_MAX: Final = 100
"""Linux takes 107 bytes and a NUL (unix(7)); other systems a little less."""
EXIT_OPERATOR: Final = 2
EXIT_START_AGAIN: Final = os.EX_TEMPFAIL
ORPHAN_CHECK_S: Final = 1.0


def socket_path_for(data_dir: Path) -> Path:
    """Where the writer of this data directory listens; the same answer in every process of a user.

    Inside the ledger's directory, or, where that path is too long for a socket, in a directory of the
    user's own under `/tmp`.
    """
    path = ledger_dir(data_dir.resolve()) / "writer.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    name = sha256(os.fsencode(path)).hexdigest()[:24]
    return Path(f"/tmp/bylaw-{os.geteuid()}") / f"{name}.sock"  # noqa: S108 - checked by `_private`


def complain(reason: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"bylaw ledger: {reason}\n")


async def serve_writer(
    data_dir: Path,
    socket_path: Path,
    mode: str,
    *,
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
    say: Callable[[str], object] = complain,
) -> int:
    """Own the ledger of `data_dir` until SIGTERM, and serve the workers that connect.

    SIGINT is ignored: Ctrl-C reaches the whole process group, and the workers still have entries to hand
    in. `stop`, if given, takes the place of SIGTERM: a service manager signals every process at once, and a
    writer that stopped before the workers would cost exchanges. If the parent process dies, the writer
    ends when the last worker has disconnected.

    Args:
        data_dir: the data directory of the proxy.
        socket_path: see `socket_path_for`.
        mode: `strict`, `final` or `async`.
        ready: set once workers can connect.
        stop: ends the writer when set.
        say: told why it ends, if it ends by a fault.

    Returns:
        The exit status for the process.
    """
    try:
        writer = Writer(RealDisk(), data_dir, mode, SystemClock())
    except (BylawError, OSError) as error:
        return _status(error, say)
    try:
        listener = _listen(socket_path)
    except (BylawError, OSError) as error:
        writer.close()
        return _status(error, say)
    return await _serve(writer, listener, socket_path, ready, stop, say)


async def _serve(
    writer: Writer,
    listener: socket.socket,
    socket_path: Path,
    ready: asyncio.Event | None,
    stop: asyncio.Event | None,
    say: Callable[[str], object],
) -> int:
    loop, hub = asyncio.get_running_loop(), Hub(writer, stopping=stop)
    if stop is None:
        loop.add_signal_handler(signal.SIGTERM, hub.stopping.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    server = await loop.create_unix_server(lambda: Connection(hub), sock=listener)
    _stop_when_orphaned(loop, hub, os.getppid())
    if ready is not None:
        ready.set()
    await hub.stopping.wait()
    server.close()
    try:
        await hub.drain()
    except (BylawError, OSError) as error:
        return _status(error, say)
    _unlink(socket_path)
    return 0 if hub.failure is None else _status(hub.failure, say)


def _stop_when_orphaned(loop: asyncio.AbstractEventLoop, hub: Hub, parent: int) -> None:
    if os.getppid() != parent and not hub.connections:
        hub.stopping.set()
    else:
        loop.call_later(ORPHAN_CHECK_S, _stop_when_orphaned, loop, hub, parent)


def _status(error: BaseException, say: Callable[[str], object]) -> int:
    say(str(error))
    return EXIT_OPERATOR if isinstance(error, ConfigError) else EXIT_START_AGAIN


def _listen(path: Path) -> socket.socket:
    _private(path.parent)
    _unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _private(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigError("the folder of the socket must belong to this user alone", Place(str(folder)))
