"""The processes of one Bylaw: a supervisor, a ledger writer, and workers that share one port.

Law of this package: the supervisor touches no exchange. Whatever dies is replaced, all workers serve the same
edition of the configuration or none of a new one, and nobody outlives the supervisor.
"""
