"""The control plane over real sockets."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

from bylaw.edge.admission import Admission
from bylaw.edge.control import HEADERS, answer, control_app, serve_control
from bylaw.edge.openapi import Endpoint
from bylaw.errors import ConfigError

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Facts:
    """What the supervisor would tell."""

    ready = True

    def readiness(self):
        return self.ready, {"ready": self.ready, "reload": {"result": "refused"}}

    def policies(self):
        return {"profile": "default", "packs": {"eu": "3"}, "digest": "abc"}

    async def metrics(self):
        return b"bylaw_workers_ready 2\n"


async def broken(request):
    raise KeyError("swordfish")


async def echo(request):
    return answer({"id": request.match_info["id"]})


MORE = (
    Endpoint("/v1/broken", broken, "Always fails."),
    Endpoint("/v1/exchanges/{id}", echo, "One exchange.", answers={200: "it", 404: "no such exchange"}),
    Endpoint("/v1/reviews", echo, "Decide.", method="POST"),
)


class Client:
    def __init__(self, session, port):
        self.session, self.url = session, f"http://127.0.0.1:{port}"

    async def get(self, path, method="GET", **headers):
        async with self.session.request(method, self.url + path, headers=headers) as reply:
            return reply.status, await reply.text(), reply.headers

    async def json(self, path, method="GET", **headers):
        status, text, _ = await self.get(path, method, **headers)
        return status, json.loads(text)


@contextlib.asynccontextmanager
async def plane(admission=None, facts=None, more=MORE):
    app = control_app(facts or Facts(), admission or Admission("127.0.0.1", TOKEN), more)
    runner = await serve_control(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Client(session, runner.addresses[0][1])
    await runner.cleanup()


async def test_health_needs_no_token():
    async with plane() as client:
        assert (200, {"alive": True}) == await client.json("/healthz")


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readiness_needs_no_token_and_says_by_its_status(ready, status):
    facts = Facts()
    facts.ready = ready
    async with plane(facts=facts) as client:
        assert (status, {"ready": ready, "reload": {"result": "refused"}}) == await client.json("/readyz")


async def test_metrics_are_prometheus_text():
    async with plane() as client:
        status, text, headers = await client.get("/metrics", **BEARER)
        assert (200, "bylaw_workers_ready 2\n") == (status, text)
        assert "text/plain; version=0.0.4; charset=utf-8" == headers["Content-Type"]


async def test_policies_are_told():
    async with plane() as client:
        expected = {"profile": "default", "packs": {"eu": "3"}, "digest": "abc"}
        assert (200, expected) == await client.json("/v1/policies", **BEARER)


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/v1/policies",
        "/openapi.json",
        "/v1/exchanges/1",
        "/nothing",
        "/metrics/",
        "//metrics",
        "/%6detrics",
    ],
)
async def test_everything_else_needs_the_token_even_what_does_not_exist(path):
    async with plane() as client:
        status, text, headers = await client.get(path)
        assert (401, 'Bearer realm="bylaw"') == (status, headers["WWW-Authenticate"])
        assert "token_required" == json.loads(text)["error"]["code"]


async def test_a_wrong_token_is_refused():
    async with plane() as client:
        assert 401 == (await client.json("/metrics", Authorization="Bearer wrong"))[0]


async def test_without_a_configured_token_the_answer_says_what_to_do():
    async with plane(Admission("127.0.0.1")) as client:
        status, body = await client.json("/metrics")
        assert (403, "admin_closed") == (status, body["error"]["code"])
        assert "admin.token" in body["error"]["message"]
        assert 200 == (await client.json("/readyz"))[0]


async def test_open_on_loopback_needs_no_token():
    async with plane(Admission("127.0.0.1", open=True)) as client:
        assert 200 == (await client.json("/v1/policies"))[0]


@pytest.mark.parametrize("path", ["/healthz", "/v1/policies", "/nothing"])
async def test_open_on_loopback_answers_to_no_other_name(path):
    async with plane(Admission("127.0.0.1", open=True)) as client:
        status, body = await client.json(path, Host="evil.example")
        assert (421, "wrong_host") == (status, body["error"]["code"])


async def test_a_path_that_does_not_exist_is_a_404_in_json():
    async with plane() as client:
        expected = {"error": {"code": "not_found", "message": "Not Found"}}
        assert (404, expected) == await client.json("/nothing", **BEARER)


async def test_a_method_that_is_not_allowed_is_a_405_in_json():
    async with plane() as client:
        status, text, headers = await client.get("/metrics", "DELETE", **BEARER)
        assert (405, "method_not_allowed") == (status, json.loads(text)["error"]["code"])
        assert "GET,HEAD" == headers["Allow"]


async def test_head_is_answered_like_get():
    async with plane() as client:
        assert (200, "") == (await client.get("/healthz", "HEAD"))[:2]
        assert 401 == (await client.get("/metrics", "HEAD"))[0]


async def test_a_bug_is_a_500_that_tells_nothing():
    async with plane() as client:
        status, text, _ = await client.get("/v1/broken", **BEARER)
        assert (500, "bug") == (status, json.loads(text)["error"]["code"])
        assert "swordfish" not in text


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nothing", "/v1/broken"])
async def test_every_answer_has_the_security_headers_and_no_server(path):
    async with plane() as client:
        _, _, headers = await client.get(path, **BEARER)
        assert HEADERS == {name: headers.get(name) for name in HEADERS}
        assert "Server" not in headers


async def test_the_description_names_exactly_what_is_served():
    app = control_app(Facts(), Admission("127.0.0.1", TOKEN), MORE)
    served = {
        (route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD"
    }
    async with plane() as client:
        _, document = await client.json("/openapi.json", **BEARER)
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert served == described


async def test_the_description_says_what_is_public_and_what_varies():
    async with plane() as client:
        _, document = await client.json("/openapi.json", **BEARER)
    public = {p for p, methods in document["paths"].items() for op in methods.values() if not op["security"]}
    assert {"/healthz", "/readyz"} == public
    assert ["id"] == [each["name"] for each in document["paths"]["/v1/exchanges/{id}"]["get"]["parameters"]]
    operations = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(operations) == len(set(operations))


async def test_a_body_over_the_bound_is_refused():
    async def read(request):
        return answer({"bytes": len(await request.read())})

    async with plane(more=(Endpoint("/v1/in", read, "Reads.", method="POST"),)) as client:
        reply = await client.session.post(client.url + "/v1/in", data=b"x" * 100_000, headers=BEARER)
        assert 413 == reply.status
        assert "request_entity_too_large" == (await reply.json())["error"]["code"]


async def test_an_address_in_use_is_the_operators_error():
    app = control_app(Facts(), Admission("127.0.0.1", TOKEN))
    runner = await serve_control(app, "127.0.0.1", 0)
    port = runner.addresses[0][1]
    with pytest.raises(ConfigError) as error:
        await serve_control(control_app(Facts(), Admission("127.0.0.1", TOKEN)), "127.0.0.1", port)
    await runner.cleanup()
    assert f"cannot listen on 127.0.0.1:{port}: " in str(error.value)


async def test_a_client_that_says_nothing_does_not_hold_the_end_up():
    app = control_app(Facts(), Admission("127.0.0.1", TOKEN))
    runner = await serve_control(app, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    await asyncio.wait_for(runner.cleanup(), 3)
    writer.close()
