"""What a ledger client counts, for the metrics page.

Law of this module: numbers only grow, except the two that measure the queue.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counters of one worker.

    Args:
        appended: entries that got a sequence number.
        acked: entries that the writer has, as safe as the mode says.
        refused: futures that failed.
        lost: entries that will never be written, `async` mode or shutdown.
        resent: entries sent again after a refusal or a lost connection.
        disconnects: connections that ended.
        queue_bytes: bytes of entries that wait for an acknowledgement, now.
    """

    appended: int = 0
    acked: int = 0
    refused: int = 0
    lost: int = 0
    resent: int = 0
    disconnects: int = 0
    queue_bytes: int = 0
