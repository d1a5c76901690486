"""The control plane's own description: made from the table of its endpoints, so that it cannot drift.

Law of this module: an endpoint that is served is described, and one that is described is served.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bylaw import __version__

_IN_PATH = re.compile(r"\{(\w+)\}")
_PROBLEM = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the control plane.

    Args:
        path: with `{name}` for a part that varies.
        handler: answers it.
        summary: one sentence.
        method: HTTP method; GET answers HEAD too.
        public: needs no token.
        answers: status -> what it means; 401, 404 and 405 are understood.
        media_type: of the answer.
    """

    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str
    method: str = "GET"
    public: bool = False
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "the answer"})
    media_type: str = "application/json"


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bylaw control plane", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    responses = {
        str(status): {"description": text, "content": {endpoint.media_type: {}}}
        for status, text in endpoint.answers.items()
    }
    if not endpoint.public:
        problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses["401"] = {"description": "no or wrong token", "content": problem}
    return {
        "operationId": f"{endpoint.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', endpoint.path)}".rstrip("_"),
        "summary": endpoint.summary,
        "security": [] if endpoint.public else [{"token": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _IN_PATH.findall(endpoint.path)
        ],
        "responses": responses,
    }
