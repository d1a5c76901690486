"""What all connections to one upstream have in common: its name, its waits, its tally, and its errors.

Law of this module: an error names the upstream as the operator configured it. Addresses that the name
resolved to, system error texts and bytes of the reply never get into a message that a caller may see.
"""

from __future__ import annotations

from bylaw.errors import UpstreamError
from bylaw.limits import Limits
from bylaw.upstream.tally import Tally

_MESSAGES = {
    "upstream_unreachable": (502, "cannot connect to"),
    "upstream_connect_timeout": (504, "no connection in time to"),
    "upstream_timeout": (504, "no reply in time from"),
    "upstream_idle_timeout": (504, "silence in the middle of an exchange with"),
    "upstream_reset": (502, "connection lost before the reply was whole:"),
    "upstream_malformed": (502, "the reply breaks HTTP framing:"),
}


class Terms:
    """The terms under which connections to one upstream live.

    Args:
        name: how messages call the upstream.
        limits: `connect_ms_max`, `first_byte_ms_max`, `idle_ms_max`, `keepalive_s` and `pool_max` are used.
    """

    __slots__ = ("connect_s", "first_byte_s", "idle_s", "keepalive_s", "name", "pool_max", "tally")

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.connect_s = limits.connect_ms_max / 1000
        self.first_byte_s = limits.first_byte_ms_max / 1000
        self.idle_s = limits.idle_ms_max / 1000
        self.keepalive_s = float(limits.keepalive_s)
        self.pool_max = limits.pool_max
        self.tally = Tally()

    def error(self, code: str, why: str = "") -> UpstreamError:
        """Count and make an error.

        Args:
            code: a key of the table above.
            why: more, safe to show; empty for nothing.
        """
        self.tally.count_error(code)
        status, phrase = _MESSAGES[code]
        return UpstreamError(status, code, f"{phrase} {self.name}" + (f" ({why})" if why else ""))

    def given_up(self) -> UpstreamError:
        """Make the error of an exchange that this side ended; it is nobody's fault and not counted."""
        return UpstreamError(
            502, "upstream_reset", f"the exchange with {self.name} was given up on this side"
        )
