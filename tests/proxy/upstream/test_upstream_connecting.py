"""Getting a connection: addresses that race, refusal, names, and limits."""

import asyncio
import socket
import time

import pytest
from upstream_kit import answer, fetch, on_both_loops

from bylaw.errors import UpstreamError
from bylaw.limits import Limits
from bylaw.upstream import UpstreamClient, dial

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def deaf_port():
    """A port whose queue of connections is full: connecting hangs."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    yield listener.getsockname()[1]
    for sock in (*fillers, listener):
        sock.close()


@on_both_loops
async def test_a_refused_connection_is_unreachable_and_names_no_address(kit):
    client = kit.connect(f"http://localhost:{closed_port()}", name="openai")
    with pytest.raises(UpstreamError) as caught:
        await fetch(client)
    assert (502, "upstream_unreachable", "cannot connect to openai") == (
        caught.value.status, caught.value.code, caught.value.message,
    )  # fmt: skip
    assert ({"upstream_unreachable": 1}, 0, 0) == (client.tally.errors, client.tally.opened, client.in_use)


@on_both_loops
async def test_an_unknown_name_is_unreachable(kit):
    with pytest.raises(
        UpstreamError, match=r"502 upstream_unreachable: cannot connect to no-such-host\.invalid"
    ):
        await fetch(kit.connect("http://no-such-host.invalid"))


@on_both_loops
async def test_connecting_has_its_limit(kit, deaf_port):
    client, begin = kit.connect(f"http://127.0.0.1:{deaf_port}", connect_ms_max=80), time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        await fetch(client)
    assert (504, "upstream_connect_timeout", True) == (
        caught.value.status, caught.value.code, time.monotonic() - begin < 1,
    )  # fmt: skip


@on_both_loops
async def test_a_connection_that_is_closed_at_once_is_an_error_and_not_a_hang(kit):
    async def slam(reader, writer):
        writer.transport.abort()

    _, client = await kit.pair(slam)
    for _ in range(20):
        with pytest.raises(UpstreamError, match="upstream_reset"):
            await fetch(client)
    assert (0, 0) == (client.in_use, client.resting)


class SlowToNotice(UpstreamClient):
    """The event loop is busy between connecting and the first request."""

    async def _handshake(self):
        connection = await super()._handshake()
        await asyncio.sleep(0.05)
        return connection


@on_both_loops
async def test_a_connection_that_was_lost_before_its_first_request_is_an_error(kit):
    async def slam(reader, writer):
        writer.transport.abort()

    client = SlowToNotice((await kit.serve(slam)).url, Limits())
    with pytest.raises(UpstreamError, match="upstream_reset"):
        await fetch(client)
    assert (0, 0) == (client.in_use, client.tally.opened)


def test_families_take_turns_beginning_with_the_resolvers_choice():
    six = [(socket.AF_INET6, (f"::{i}", 1, 0, 0)) for i in range(3)]
    four = [(socket.AF_INET, (f"127.0.0.{i}", 1)) for i in range(2)]
    assert [six[0], four[0], six[1], four[1], six[2]] == dial.interleave([*six, *four])
    assert [four[0], six[0], four[1]] == dial.interleave([*four, six[0]])
    assert four == dial.interleave(four)


async def test_a_refusing_address_gives_way_to_the_next_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        begin = time.monotonic()
        addresses = [(socket.AF_INET, ("127.0.0.2", closed_port())), (socket.AF_INET, ("127.0.0.1", port))]
        sock = await dial._race(addresses)
        assert (("127.0.0.1", port), True) == (sock.getpeername(), time.monotonic() - begin < 0.2)
        sock.close()


async def test_a_hanging_address_is_overtaken_after_a_quarter_second(deaf_port):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        good = listener.getsockname()
        begin = time.monotonic()
        sock = await dial._race([(socket.AF_INET, ("127.0.0.1", deaf_port)), (socket.AF_INET, good)])
        took = time.monotonic() - begin
        assert (good, True) == (sock.getpeername(), 0.2 < took < 0.6)
        assert 1 == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.close()


async def test_when_all_addresses_fail_the_last_error_is_told(deaf_port):
    refused = [(socket.AF_INET, ("127.0.0.1", closed_port())) for _ in range(3)]
    with pytest.raises(ConnectionRefusedError):
        await dial._race(refused)


@on_both_loops
async def test_a_name_with_several_addresses_connects(kit):
    server = await kit.serve(answer(HELLO))
    assert (200, b"hello") == await fetch(kit.connect(f"http://localhost:{server.port}"))
