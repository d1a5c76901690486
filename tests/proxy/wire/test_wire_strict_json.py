"""Strict JSON: what two parsers could read differently is refused."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bylaw.wire.errors import WireError
from bylaw.wire.strict_json import parse, parse_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_reads_what_json_loads_reads(value, ascii_, indent):
    body = json.dumps(value, ensure_ascii=ascii_, indent=indent).encode()
    assert json.loads(body) == parse(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"  ", "invalid_json"),
        (b"{", "invalid_json"),
        (b"{} x", "invalid_json"),
        (b"{}\0", "invalid_json"),
        (b"\0{}", "invalid_json"),
        (b'{"a":1,}', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b"[01]", "invalid_json"),
        (b"[1.]", "invalid_json"),
        (b"[+1]", "invalid_json"),
        (b"{} //", "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'"a\nb"', "invalid_json"),
        (b'"a\x00b"', "invalid_json"),
        (b'"\\x41"', "invalid_json"),
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"x":[{"a":1,"\\u0061":2}]}', "duplicate_key"),
        (b'"\xff"', "invalid_utf8"),
        (b'"\xed\xa0\xbd"', "invalid_utf8"),
        (b'"\xc0\xaf"', "invalid_utf8"),
        (b'"\\ud83d"', "lone_surrogate"),
        (b'"\\uDE42"', "lone_surrogate"),
        (b'{"\\ud83d":1}', "lone_surrogate"),
        (b'"\\ud83dx\\ude42"', "lone_surrogate"),
        (b"[NaN]", "not_a_number"),
        (b"[Infinity]", "not_a_number"),
        (b"[-Infinity]", "not_a_number"),
        (b"[1e999]", "too_large_number"),
        (b"[-1e999]", "too_large_number"),
        (b"[" + b"9" * 309 + b"]", "too_large_number"),
        (b"[" + b"9" * 5000 + b"]", "too_large_number"),
        (b"[" * 129 + b"]" * 129, "too_deep"),
        (b"[" * 2_000_000, "too_deep"),
        (b'{"a":' * 129 + b"1" + b"}" * 129, "too_deep"),
    ],
)
def test_refuses_with_one_code(body, code):
    with pytest.raises(WireError) as caught:
        parse(body)
    assert code == caught.value.code


@pytest.mark.parametrize(
    "body",
    [b'"\\ud83d\\ude42"', b'"\\\\ud83d"', b"[" * 128 + b"]" * 128, b' \r\n\t{"a" : 1.5e3} \n', b'"{[{[{["'],
)
def test_accepts_what_only_looks_suspicious(body):
    assert json.loads(body) == parse(body)


def test_brackets_in_a_string_are_no_depth():
    assert ["{[" * 500] == parse(json.dumps(["{[" * 500]).encode())


def test_half_pairs_pass_where_the_texts_are_joined_later():
    assert {"a": "\ud83d"} == parse_text('{"a":"\\ud83d"}', lone_surrogates=True)


def test_a_megabyte_takes_linear_time():
    def seconds(size: int) -> float:
        body = json.dumps([{"role": "user", "content": "{[" * 100}] * size).encode()
        start = time.process_time()
        parse(body)
        return time.process_time() - start

    seconds(100)
    assert seconds(4000) < 40 * max(seconds(400), 0.0005)
