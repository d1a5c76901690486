"""What the supervisor tells the control plane about itself.

Law of this module: readiness is the ability to serve. A refused reload leaves the old plans serving, so it is
shown and does not make the house unready. Reasons of a refusal name files of the operator: they are for
`policies`, which needs a token, not for `readiness`, which needs none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bylaw import __version__
from bylaw.supervise.reload import Outcome
from bylaw.supervise.supervisor import Phase, Supervisor
from bylaw.supervise.totals import House, render


class Report:
    """Answers of one supervisor; implements `bylaw.edge.control.House`."""

    def __init__(self, supervisor: Supervisor, workers: int) -> None:
        self._of, self._wanted = supervisor, workers

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether exchanges are served and recorded, and the facts."""
        workers, writer = self._workers_ready(), self._writer_ready()
        ready = self._of.phase is Phase.SERVING and workers == self._wanted and writer
        return ready, {
            "ready": ready,
            "phase": self._of.phase.value,
            "workers": {"ready": workers, "wanted": self._wanted},
            "writer": "ready" if writer else "unavailable",
            "reload": _told(self._of.reload.last, reason=False),
        }

    def policies(self) -> dict[str, Any]:
        """What the plans were made of, and how the last reload ended."""
        edition = self._of.edition
        return {
            **edition.facts.policies,
            "digest": edition.digest,
            "generation": edition.generation,
            "last_reload": _told(self._of.reload.last, reason=True),
        }

    async def metrics(self) -> bytes:
        """Counters of all processes, as Prometheus reads them."""
        await self._of.sample()
        total = self._of.totals.of(child.stats for child in self._of.workers())
        own = House(
            __version__,
            self._of.restarts,
            self._of.reload.counts,
            self._workers_ready(),
            self._writer_ready(),
        )
        return render(total, own)

    def _workers_ready(self) -> int:
        return sum(child.ready for child in self._of.workers())

    def _writer_ready(self) -> bool:
        return self._of.writer is not None and self._of.writer.ready


def _told(outcome: Outcome, reason: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"result": outcome.result}
    if outcome.at_us:
        told["at"] = datetime.fromtimestamp(outcome.at_us / 1e6, UTC).isoformat(timespec="seconds")
    if reason and outcome.error:
        told["error"] = outcome.error
    return told
