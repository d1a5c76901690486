"""What a worker tells about finished exchanges: counters, one log event each, and plugins' `on_record`.

Law of this module: nothing here holds content, and nothing here can fail an exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bylaw import log
from bylaw.ledger.counters import Counters
from bylaw.metrics import Counts
from bylaw.stages.ports import LedgerPort
from bylaw.stages.transit import STAGES
from bylaw.upstream.client import UpstreamClient
from bylaw.verdict import Action

FLUSH_S = 60.0
OnRecord = tuple[Callable[..., Any], ...]


class Journal:
    """Counts and logs.

    Args:
        counts: the worker's counters.
        on_record: plugins' hooks.
    """

    def __init__(self, counts: Counts, on_record: OnRecord) -> None:
        self.counts = counts
        self.on_record = on_record
        self.refused: dict[str, int] = {}
        self._retired: dict[str, int] = {}

    def observe(
        self,
        *,
        route: str,
        decision: str,
        status: int,
        error: str,
        stage_ns: list[int],
        record: Mapping[str, Any],
    ) -> None:
        """Count and log one exchange that has ended."""
        self.counts.observe(route, decision, status, stage_ns)
        for (_, step), tally in record["tallies"].items():
            action = tally.action.name.lower()
            self.counts.verdict(step, action if tally.enforce or tally.action is Action.ALLOW else "would")
            if tally.error:
                self.counts.guard_error(step)
        log.counted(
            {
                "event": "exchange",
                "level": "info",
                "exchange": record["exchange"],
                "method": record["method"][:16],
                "route": route,
                "caller": record["caller"],
                "jurisdictions": record["jurisdictions"],
                "decision": decision,
                "status": status,
                "error": error,
                "code": record["code"],
                "failed_steps": record["errors"],
                "us": {stage: ns // 1000 for stage, ns in zip(STAGES, stage_ns, strict=True) if ns},
            }
        )

    def retire(self, client: UpstreamClient) -> None:
        """Keep the counts of a client that is about to be closed: a counter never goes back."""
        for code, number in client.tally.errors.items():
            self._retired[code] = self._retired.get(code, 0) + number

    def recording(self, ledger: LedgerPort) -> LedgerPort:
        """The ledger, with `on_record` called after it has accepted an outcome."""
        return _Recording(ledger, self)

    def snapshot(self, in_flight: int, ledger: Counters, clients: Iterable[UpstreamClient]) -> dict[str, Any]:
        """All counters as JSON; see `metrics.Counts.snapshot`."""
        counted = self.counts.snapshot()
        counted["in_flight"] = in_flight
        counted["counters"] += [
            ["bylaw_ledger_appended", [], ledger.acked],
            ["bylaw_ledger_refused", [], ledger.refused],
            ["bylaw_ledger_lost", [], ledger.lost],
        ]
        errors = dict(self._retired)
        for client in clients:
            for code, number in client.tally.errors.items():
                errors[code] = errors.get(code, 0) + number
        counted["counters"] += [["bylaw_upstream_errors", [code], number] for code, number in errors.items()]
        return counted

    async def flush_refusals(self, ledger: LedgerPort) -> None:
        """Once a minute, one entry with the number of strangers and overflows that were turned away."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush(ledger)

    def flush(self, ledger: LedgerPort) -> None:
        """Write what was turned away since the last time."""
        if self.refused:
            future = ledger.append("refusals", "", {"counts": dict(self.refused)})
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self.refused.clear()


class _Recording:
    """Implements `stages.ports.LedgerPort`."""

    def __init__(self, ledger: LedgerPort, journal: Journal) -> None:
        self._ledger, self._journal = ledger, journal

    def append(self, kind: str, exchange: str, fields: dict[str, Any]) -> asyncio.Future[None]:
        future = self._ledger.append(kind, exchange, fields)
        if self._journal.on_record and kind == "outcome":
            entry = {"type": kind, "exchange": exchange, **fields}
            future.add_done_callback(lambda done: self._tell(done, entry))
        return future

    def _tell(self, done: asyncio.Future[None], entry: Mapping[str, Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        for hook in self._journal.on_record:
            try:
                hook(entry)
            except Exception as error:
                log.get("plugins").error("on_record_failed", exc_info=error)
