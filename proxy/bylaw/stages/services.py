"""What a worker lends to every exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bylaw.clock import Clock
from bylaw.limits import Limits
from bylaw.plan.watchdog import Watch

if TYPE_CHECKING:
    from bylaw.stages.ports import LedgerPort
    from bylaw.stages.runtime import Runtime


class Observe(Protocol):
    """Where a finished exchange is counted and logged."""

    def __call__(
        self,
        *,
        route: str,
        decision: str,
        status: int,
        error: str,
        stage_ns: list[int],
        record: Mapping[str, Any],
    ) -> None:
        """Count one exchange. `record` is the ledger entry's fields; it holds no content."""
        ...


@dataclass(slots=True)
class Services:
    """The worker's side of the corridor.

    Args:
        clock: time.
        limits: bounds.
        ledger: where entries go.
        mode: the ledger's mode: `strict`, `final` or `async`.
        watch: the watchdog's number.
        runtime: configuration and plans in force; replaced as a whole by a reload.
        observe: counts and logs a finished exchange.
        new_id: makes exchange ids.
        refused: requests turned away before the corridor by code, for the aggregated ledger entry.
        in_flight: exchanges running now.
        draining: whether new exchanges are turned away.
        cutting: whether the time to drain is over, so that running exchanges are cut off.
    """

    clock: Clock
    limits: Limits
    ledger: LedgerPort
    mode: str
    watch: Watch
    runtime: Runtime
    observe: Observe
    new_id: Callable[[], str]
    refused: dict[str, int]
    in_flight: int = 0
    draining: bool = False
    cutting: bool = False
