"""The address that the workers share."""

import socket

import pytest

from bylaw.errors import ConfigError
from bylaw.supervise import port
from bylaw.supervise.port import reserve


def listener(address):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen()
    return sock


def test_workers_bind_the_reserved_port_and_get_every_connection():
    with (
        reserve("127.0.0.1", 0) as held,
        listener(held.getsockname()) as one,
        listener(held.getsockname()) as two,
    ):
        one.setblocking(False)
        two.setblocking(False)
        clients = [socket.create_connection(held.getsockname()) for _ in range(20)]
        accepted = []
        for sock in (one, two):
            try:
                while True:
                    accepted.append(sock.accept()[0])
            except BlockingIOError:
                pass
        assert 20 == len(accepted)
        for each in (*clients, *accepted):
            each.close()


def test_the_reserved_port_does_not_accept_by_itself():
    with reserve("127.0.0.1", 0) as held, pytest.raises(ConnectionRefusedError):
        socket.create_connection(held.getsockname())


def test_two_houses_do_not_share_a_port_unawares(monkeypatch):
    monkeypatch.setattr(port, "PATIENCE_S", 0.1)
    with reserve("127.0.0.1", 0) as held:
        taken = held.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            reserve("127.0.0.1", taken)
    assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" == str(error.value)


def test_connections_that_linger_do_not_keep_the_port():
    with reserve("127.0.0.1", 0) as held:
        address = held.getsockname()
        with listener(address) as server:
            client = socket.create_connection(address)
            accepted, _ = server.accept()
            accepted.close()  # this side closes first and stays in TIME_WAIT
            client.close()
    reserve(*address).close()


def test_an_address_that_is_not_ours_is_the_operators_error():
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        reserve("192.0.2.1", 0)


def test_a_name_that_does_not_resolve_is_the_operators_error():
    with pytest.raises(ConfigError, match=r"cannot listen on no-such-host\.invalid:0"):
        reserve("no-such-host.invalid", 0)
