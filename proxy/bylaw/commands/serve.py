"""`bylaw serve`: supervisor, control plane, and the first line that says where it listens.

Law of this module: nothing is accepted before the configuration has been compiled once, here, so that an
operator's mistake is one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bylaw import log
from bylaw.clock import SystemClock
from bylaw.compose import Load, Source, load
from bylaw.edge.admission import Admission
from bylaw.edge.control import control_app, serve_control
from bylaw.errors import ConfigError
from bylaw.ledger.writer_process import socket_path_for
from bylaw.plan.snapshot import Snapshot
from bylaw.supervise.child import Timings
from bylaw.supervise.edition import Facts, first_edition
from bylaw.supervise.port import reserve
from bylaw.supervise.report import Report
from bylaw.supervise.supervisor import Supervisor, bylaw_children

EXAMPLE = "example: bylaw serve --upstream https://api.openai.com --jurisdiction EU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bylaw serve`."""
    parser.epilog = EXAMPLE
    add_source(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="data plane (default 127.0.0.1:8080)")
    parser.add_argument("--admin", metavar="HOST:PORT", help="control plane (default 127.0.0.1:9090)")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default 1)")
    parser.add_argument("--data-dir", metavar="DIR", help="where the ledger is kept (default ./bylaw-data)")
    parser.add_argument(
        "--announce", choices=("text", "json"), default="text", help="form of the first line on stdout"
    )
    parser.set_defaults(func=serve)


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the configuration comes from."""
    parser.add_argument("--config", metavar="FILE", help="configuration file")
    parser.add_argument(
        "--upstream", metavar="URL", help="without a file: send every known dialect to this provider"
    )
    parser.add_argument("--jurisdiction", metavar="CODES", help="default jurisdictions, e.g. EU,US-CA")
    parser.add_argument("--profile", metavar="NAME", help="observe-only, default, strict, or a policy file")


def source_of(arguments: argparse.Namespace) -> Source:
    """Where the configuration comes from.

    Raises:
        ConfigError: both or neither of --config and --upstream.
    """
    if (arguments.config is None) == (arguments.upstream is None):
        raise ConfigError("give either --config FILE or --upstream URL")
    codes = arguments.jurisdiction
    options: dict[str, Any] = {
        "jurisdictions.default": [code.strip() for code in codes.split(",")] if codes else None,
        "policies.profile": arguments.profile,
        "listen": getattr(arguments, "listen", None),
        "admin.listen": getattr(arguments, "admin", None),
        "workers": getattr(arguments, "workers", None),
        "data_dir": getattr(arguments, "data_dir", None),
    }
    given = {key: value for key, value in options.items() if value is not None}
    return Source(arguments.config, arguments.upstream, os.environ, given)


@dataclass(slots=True)
class Files:
    """Implements `supervise.edition.Library` over the operator's files."""

    source: Source
    _last: tuple[Mapping[str, Any], Load] | None = None

    def capture(self) -> Mapping[str, Any]:
        return self.source.capture().to_json()

    def check(self, snapshot: Mapping[str, Any]) -> Facts:
        return facts_of(self.compiled(snapshot), Snapshot.from_json(snapshot))

    def compiled(self, snapshot: Mapping[str, Any]) -> Load:
        """Compile captured files as of today; the last result is kept."""
        source, today = self.source, SystemClock().today()
        if self._last is None or self._last[0] != snapshot or self._last[1].planner.at != today:
            self._last = snapshot, load(Snapshot.from_json(snapshot), source.env, source.options, today)
        return self._last[1]


def facts_of(loaded: Load, snapshot: Snapshot) -> Facts:
    """What the supervisor has to know."""
    config = loaded.config
    ledger = config.ledger
    fixed = {
        "listen": str(config.listen), "admin": str(config.admin), "workers": config.workers,
        "data_dir": str(config.data_dir), "ledger": dataclasses.asdict(ledger),
    }  # fmt: skip
    policies = {
        "profile": loaded.planner.policy.name,
        "policy_digest": loaded.planner.policy.digest,
        "packs": [
            {"name": p.name, "version": p.version, "jurisdictions": list(p.jurisdictions)}
            for p in loaded.library.packs
        ],
        "as_of": str(loaded.planner.at),
    }
    watched = (*snapshot.stamps, *snapshot.directories)
    return Facts(fixed, watched, config.limits.drain_s, policies)


def serve(arguments: argparse.Namespace) -> int:
    """Run until a signal; returns the exit status."""
    files = Files(source_of(arguments))
    edition = first_edition(files)
    loaded = files.compiled(edition.snapshot)
    log.configure(loaded.config.log.level)
    return asyncio.run(_serve(files, loaded, edition, arguments.announce))


async def _serve(files: Files, loaded: Load, edition: Any, announce: str) -> int:
    config = loaded.config
    data_dir = prepared(config.data_dir)
    admin = config.admin
    token = admin.token.resolve(files.source.env).reveal() if admin.token else None
    admission = Admission(admin.listen.host, token, admin.open)
    port = reserve(config.listen.host, config.listen.port)
    supervisor = Supervisor(
        spawn=bylaw_children(Timings()),
        library=files,
        edition=edition,
        port=port,
        workers=config.workers,
        context={
            "options": dict(files.source.options),
            "data_dir": str(data_dir),
            "socket_path": str(socket_path_for(data_dir)),
            "mode": config.ledger.mode,
            "log_level": config.log.level,
        },
    )
    app = control_app(Report(supervisor, config.workers), admission)
    control = await serve_control(app, admin.listen.host, admin.listen.port)
    try:
        return await _run(supervisor, lambda: say(announce, port.getsockname(), control.addresses[0]))
    finally:
        await control.cleanup()


async def _run(supervisor: Supervisor, announce: Any) -> int:
    """Run the supervisor; announce once it serves."""
    running = asyncio.ensure_future(supervisor.run())
    serving = asyncio.ensure_future(supervisor.serving.wait())
    await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    if supervisor.serving.is_set():
        announce()
    return await running


def prepared(data_dir: Path) -> Path:
    """The data directory, made if it is not there.

    Raises:
        ConfigError: it cannot be made or written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the data directory {data_dir}: {error.strerror}") from None
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise ConfigError(f"the data directory {data_dir} cannot be written")
    return data_dir.resolve()


def say(form: str, data: tuple[Any, ...], admin: tuple[Any, ...]) -> None:
    """The first line on stdout: where it listens."""
    urls = {"data": url(data), "admin": url(admin)}
    if form == "json":
        line = json.dumps({"event": "listening", **urls})
    else:
        line = f"bylaw is listening on {urls['data']}, control plane on {urls['admin']}"
    print(line, flush=True)


def url(address: tuple[Any, ...]) -> str:
    """A socket address as URL."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"
