"""Proxy keys: where a request carries one, and whom it belongs to."""

from __future__ import annotations

import hashlib

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.callers import KEY_CHARS_MAX, Caller, CallerEntry, Callers, present_key
from bylaw.plan.typed import build


def sha(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def entry(**values) -> CallerEntry:
    return build(CallerEntry, values)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"bylaw-key": "anything"}, "anything"),
        ({"bylaw-key": " bylaw_1 "}, "bylaw_1"),
        ({"bylaw-key": ""}, None),
        ({"authorization": "Bearer bylaw_1"}, "bylaw_1"),
        ({"authorization": "bearer  bylaw_1 "}, "bylaw_1"),
        ({"authorization": "Bearer sk-provider"}, None),
        ({"authorization": "Basic bylaw_1"}, None),
        ({"authorization": "bylaw_1"}, None),
        ({"x-api-key": "bylaw_1"}, "bylaw_1"),
        ({"x-api-key": "sk-ant-provider"}, None),
        ({"api-key": "bylaw_1"}, "bylaw_1"),
        ({"bylaw-key": "bylaw_1", "authorization": "Bearer bylaw_2"}, "bylaw_1"),
        ({"authorization": "Bearer sk-provider", "x-api-key": "bylaw_1"}, "bylaw_1"),
    ],
)
def test_a_key_is_found_where_sdks_put_one(headers, key):
    assert key == present_key(headers.get)


def test_a_known_key_is_its_caller():
    callers = Callers({"app": entry(key_sha256=sha("k"), tenant="acme", jurisdictions=["EU"], trusted=True)})
    assert Caller("app", "acme", frozenset({"EU"}), True) == callers.find("k")


@pytest.mark.parametrize("key", ["", "K", "k ", "x" * (KEY_CHARS_MAX + 1), "\udcff", "\u00e9", sha("k")])
def test_an_unknown_key_is_nobody(key):
    assert None is Callers({"app": entry(key_sha256=sha("k"))}).find(key)


def test_a_key_is_bounded_before_it_is_hashed():
    keys = ["x" * KEY_CHARS_MAX, "x" * (KEY_CHARS_MAX + 1)]
    callers = Callers({"app": entry(key_sha256=[sha(key) for key in keys])})
    assert [True, False] == [callers.find(key) is not None for key in keys]


def test_while_keys_are_rotated_both_are_known():
    callers = Callers({"app": entry(key_sha256=[sha("old"), sha("new")])})
    assert ("app", "app") == (callers.find("old").name, callers.find("new").name)


def test_a_digest_may_be_written_in_capitals():
    assert "app" == Callers({"app": entry(key_sha256=sha("k").upper())}).find("k").name


def test_a_caller_is_found_by_name_and_the_anonymous_one_is_not():
    callers = Callers({"app": entry(key_sha256=sha("k"))})
    assert ("app", None) == (callers.named("app").name, callers.named("anonymous"))


def test_no_callers_are_false():
    assert (False, True) == (bool(Callers({})), bool(Callers({"app": entry(key_sha256=sha("k"))})))


@pytest.mark.parametrize("value", ["bylaw_my_secret_key", sha("k")[:-1], sha("k") + "0", "g" * 64, "", []])
def test_what_is_no_digest_is_refused_and_not_repeated(value):
    with pytest.raises(ConfigError) as caught:
        entry(key_sha256=value)
    assert "key_sha256" in str(caught.value)
    assert not value or value not in str(caught.value)
