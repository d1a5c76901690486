"""The WebSocket echo, driven by aiohttp's client."""

import aiohttp
import pytest

from bylaw_loadtest.upstream import ScriptedUpstream


@pytest.fixture
async def socket():
    async with (
        ScriptedUpstream() as up,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{up.url}/v1/realtime?model=m", protocols=("realtime", "other")) as socket,
    ):
        yield socket


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 1_000_000])
async def test_binary_frames_of_every_length_form_come_back(socket, size):
    payload = bytes(range(256)) * (size // 256 + 1)
    await socket.send_bytes(payload[:size])
    assert payload[:size] == await socket.receive_bytes()


async def test_text_comes_back_and_the_first_subprotocol_is_taken(socket):
    await socket.send_str("grüß dich 😀")
    assert "grüß dich 😀" == await socket.receive_str()
    assert "realtime" == socket.protocol


async def test_a_ping_is_answered_and_a_close_is_returned(socket):
    await socket.ping(b"?")
    await socket.send_str("after")
    assert "after" == await socket.receive_str()
    await socket.close(code=4001)
    assert 4001 == socket.close_code


async def test_an_unmasked_frame_is_a_protocol_error(socket):
    socket._writer.transport.write(b"\x81\x02hi")
    message = await socket.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1002)


async def test_an_upgrade_elsewhere_is_ignored_and_the_next_request_is_answered():
    async with ScriptedUpstream() as up, aiohttp.ClientSession() as session:
        headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
        for _ in range(2):
            async with session.get(f"{up.url}/echo", headers=headers) as reply:
                assert "GET" == (await reply.json())["method"]
