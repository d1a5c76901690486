"""A child's end of the rope: it obeys the supervisor and does not outlive it.

Law of this module: a child listens to its channel and to no signal. Ctrl-C and service managers signal every
process of a group at once, and a writer that stopped before the workers would cost exchanges. When the
supervisor dies the channel ends; should the child's loop hang just then, the kernel's alarm ends the child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def fasten(fd: int, alarm_s: float) -> socket.socket:
    """Do first in a child: ignore signals, and end `alarm_s` seconds after the supervisor at the latest.

    Args:
        fd: the descriptor of the channel, from the command line.
        alarm_s: time to finish running exchanges after the supervisor has died.

    Returns:
        The child's end of the channel; its end of file means that the supervisor is gone.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, lambda *_: signal.setitimer(signal.ITIMER_REAL, max(alarm_s, 0.001)))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGUSR2)
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
