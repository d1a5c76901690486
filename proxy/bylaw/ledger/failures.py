"""What can go wrong with the ledger, sorted by what must happen next.

Law of this module: `Refused` leaves the files as they were and may be tried again; after `Poisoned` nothing
that the process believes about the disk is true, so it must end and start again through recovery.
"""

from __future__ import annotations

from bylaw.errors import BylawError, ConfigError


class LedgerLocked(ConfigError):
    """Another writer holds the ledger."""


class LedgerDamaged(ConfigError):
    """The files are not what a writer can have left behind, even after power loss."""


class Refused(BylawError):
    """The disk takes nothing now (full, quota, read-only); the batch is rolled back."""


class Poisoned(BylawError):
    """The disk failed a write or a flush.

    After a failed `fsync` Linux marks the lost pages clean, so a second one that succeeds proves nothing
    (PostgreSQL panics for the same reason).
    """
