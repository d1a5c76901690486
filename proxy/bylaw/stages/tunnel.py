"""WebSocket pass-through on routes that allow it: nothing of it is read, and the record says so.

Law of this stage: only a route with `websocket: true` switches; elsewhere the Upgrade field is dropped like any
other hop-by-hop field, and the request is answered as plain HTTP.
"""

from __future__ import annotations

from bylaw.content import Unread
from bylaw.stages.forward import forward
from bylaw.stages.head import passed_head
from bylaw.stages.relay import relay
from bylaw.stages.reply import reply, start
from bylaw.stages.transit import Transit

UPGRADE_FIELDS = frozenset({b"connection", b"upgrade"})
SWITCHING = 101


def wants_tunnel(t: Transit) -> bool:
    """Whether this exchange is a WebSocket handshake on a route that allows it."""
    return t.route is not None and t.route.websocket and t.inbound.upgrade == "websocket"


async def tunnel(t: Transit) -> None:
    """Switch if the provider does; relay its answer like any other if it does not."""
    t.unread.append(Unread("route", (), "websocket"))
    await forward(t)
    assert t.upstream is not None
    if t.upstream.status != SWITCHING:
        await reply(t, relay(t))
        return
    t.head = passed_head(t)
    t.head.headers += [(k, v) for k, v in t.upstream.headers if k.lower() in UPGRADE_FIELDS]
    start(t)
    await t.outbound.tunnel(t.upstream.upgrade())
