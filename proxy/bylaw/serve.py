"""The corridor: one exchange from socket to ledger, in one function.

    accept -> route -> read -> inspect_request -> forward -> relay -> reply -> record

Routing comes before reading, because the route decides whether a body is read at all: a pass-through body
of any size crosses in constant memory.
"""

from __future__ import annotations

import asyncio

import structlog

from bylaw.errors import ClientError, Overloaded, UpstreamError
from bylaw.stages.accept import accept, begin, leave
from bylaw.stages.forward import forward
from bylaw.stages.inspect import inspect_request
from bylaw.stages.ports import Inbound, Outbound
from bylaw.stages.read import read
from bylaw.stages.record import close, declare
from bylaw.stages.relay import relay
from bylaw.stages.reply import blocked, bug, refuse, reply
from bylaw.stages.route import route
from bylaw.stages.services import Services
from bylaw.stages.tunnel import tunnel, wants_tunnel

log = structlog.get_logger("bylaw.corridor")


async def corridor(services: Services, inbound: Inbound, outbound: Outbound) -> None:
    """Walk one exchange; whatever happens, it is recorded exactly once and its upstream is let go."""
    t = begin(services, inbound, outbound)
    try:
        accept(t)
        route(t)
        await read(t)
        declare(t)
        if not await inspect_request(t):
            await blocked(t)
        elif wants_tunnel(t):
            await tunnel(t)
        else:
            await forward(t)
            await reply(t, relay(t))
    except (ClientError, UpstreamError, Overloaded) as error:
        await refuse(t, error)
    except (ConnectionError, asyncio.CancelledError):
        t.error = t.error or ("shutdown" if services.cutting else "client_abort")
        outbound.abort()
        raise
    except Exception:
        log.exception("bug", exchange=t.exchange.id)
        await bug(t)
    finally:
        leave(t)
        try:
            close(t)
        finally:
            if t.upstream is not None:
                t.upstream.release()
