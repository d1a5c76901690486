"""One worker process: the data plane, and the operations by which the supervisor steers it.

Law of this module: a candidate configuration is compiled beside the running one and becomes the running one as
a whole, in one assignment; exchanges that run keep the one they began with.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import socket
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from bylaw import log
from bylaw.clock import Clock, SystemClock
from bylaw.compose import Load, load, runtime
from bylaw.edge.server import DataPlane
from bylaw.errors import BylawError, ConfigError
from bylaw.journal import Journal
from bylaw.ledger.client import LedgerClient
from bylaw.limits import Limits
from bylaw.metrics import Counts
from bylaw.plan.sections import Upstream as UpstreamSection
from bylaw.plan.snapshot import Snapshot
from bylaw.plan.watchdog import Watch, Watchdog
from bylaw.stages.runtime import Runtime
from bylaw.stages.services import Services
from bylaw.supervise.channel import Message
from bylaw.tasks import Tasks
from bylaw.upstream.client import UpstreamClient

BACKLOG = 1024
SWEEP_S = 2.0
GC_THRESHOLD = 50_000


class Worker:
    """Everything of one worker. `handlers` is what the supervisor may ask for."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.finished = asyncio.Event()
        self.port = 0
        self._env: Mapping[str, str] = os.environ
        self._options: Mapping[str, Any] = {}
        self._candidate: tuple[Load, Runtime] | None = None
        self._clients: dict[tuple[str, UpstreamSection, Limits], UpstreamClient] = {}
        self._tasks = Tasks("worker")
        self._watch = Watch()
        self._watchdog = Watchdog(self._watch)

    @property
    def handlers(self) -> dict[str, Callable[[Message], Any]]:
        """Operations by name."""
        names = ("start", "prepare", "commit", "abort", "stats", "ping", "drain")
        return {name: getattr(self, name) for name in names}

    async def start(self, message: Message) -> Message:
        """Compile, connect to the ledger, listen.

        Args:
            message: `snapshot`, `options`, `listen` [host, port], `socket_path`, `worker`, optional `today`.

        Raises:
            ConfigError: whatever is wrong with the configuration.
        """
        self._options = message["options"]
        loaded, ready = self._compile(message)
        log.configure(loaded.config.log.level)
        self.loaded, config = loaded, loaded.config
        self.ledger = LedgerClient(
            message["socket_path"],
            f"w{message['worker']}",
            config.ledger.mode,
            self.clock,
            deadline_s=config.ledger.deadline_ms / 1000,
            buffer_bytes_max=config.ledger.buffer_bytes_max,
            alarm=lambda reason: log.get("ledger").error("ledger_alarm", reason=reason),
        )
        self.journal = Journal(Counts(), loaded.registry.on_record)
        self.services = self._services(ready)
        self._watchdog.start()
        await _call_all(loaded.registry.on_start, ready.facts)
        await self._listen(message["listen"])
        return {"ok": True, "port": self.port, "digest": loaded.digest}

    def _compile(self, message: Message) -> tuple[Load, Runtime]:
        today = message.get("today")
        at = date.fromisoformat(today) if today else self.clock.today()
        loaded = load(Snapshot.from_json(message["snapshot"]), self._env, self._options, at)
        return loaded, runtime(loaded, self._env, self._client)

    def _client(self, name: str, section: UpstreamSection, limits: Limits) -> UpstreamClient:
        key = (name, section, limits)
        if key not in self._clients:
            ca_file = str(section.ca_file) if section.ca_file else None
            self._clients[key] = UpstreamClient(str(section.url), limits, name=name, ca_file=ca_file)
        return self._clients[key]

    def _services(self, ready: Runtime) -> Services:
        return Services(
            clock=self.clock,
            limits=self.loaded.config.limits,
            ledger=self.journal.recording(self.ledger),
            mode=self.loaded.config.ledger.mode,
            watch=self._watch,
            runtime=ready,
            observe=self.journal.observe,
            new_id=exchange_id,
            refused=self.journal.refused,
        )

    async def _listen(self, address: tuple[str, int]) -> None:
        self.plane = DataPlane(self.services)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(tuple(address))
        self.port = sock.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(
            self.plane.server, sock=sock, backlog=BACKLOG
        )
        self.plane.start_sweeping()
        self._tasks.spawn(self.journal.flush_refusals(self.ledger), "refusals")
        gc.collect()
        gc.freeze()  # what lives for ever need not be looked at by every collection
        gc.set_threshold(GC_THRESHOLD)

    async def prepare(self, message: Message) -> Message:
        """Compile a candidate; the running configuration stays."""
        self._candidate = self._compile(message)
        return {"ok": True, "digest": self._candidate[0].digest}

    async def commit(self, message: Message) -> Message:
        """The candidate becomes the running configuration.

        Raises:
            ConfigError: there is no candidate of this digest.
        """
        if self._candidate is None or self._candidate[0].digest != message["digest"]:
            raise ConfigError("no such candidate")
        (self.loaded, ready), self._candidate = self._candidate, None
        self.services.limits = self.loaded.config.limits
        self.services.runtime = ready
        self.journal.on_record = self.loaded.registry.on_record
        self._tasks.spawn(self._retire(ready), "retire")
        return {"ok": True}

    async def abort(self, _message: Message) -> Message:
        """Forget the candidate."""
        self._candidate = None
        return {"ok": True}

    async def _retire(self, ready: Runtime) -> None:
        """Close clients of providers that the running configuration does not use, once nothing runs on them."""
        used = set(map(id, ready.upstreams.values()))
        old = {key: client for key, client in self._clients.items() if id(client) not in used}
        while any(client.in_use for client in old.values()):  # noqa: ASYNC110 - rare, and nothing waits for it
            await asyncio.sleep(SWEEP_S)
        for key, client in old.items():
            if self._clients.get(key) is client and not self._needs(client):
                self.journal.retire(self._clients.pop(key))
                await client.close()

    def _needs(self, client: UpstreamClient) -> bool:
        """Whether the running configuration, or the candidate, has this client."""
        candidate = [self._candidate[1]] if self._candidate else []
        runtimes = [self.services.runtime, *candidate]
        return any(client is one for runtime_ in runtimes for one in runtime_.upstreams.values())

    async def stats(self, _message: Message) -> Message:
        """Counters."""
        return self.journal.snapshot(self.services.in_flight, self.ledger.counters, self._clients.values())

    async def ping(self, _message: Message) -> Message:
        """The loop turns, and whether entries can be recorded."""
        return {"ok": self.ledger.connected}

    async def drain(self, message: Message) -> Message:
        """Finish what runs, hand everything to the ledger, end."""
        self._server.close()
        await self.plane.drain(float(message["drain_s"]))
        await _call_all(self.loaded.registry.on_stop)
        self.journal.flush(self.ledger)
        await self.ledger.close()
        for client in self._clients.values():
            await client.close()
        self._watchdog.stop()
        log.flush()
        await self._tasks.close()
        self.finished.set()
        return {"ok": True}


def exchange_id() -> str:
    """A sortable id: 12 hexadecimal digits of milliseconds, 20 random ones (like UUIDv7, RFC 9562)."""
    return f"{SystemClock().wall_us() // 1000:012x}{os.urandom(10).hex()}"


async def _call_all(hooks: tuple[Callable[..., Any], ...], *arguments: Any) -> None:
    """Call start or stop hooks of plugins, awaiting those that want it.

    Raises:
        ConfigError: a hook raised.
    """
    for hook in hooks:
        try:
            result = hook(*arguments)
            if inspect.isawaitable(result):
                await result
        except BylawError:
            raise
        except Exception as error:
            raise ConfigError(
                f"the plugin hook {hook.__module__}.{hook.__qualname__} failed: {error}"
            ) from error
