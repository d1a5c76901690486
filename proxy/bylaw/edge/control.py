"""The control plane: for operators, on a port of its own.

Law of this module: every answer is JSON (metrics apart) with the same headers against browsers' curiosity,
and tells nothing of an exchange's content and no secret. What is public is exactly what a load balancer
needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bylaw import log
from bylaw.edge.admission import Admission
from bylaw.edge.openapi import Endpoint, describe
from bylaw.errors import ClientError, ConfigError

BODY_BYTES_MAX = 64 * 1024
KEEPALIVE_S = 15.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class House(Protocol):
    """What the supervisor can tell; `bylaw.supervise.report` implements it."""

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether exchanges are served and recorded, and the facts (they are public)."""
        ...

    def policies(self) -> dict[str, Any]:
        """What the plans were made of."""
        ...

    async def metrics(self) -> bytes:
        """All counters in Prometheus' text format."""
        ...


def control_app(house: House, admission: Admission, more: Sequence[Endpoint] = ()) -> web.Application:
    """Build the control plane.

    Args:
        house: what to tell about.
        admission: who may ask.
        more: endpoints of other rooms; they are guarded and described like these.
    """

    async def openapi(_request: web.Request) -> web.Response:
        return answer(document)

    endpoints = [*_endpoints(house), *more, Endpoint("/openapi.json", openapi, "This description.")]
    document = describe(endpoints)
    public = frozenset((endpoint.method, endpoint.path) for endpoint in endpoints if endpoint.public)
    app = web.Application(middlewares=[_guard(admission, public)], client_max_size=BODY_BYTES_MAX)
    for endpoint in endpoints:
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, endpoint.handler)
        else:
            app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
    app.on_response_prepare.append(_harden)
    return app


async def serve_control(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Listen.

    Returns:
        What is listening: `addresses` tells where, `cleanup()` ends it.

    Raises:
        ConfigError: no such address, no right to it, or somebody else uses it.
    """
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return runner


def answer(body: dict[str, Any], status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def problem(status: int, code: str, message: str) -> web.Response:
    """A refusal, as every endpoint words it."""
    return answer({"error": {"code": code, "message": message}}, status)


def _endpoints(house: House) -> list[Endpoint]:
    async def healthz(_request: web.Request) -> web.Response:
        return answer({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        ready, facts = house.readiness()
        return answer(facts, 200 if ready else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await house.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def policies(_request: web.Request) -> web.Response:
        return answer(house.policies())

    return [
        Endpoint(
            "/healthz", healthz, "Whether the supervisor lives.", public=True, answers={200: "it lives"}
        ),
        Endpoint(
            "/readyz",
            readyz,
            "Whether exchanges are served and recorded. A refused reload is shown, and takes nothing away.",
            public=True,
            answers={200: "all workers accept and the ledger writer answers", 503: "not all of that"},
        ),
        Endpoint("/metrics", metrics, "Counters for Prometheus.", media_type="text/plain"),
        Endpoint("/v1/policies", policies, "What the plans in force were made of."),
    ]


def _guard(admission: Admission, public: frozenset[tuple[str, str]]) -> Middleware:
    """Lets in whom `admission` lets in, and words every refusal alike."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            admission.check_name(request.headers)
            if _asked(request) not in public:
                admission.admit(request.headers)
            return await handler(request)
        except ClientError as error:
            return _challenge(problem(error.status, error.code, error.message))
        except web.HTTPException as error:
            return _reworded(error)
        except Exception as error:
            log.get("control").error("bug", exc_info=error)
            return problem(500, "bug", "this is a mistake of Bylaw; its log has the place")

    return guard


def _asked(request: web.Request) -> tuple[str, str]:
    """Method and path of the endpoint that was found; no endpoint has an empty path."""
    resource = request.match_info.route.resource
    return "GET" if request.method == "HEAD" else request.method, resource.canonical if resource else ""


def _challenge(response: web.Response) -> web.Response:
    if response.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="bylaw"'
    return response


def _reworded(error: web.HTTPException) -> web.Response:
    response = problem(error.status, error.reason.lower().replace(" ", "_"), error.reason)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
