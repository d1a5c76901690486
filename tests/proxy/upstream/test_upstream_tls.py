"""TLS with authorities of our own: verified, or not spoken."""

import asyncio
import os
import shutil
import ssl
import subprocess

import pytest
from upstream_kit import answer, answer_and_wait, fetch, on_both_loops, pieces, read_request, until

from bylaw.errors import UpstreamError

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl command makes the certificates"
)
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with ca.pem, and certificates for localhost (good) and other.example (wrong name)."""
    folder = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=Test CA",
        *ca,
        cwd=folder,
    )
    for name, host in (("good", "localhost"), ("wrong", "other.example")):
        (folder / "ext").write_text(f"subjectAltName=DNS:{host}\nauthorityKeyIdentifier=keyid\n")
        openssl(
            "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}", cwd=folder
        )
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "ext", "-out", f"{name}.pem", cwd=folder,
        )  # fmt: skip
    return folder


def server_context(folder, name="good"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def tls_pair(kit, folder, script, name="good", trusted=True, **limits):
    server = await kit.serve(script, server_context(folder, name))
    url = f"https://localhost:{server.port}"
    return server, kit.connect(url, ca_file=str(folder / "ca.pem") if trusted else None, **limits)


@on_both_loops
async def test_exchanges_over_tls_reuse_one_connection_and_speak_http_1(kit, authority):
    spoken = []

    async def script(reader, writer):
        spoken.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answer_and_wait(HELLO, HELLO, HELLO)(reader, writer)

    server, client = await tls_pair(kit, authority, script)
    assert [(200, b"hello")] * 3 == [await fetch(client, "POST", b"x" * 200_000) for _ in range(3)]
    assert (1, ["http/1.1"]) == (server.connections, spoken)


@on_both_loops
async def test_the_server_name_is_sent(kit, authority):
    asked, context = [], server_context(authority)
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = await kit.serve(answer(HELLO), context)
    await fetch(kit.connect(f"https://localhost:{server.port}", ca_file=str(authority / "ca.pem")))
    assert ["localhost"] == asked


@pytest.mark.parametrize(
    ("name", "trusted", "why"),
    [("good", False, "unable to get local issuer certificate"), ("wrong", True, "Hostname mismatch")],
)
@on_both_loops
async def test_a_certificate_that_does_not_prove_the_name_is_refused(kit, authority, name, trusted, why):
    _, client = await tls_pair(kit, authority, answer(HELLO), name, trusted)
    with pytest.raises(UpstreamError, match=why) as caught:
        await fetch(client)
    assert (502, "upstream_unreachable", 0) == (caught.value.status, caught.value.code, client.tally.opened)


@on_both_loops
async def test_a_server_without_tls_is_unreachable(kit, authority):
    async def script(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    server = await kit.serve(script)
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        await fetch(kit.connect(f"https://localhost:{server.port}", ca_file=str(authority / "ca.pem")))


@on_both_loops
async def test_the_handshake_counts_as_connecting_and_leaves_no_descriptor_open(kit, authority):
    async def deaf(reader, writer):
        await reader.read()
        await asyncio.sleep(5)

    server = await kit.serve(deaf)
    client = kit.connect(
        f"https://localhost:{server.port}", ca_file=str(authority / "ca.pem"), connect_ms_max=60
    )
    with pytest.raises(UpstreamError, match="upstream_connect_timeout"):
        await fetch(client)
    await asyncio.sleep(0.05)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(UpstreamError, match="upstream_connect_timeout"):
            await fetch(client)
    await asyncio.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) - before <= 5  # the server's ends, which it keeps open


@on_both_loops
async def test_a_body_that_lasts_until_the_close(kit, authority):
    _, client = await tls_pair(kit, authority, answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000))
    assert (200, b"x" * 300_000) == await fetch(client)


@on_both_loops
async def test_an_early_close_is_a_reset(kit, authority):
    _, client = await tls_pair(kit, authority, answer(HELLO[:-1]))
    with pytest.raises(UpstreamError, match="upstream_reset"):
        await fetch(client)


@on_both_loops
async def test_a_large_upload_and_download_with_back_pressure(kit, authority):
    async def script(reader, writer):
        _, body = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await reader.read()

    _, client = await tls_pair(kit, authority, script)
    reply = await client.open("POST", "/", [], pieces(*[b"abcdefgh" * 10_000] * 50), None)
    total = 0
    async for piece in reply.chunks():
        total += len(piece)
        await asyncio.sleep(0)
    assert (4_000_000, 1) == (total, client.resting)


@on_both_loops
async def test_cancelling_is_seen_by_the_server(kit, authority):
    server, client = await tls_pair(kit, authority, answer_and_wait(b""))
    task = asyncio.create_task(fetch(client))
    await until(lambda: server.connections == 1)
    await asyncio.sleep(0.02)
    task.cancel()
    await until(server.tasks[0].done)
    assert 0 == client.in_use


@on_both_loops
async def test_a_tunnel_over_tls_ends_with_the_upstream(kit, authority):
    async def script(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        writer.write(await reader.readexactly(4))

    _, client = await tls_pair(kit, authority, script)
    reply = await client.open("GET", "/", [(b"Upgrade", b"x"), (b"Connection", b"Upgrade")], b"", 0)
    tunnel = reply.upgrade()
    await tunnel.write(b"ping")
    tunnel.write_eof()
    assert [b"ping", b""] == [await tunnel.read(), await tunnel.read()]
    tunnel.close()


@on_both_loops
async def test_two_hundred_exchanges_at_once(kit, authority):
    async def script(reader, writer):
        while True:
            await read_request(reader)
            writer.write(HELLO)

    server, client = await tls_pair(kit, authority, script, pool_max=8)

    async def worker():
        return [await fetch(client) for _ in range(25)]

    results = await asyncio.gather(*(worker() for _ in range(8)))
    assert ([[(200, b"hello")] * 25] * 8, 8, {}) == (results, server.connections, client.tally.errors)
