"""Entries, frames and messages survive the way out and back, and refuse everything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.ledger.entry import LEAF_BYTES_MAX, RESERVED, Entry, Role
from bylaw.ledger.frame import HEAD_BYTES, Chain, FrameError, encode_frame, parse_frame
from bylaw.ledger.protocol import (
    REST_BYTES_MAX,
    Hello,
    Inbox,
    Kind,
    ProtocolError,
    entry_message,
    hello_message,
    parse_entry,
    parse_hello,
    parse_seq,
    seq_message,
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = st.dictionaries(st.text(max_size=12).filter(lambda key: key not in RESERVED), VALUES, max_size=6)
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
LEAVES = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8)


def encode(fields, kind="outcome", exchange="x-1") -> bytes:
    return Entry(kind, exchange, fields).encode(7, 8, "b0", "w0", 9)


@given(FIELDS, ASCII)
def test_an_entry_is_what_was_recorded_plus_its_head(fields, exchange):
    found = json.loads(encode(fields, exchange=exchange))
    nonce = found.pop("nonce")
    head = {"v": 1, "type": "outcome", "exchange": exchange, "at_us": 7, "mono_us": 8}
    assert {**fields, **head, "boot": "b0", "worker": "w0", "seq": 9} == found
    assert 32 == len(nonce)


def test_an_entry_is_canonical_json():
    leaf = encode({"b": [1, {"z": None, "a": True}], "a": "é"})
    canonical = json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical.encode() == leaf


@pytest.mark.parametrize(
    "fields",
    [
        {"a": 0.5},
        {"a": [1, {"b": 1.0}]},
        {"a": float("nan")},
        {"a": b"x"},
        {"a": 2**53},
        {"a": {1: 2}},
        {"seq": 1},
    ],
)
def test_what_an_entry_cannot_hold_is_a_programmers_mistake(fields):
    with pytest.raises(ValueError):
        encode(fields)


@pytest.mark.parametrize("exchange", ["x" * 129, "é", "a\nb"])
def test_an_exchange_id_is_short_printable_ascii(exchange):
    with pytest.raises(ValueError, match="printable ASCII"):
        encode({}, exchange=exchange)


def test_lone_surrogates_from_outside_do_not_lose_the_entry():
    assert {"path": "/a?"} == {"path": json.loads(encode({"path": "/a\udc80"}))["path"]}


def test_a_large_entry_keeps_as_many_steps_as_fit():
    leaf = encode(
        {"decision": "allow", "steps": [{"step": f"s{number}", "pad": "x" * 90} for number in range(2000)]}
    )
    found = json.loads(leaf)
    kept = len(found["steps"])
    assert (True, "allow", f"s{kept - 1}") == (
        found["truncated"],
        found["decision"],
        found["steps"][-1]["step"],
    )
    assert LEAF_BYTES_MAX - 120 < len(leaf) <= LEAF_BYTES_MAX


def test_a_large_entry_drops_its_largest_fields_and_names_them():
    found = json.loads(
        encode({"decision": "blocked", "notes": "n" * 40_000, "other": "o" * 50_000, "route": "/v1/"})
    )
    assert (["other"], "blocked", "/v1/", 40_000) == (
        found["dropped"], found["decision"], found["route"], len(found["notes"]),
    )  # fmt: skip


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=300), max_size=3), st.integers(1, 4))
def test_an_entry_of_any_size_fits(fields, factor):
    fields = {key: value * factor * 100 for key, value in fields.items() if key not in RESERVED}
    assert len(encode({**fields, "decision": "d" * 70_000})) <= LEAF_BYTES_MAX


@given(LEAVES, st.integers(0, 2**63), st.binary(min_size=32, max_size=32))
def test_a_frame_is_read_as_it_was_written(leaves, first_index, prev):
    data, link = encode_frame(leaves, first_index, 5, 6, prev)
    frame = parse_frame(b"junk" + data, 4)
    assert (4, 4 + len(data), first_index, 5, 6, prev, link, leaves) == tuple(frame)


@given(LEAVES, st.data())
def test_no_changed_bit_of_a_frame_goes_unseen(leaves, data):
    frame, _ = encode_frame(leaves, 3, 5, 6, bytes(32))
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        parse_frame(bytes(changed), 0)


@given(LEAVES, st.data())
def test_a_frame_cut_short_says_so(leaves, data):
    frame, _ = encode_frame(leaves, 3, 5, 6, bytes(32))
    with pytest.raises(FrameError) as caught:
        parse_frame(frame[: data.draw(st.integers(0, len(frame) - 1))], 0)
    assert caught.value.short


def test_a_chain_accepts_only_the_next_frame():
    chain = Chain(0, bytes(32))
    first, link = encode_frame([b"a", b"b"], 0, 1, 1, bytes(32))
    chain.accept(parse_frame(first, 0))
    assert (2, link) == (chain.next_index, chain.link)
    for index, prev, reason in [(3, link, "entry 3 follows where entry 2 belongs"), (2, bytes(32), "link")]:
        frame, _ = encode_frame([b"c"], index, 1, 1, prev)
        with pytest.raises(FrameError, match=reason):
            chain.accept(parse_frame(frame, 0))


def test_the_head_of_a_frame_is_68_bytes():
    assert (68, b"BYL1") == (HEAD_BYTES, encode_frame([b"x"], 0, 0, 0, bytes(32))[0][:4])


@given(
    st.lists(st.tuples(st.integers(1, 2**60), ASCII, st.binary(min_size=1, max_size=99)), max_size=6),
    st.data(),
)
def test_messages_arrive_however_the_stream_is_cut(entries, data):
    stream = b"".join(entry_message(seq, Role.OPENS, exchange, leaf) for seq, exchange, leaf in entries)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    inbox, found = Inbox(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += [parse_entry(rest) for kind, rest in inbox.feed(stream[start:end]) if kind == Kind.ENTRY]
    assert [(seq, Role.OPENS, exchange, leaf) for seq, exchange, leaf in entries] == found


def test_a_message_longer_than_any_can_be_is_refused_before_it_is_kept():
    with pytest.raises(ProtocolError, match="a message of"):
        list(Inbox().feed((REST_BYTES_MAX + 1).to_bytes(4, "big") + b"\x03"))


def test_hello_and_nack_are_read_as_they_were_written():
    hello = Hello("b0", "w0", "strict", 5)
    assert hello == parse_hello(hello_message(hello)[5:])
    assert (7, "full") == parse_seq(seq_message(Kind.NACK, 7, "full")[5:])


@pytest.mark.parametrize(
    "hello",
    [Hello("b0", "writer", "strict", 1), Hello("b 0", "w0", "strict", 1), Hello("b0", "w0", "strict", 0),
     Hello("b0", "w" * 33, "strict", 1)],
)  # fmt: skip
def test_a_hello_with_names_out_of_bounds_is_refused(hello):
    with pytest.raises(ProtocolError, match="malformed hello"):
        parse_hello(hello_message(hello)[5:])


@pytest.mark.parametrize("rest", [b"", b"{}", b"[]", b"1", b'{"boot":1}'])
def test_a_hello_that_is_none_is_refused(rest):
    with pytest.raises(ProtocolError):
        parse_hello(rest)


@pytest.mark.parametrize(
    "rest", [b"", bytes(9), bytes(10), bytes(8) + b"\x09\x00x", bytes(8) + b"\x00\x01\xffx"]
)
def test_an_entry_message_that_is_none_is_refused(rest):
    with pytest.raises(ProtocolError):
        parse_entry(rest)
