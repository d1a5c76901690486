"""Secrets by reference: nothing that could be shown ever shows one."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from bylaw.errors import ConfigError, Place
from bylaw.plan.references import SECRET_BYTES_MAX, Secret, SecretRef
from bylaw.plan.source import parse
from bylaw.plan.typed import build

TOKEN = "sk-live-0123456789"


def ref(text: str, file: str = "/etc/bylaw.yaml") -> SecretRef:
    return build(SecretRef, parse(text, file, "upstreams.openai.key"))


def test_an_environment_variable_is_followed():
    assert TOKEN == ref("env:OPENAI_API_KEY").resolve({"OPENAI_API_KEY": TOKEN}).reveal()


def test_a_file_is_taken_from_the_folder_of_the_configuration(tmp_path):
    (tmp_path / "key").write_text(TOKEN + "\n")
    assert TOKEN == ref("file:key", str(tmp_path / "bylaw.yaml")).resolve({}).reveal()


def test_a_file_outside_of_files_is_taken_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(TOKEN + "\r\n")
    assert TOKEN == ref("file:key", "environment variable X").resolve({}).reveal()


def test_nothing_shows_a_secret():
    secret = Secret(TOKEN, "env:KEY")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr([secret]),
        repr({"k": secret}),
    ]
    assert [True] * len(shown) == ["Secret(env:KEY)" in text and TOKEN not in text for text in shown]


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_does_not_travel(act):
    with pytest.raises(TypeError, match="a secret is not copied or pickled"):
        act(Secret(TOKEN, "env:KEY"))


def test_secrets_are_compared_by_value_and_are_no_keys():
    assert Secret(TOKEN, "env:A") == Secret(TOKEN, "file:b")
    assert Secret(TOKEN, "env:A") != Secret("other", "env:A")
    assert Secret(TOKEN, "env:A") != TOKEN
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(TOKEN, "env:A"))


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"env:{TOKEN}",
        f"ENV:{TOKEN}",
        f"env: {TOKEN}",
        f"'{TOKEN}'",
        f"[{TOKEN}]",
        f"{{{TOKEN}: 1}}",
        "123456",
    ],
)
def test_an_inline_secret_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError) as caught:
        ref(text)
    everything = "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("/etc/bylaw.yaml:1: upstreams.openai.key")
    assert TOKEN not in everything.replace(f"ref({text!r})", "") and "123456" not in str(caught.value)


def test_the_refusal_says_how_to_write_it():
    with pytest.raises(ConfigError, match=r"write `env:NAME` \(an environment variable\) or `file:PATH`"):
        ref(TOKEN)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "the environment variable KEY is not set"),
        ({"KEY": ""}, "env:KEY is empty"),
        ({"KEY": "two\nlines"}, "env:KEY is not one line of visible ASCII characters"),
        ({"KEY": " padded"}, "env:KEY is not one line of visible ASCII characters"),
        ({"KEY": "\u00e9"}, "env:KEY is not one line of visible ASCII characters"),
    ],
)
def test_a_variable_that_cannot_be_a_header_is_refused_at_its_place(env, message):
    with pytest.raises(ConfigError) as caught:
        ref("env:KEY").resolve(env)
    assert f"/etc/bylaw.yaml:1: upstreams.openai.key: {message}" == str(caught.value)
    assert Place("/etc/bylaw.yaml", 1, "upstreams.openai.key") == caught.value.place


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\n", "is empty"),
        (b"a\nb\n", "is not one line of visible ASCII characters"),
        (b"\xff\xfe", "is not one line of visible ASCII characters"),
        (b"x" * (SECRET_BYTES_MAX + 1), f"is larger than {SECRET_BYTES_MAX} bytes"),
    ],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path, data, message):
    if data is not None:
        (tmp_path / "key").write_bytes(data)
    with pytest.raises(ConfigError, match=f"file:key {message}"):
        ref("file:key", str(tmp_path / "bylaw.yaml")).resolve({})
