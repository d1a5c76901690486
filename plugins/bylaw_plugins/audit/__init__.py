"""What the record needs of every exchange."""

from bylaw_plugins.audit.guard import Audit, AuditOptions

__all__ = ["Audit", "AuditOptions"]
