"""Paths and dialects; errors and blocks before the first byte."""

from __future__ import annotations

import json

import pytest

from bylaw.wire.codec import CODECS
from bylaw.wire.families import FAMILIES


@pytest.mark.parametrize(
    ("family", "method", "path", "codec"),
    [
        ("openai", "POST", "/v1/chat/completions", "openai_chat"),
        ("openai", "POST", "/openai/v1/chat/completions", "openai_chat"),
        ("openai", "GET", "/v1/chat/completions", None),
        ("openai", "POST", "/v1/chat/completions/", None),
        ("openai", "POST", "/v1/chat/completions/abc", None),
        ("openai", "POST", "/v1/responses", None),
        ("openai", "POST", "/v1/messages", None),
        ("anthropic", "POST", "/v1/messages", "anthropic"),
        ("anthropic", "POST", "/anthropic/v1/messages/count_tokens", "anthropic"),
        ("anthropic", "POST", "/v1/messages/batches", None),
    ],
)
def test_an_operation_is_told_by_method_and_path(family, method, path, codec):
    found = FAMILIES[family].codec_for(method, path)
    assert codec == (found.name if found else None)


@pytest.mark.parametrize(
    ("method", "path", "free"),
    [
        ("GET", "/v1/models", True),
        ("HEAD", "/proxy/v1/models/gpt-4o", True),
        ("DELETE", "/v1/models/ft:gpt", False),
        ("POST", "/v1/models", False),
        ("GET", "/v1/models/a/b", False),
        ("GET", "/v1/models/" + "x" * 129, False),
        ("GET", "/v1/files", False),
        ("GET", "/v1/models/org%2Fmodel", True),
        ("GET", "/v1/models/../files", False),
        ("GET", "/v1/models/..", False),
        ("GET", "/v1/models/%2e%2e%2ffiles", False),
        ("GET", "/v1/models/x%2F..%2Ffiles", False),
    ],
)
def test_listing_models_carries_no_content(method, path, free):
    assert free == FAMILIES["openai"].is_content_free(method, path)


@pytest.mark.parametrize("name", list(CODECS))
@pytest.mark.parametrize(
    ("asked", "given"), [(400, 400), (403, 403), (429, 400), (409, 400), (408, 400), (500, 400), (200, 400)]
)
def test_a_block_is_never_a_status_that_sdks_retry(name, asked, given):
    status, body = CODECS[name].block_reply(asked, "c", "m", "e")
    assert (given, "c", "m", "e") == (
        status,
        json.loads(body)["error"]["code"],
        json.loads(body)["error"]["message"],
        json.loads(body)["request_id"],
    )
