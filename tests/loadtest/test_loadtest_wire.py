"""What the scripted server puts on the wire, read as raw bytes: framing, faults, pace."""

import asyncio
import hashlib
import json
import zlib

import brotli
import pytest
import zstandard

from bylaw_loadtest.upstream import Script, ScriptedUpstream, pattern, script_header

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def up():
    async with ScriptedUpstream() as up:
        yield up


def post(path, body, *head):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *head, "", ""]
    return "\r\n".join(lines).encode() + body


def chat(script, *head, **asked):
    (text,) = script_header(**script).values()
    return post("/v1/chat/completions", json.dumps(CHAT | asked).encode(), f"X-Script: {text}", *head)


async def raw(up, request):
    """All bytes until the server closes, and whether it reset the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", up.port)
    writer.write(request)
    got = b""
    try:
        while piece := await reader.read(65536):
            got += piece
        return got, False
    except ConnectionResetError:
        return got + bytes(reader._buffer), True
    finally:
        writer.close()


async def closed(up, script, **asked):
    return (await raw(up, chat(script, "Connection: close", **asked)))[0]


def dechunked(reply):
    head, _, rest = reply.partition(b"\r\n\r\n")
    chunks = []
    while (size := int(rest.partition(b"\r\n")[0], 16)) != 0:
        rest = rest.partition(b"\r\n")[2]
        chunks.append(rest[:size])
        rest = rest[size + 2 :]
    assert b"0\r\n\r\n" == rest
    return head, b"".join(chunks), chunks


async def test_the_same_request_gets_the_same_bytes(up):
    assert await closed(up, {"words": 9}) == await closed(up, {"words": 9})


async def test_each_event_of_a_stream_is_one_chunk(up):
    head, body, chunks = dechunked(await closed(up, {"answer": "a b c"}, stream=True))
    assert b"transfer-encoding: chunked" in head.lower()
    assert (6, 6) == (len(chunks), body.count(b"\n\n"))
    assert body.endswith(b"data: [DONE]\n\n")


async def test_lines_end_as_the_script_says(up):
    _, body, _ = dechunked(await closed(up, {"line_ending": "crlf"}, stream=True))
    assert body.count(b"\n") == body.count(b"\r\n")


async def test_ascii_writes_escapes_that_mean_the_same(up):
    utf8 = (await closed(up, {"answer": "ä😀"})).partition(b"\r\n\r\n")[2]
    ascii_only = (await closed(up, {"answer": "ä😀", "ascii": True})).partition(b"\r\n\r\n")[2]
    assert rb"\u00e4\ud83d\ude00" in ascii_only
    assert json.loads(utf8) == json.loads(ascii_only)


@pytest.mark.parametrize(
    ("encoding", "decoder"),
    [
        ("gzip", lambda: zlib.decompressobj(31).decompress),
        ("deflate", lambda: zlib.decompressobj(15).decompress),
        ("br", lambda: brotli.Decompressor().process),
        ("zstd", lambda: zstandard.ZstdDecompressor().decompressobj().decompress),
    ],
)
async def test_a_coded_stream_can_be_read_event_by_event(up, encoding, decoder):
    reply = await closed(up, {"answer": "a b", "encoding": encoding}, stream=True)
    head, _, chunks = dechunked(reply)
    decode = decoder()
    events = [decode(chunk) for chunk in chunks]
    assert f"Content-Encoding: {encoding}".encode() in head
    assert (5, [b"\n\n"] * 5, b"data: [DONE]\n\n") == (len(events), [e[-2:] for e in events], events[-1])


async def test_a_slow_body_leaves_in_pieces(up):
    _, body, chunks = dechunked(await closed(up, {"answer": "a b", "slow_body": 7}, stream=True))
    assert -(-len(body) // 7) == len(chunks)


async def test_a_body_framed_by_close_has_no_length(up):
    reply, reset = await raw(up, chat({"framing": "close", "answer": "x"}))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert (False, False) == (b"content-length" in head.lower(), reset)
    assert "x" == json.loads(body)["choices"][0]["message"]["content"]


async def test_http_1_0_gets_no_chunks(up):
    reply, _ = await raw(up, chat({"answer": "x"}, stream=True).replace(b" HTTP/1.1", b" HTTP/1.0", 1))
    assert b"chunked" not in reply
    assert reply.endswith(b"data: [DONE]\n\n")


async def test_a_reset_comes_after_its_events(up):
    reply, reset = await raw(up, chat({"answer": "a b c", "reset_after_events": 2}, stream=True))
    assert (2, True) == (reply.count(b"data: "), reset)


@pytest.mark.parametrize(("after", "starts"), [(-1, b""), (0, b"HTTP/1.1 200 OK")])
async def test_a_reset_may_come_before_the_head_or_the_body(up, after, starts):
    reply, reset = await raw(up, chat({"reset_after_events": after}))
    assert (True, starts, b"") == (reset, reply[:15], reply.partition(b"\r\n\r\n")[2])


async def test_a_close_breaks_off_in_the_middle_of_the_framing(up):
    reply, reset = await raw(up, chat({"answer": "a b c", "close_after_events": 3}, stream=True))
    assert (3, False, False) == (reply.count(b"data: "), reset, reply.endswith(b"0\r\n\r\n"))


async def test_a_close_of_a_plain_reply_leaves_it_short(up):
    reply, _ = await raw(up, chat({"slow_body": 100, "close_after_events": 1}))
    head, _, body = reply.partition(b"\r\n\r\n")
    announced = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert 100 == len(body) < announced


async def test_an_early_end_is_well_framed_and_has_no_done(up):
    _, body, chunks = dechunked(await closed(up, {"answer": "a b c", "end_after_events": 3}, stream=True))
    assert (3, False) == (len(chunks), b"[DONE]" in body)


async def test_broken_json_keeps_the_framing(up):
    _, body, _ = dechunked(await closed(up, {"malformed": "sse_json"}, stream=True))
    events = [event.removeprefix(b"data: ") for event in body.split(b"\n\n")[:-2]]
    broken = 0
    for event in events:
        try:
            json.loads(event)
        except ValueError:
            broken += 1
    assert 1 == broken


async def test_a_broken_chunk_size_follows_one_good_chunk(up):
    reply, _ = await raw(up, chat({"malformed": "http_framing"}, stream=True))
    assert (1, True) == (reply.count(b"data: "), b"\r\nzz\r\n" in reply)


async def test_a_wrong_content_length_announces_more_than_comes(up):
    reply, _ = await raw(up, chat({"malformed": "content_length"}))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert len(body) + 16 == int(head.lower().partition(b"content-length: ")[2].split()[0])


async def test_a_garbage_head_is_no_http(up):
    reply, _ = await raw(up, chat({"malformed": "garbage_head"}))
    assert reply.startswith(b"\x00\xff")


async def test_headers_of_the_script_keep_order_and_duplicates(up):
    head = (await closed(up, {"headers": [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]})).lower()
    assert b"set-cookie: a=1\r\nset-cookie: b=2\r\n" in head


async def test_delays_are_kept(up):
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    await closed(up, {"answer": "a b", "first_delay_ms": 60, "chunk_delay_ms": 20}, stream=True)
    assert 0.13 < loop.time() - started_s < 1.0


async def test_pipelined_requests_are_answered_in_order(up):
    slow = chat({"answer": "first", "first_delay_ms": 30})
    reply, _ = await raw(up, slow + chat({"answer": "second"}, "Connection: close"))
    assert 0 < reply.index(b"first") < reply.index(b"second")


async def test_a_broken_request_is_refused(up):
    reply, _ = await raw(up, b"NOT HTTP\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages": "no list"}'])
async def test_a_chat_without_messages_is_refused(up, body):
    reply, _ = await raw(up, post("/v1/chat/completions", body, "Connection: close"))
    assert reply.startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_leaves_is_recorded(up):
    up.script = Script.of(words=100, chunk_delay_ms=20)
    reader, writer = await asyncio.open_connection("127.0.0.1", up.port)
    writer.write(chat({}, stream=True))
    await reader.readuntil(b"data: ")
    writer.close()
    await up.until(lambda: up.requests[0].disconnected_s)
    request = up.requests[0]
    assert (None, True) == (request.replied_s, request.disconnected_s > request.received_s)


async def test_until_gives_up(up):
    with pytest.raises(TimeoutError):
        await up.until(lambda: False, timeout_s=0.01)


async def test_requests_are_recorded_as_sent_and_bounded():
    async with ScriptedUpstream(requests_max=2) as up:
        for at in range(3):
            await raw(up, post(f"/echo/{at}?q=%41", b"body", "X-TwIcE: 1", "x-twice: 2", "Connection: close"))
        assert (2, 3) == (len(up.requests), up.requests.total)
        last = up.requests[-1]
        assert (b"/echo/2?q=%41", b"body", 4) == (last.target, last.body, last.body_bytes)
        assert [(b"X-TwIcE", b"1"), (b"x-twice", b"2")] == last.headers[2:4]


async def test_the_record_is_read_and_cleared_over_http(up):
    await raw(up, post("/echo", b"\xffbody", "Connection: close"))
    kept, _ = await raw(up, b"GET /_requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await raw(up, b"DELETE /_requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    (record,) = json.loads(kept.partition(b"\r\n\r\n")[2])
    assert ("POST", "/echo", "/2JvZHk=") == (record["method"], record["target"], record["body_base64"])
    assert 0 == len(up.requests)


async def test_the_echo_tells_what_arrived(up):
    reply, _ = await raw(up, post("/anything/else", b"abc", "X-A: b", "Connection: close"))
    echoed = json.loads(reply.partition(b"\r\n\r\n")[2])
    assert ("POST", "/anything/else", "abc") == (echoed["method"], echoed["target"], echoed["body"])
    assert ["X-A", "b"] in echoed["headers"]


async def test_an_upload_is_counted_and_not_kept(up):
    body = b"".join(pattern(300_000))
    reply, _ = await raw(up, post("/upload", body, "Expect: 100-continue", "Connection: close"))
    assert reply.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    counted = json.loads(reply.rpartition(b"\r\n\r\n")[2])
    assert {"bytes": 300_000, "sha256": hashlib.sha256(body).hexdigest()} == counted
    assert (b"", 300_000) == (up.requests[0].body, up.requests[0].body_bytes)


async def test_a_download_survives_a_slow_reader(up):
    count = 5_000_000
    reader, writer = await asyncio.open_connection("127.0.0.1", up.port, limit=4096)
    writer.write(f"GET /download?bytes={count} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await asyncio.sleep(0.05)
    assert up.requests[0].replied_s is None
    reply = await reader.read()
    writer.close()
    assert b"".join(pattern(count)) == reply.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("path", ["/download?bytes=3", "/v1/models"])
async def test_head_gets_the_head_alone(up, path):
    reply, _ = await raw(up, f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert (True, b"") == (b"Content-Length: " in reply, reply.partition(b"\r\n\r\n")[2])
