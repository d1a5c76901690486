"""Guards of a third party that raise, hang, answer nonsense or change what they get: what becomes of the exchange."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import pytest_asyncio

from bylaw_loadtest.upstream import ScriptedUpstream, script_header
from children import workers
from ledger_reading import outcome
from plugin_dist import install
from rawhttp import Answer, exchange, request
from rig import Proxy, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUDGET_MS = 200
PLUGIN = """
import asyncio
import time
from dataclasses import dataclass

from bylaw.spec import Action, Edit, Finding, Guard, Verdict, impl


def spin():
    while True:
        pass


def doze():
    try:
        time.sleep(3600)
    except Exception:
        return None


def fail(text):
    raise KeyError(text)


def empty(subject):
    subject.body["messages" if "messages" in subject.body else "choices"].clear()
    subject.body.clear()


def promote(exchange):
    exchange.caller = "root"


FAULTS = {
    "raise": lambda exchange, subject: fail(subject.segments[0].text),
    "spin": lambda exchange, subject: spin(),
    "doze": lambda exchange, subject: doze(),
    "text": lambda exchange, subject: "block",
    "true": lambda exchange, subject: True,
    "coroutine": lambda exchange, subject: asyncio.sleep(0),
    "number for action": lambda exchange, subject: Verdict(3),
    "no code": lambda exchange, subject: Verdict(Action.FLAG, None),
    "long code": lambda exchange, subject: Verdict(Action.FLAG, "x" * 100_000),
    "float note": lambda exchange, subject: Verdict.allow(notes={"score": 0.5}),
    "list of findings": lambda exchange, subject: Verdict(Action.FLAG, "x", findings=[Finding("x")]),
    "header with a line end": lambda exchange, subject: Verdict.allow(headers={"X-A": "1\\r\\nX-B: 2"}),
    "header that is a number": lambda exchange, subject: Verdict.allow(headers={"X-A": 1}),
    "header of framing": lambda exchange, subject: Verdict.allow(headers={"Content-Length": "1"}),
    "header of Bylaw": lambda exchange, subject: Verdict.allow(headers={"Bylaw-Decision": "allow"}),
    "edit of no segment": lambda exchange, subject: Verdict.edit([Edit(99, 0, 1, "x")]),
    "edit outside": lambda exchange, subject: Verdict.edit([Edit(0, 0, 100_000, "x")]),
    "edit backwards": lambda exchange, subject: Verdict.edit([Edit(0, 2, 1, "x")]),
    "edit with a number": lambda exchange, subject: Verdict.edit([Edit(0, 0, 1, 5)]),
    "edit from a text": lambda exchange, subject: Verdict.edit([Edit(0, "0", 1, "x")]),
    "promote": lambda exchange, subject: promote(exchange),
    "empty": lambda exchange, subject: empty(subject),
}


@dataclass(frozen=True)
class Options:
    fault: str


class Faulty(Guard):
    name = "faulty"
    Options = Options

    @impl
    def inspect_request(self, exchange, prompt):
        return FAULTS[self.options.fault](exchange, prompt)


class FaultyReply(Guard):
    name = "faulty-reply"
    Options = Options

    @impl
    def inspect_reply(self, exchange, reply):
        return FAULTS[self.options.fault](exchange, reply)


class FaultyWindow(Guard):
    name = "faulty-window"

    @impl
    def inspect_window(self, exchange, window):
        if "now" in window.text:
            fail(window.text)


class FaultyAsync(Guard):
    name = "faulty-async"
    Options = Options

    @impl
    async def inspect_request(self, exchange, prompt):
        fault = self.options.fault
        await asyncio.sleep(0)
        if fault == "late":
            await asyncio.sleep(0.05)
            return Verdict.flag([Finding("late")])
        if fault == "spin":
            spin()
        if fault == "raise":
            fail(prompt.segments[0].text)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if fault == "hang":
                    raise


@impl
def register_guards():
    return [Faulty, FaultyReply, FaultyWindow, FaultyAsync]
"""

ERRORS = {"raise": "raised", "promote": "raised", "spin": "timeout", "doze": "timeout"}
NONSENSE = (
    "text", "true", "coroutine", "number for action", "no code", "long code", "float note", "list of findings",
    "header with a line end", "header that is a number", "header of framing", "header of Bylaw",
    "edit of no segment", "edit outside", "edit backwards", "edit with a number", "edit from a text",
)  # fmt: skip
ASYNC_ERRORS = {"hang": "timeout", "stubborn": "timeout", "spin": "timeout", "raise": "raised"}
ON_ERROR = ("block", "flag", "allow")
CASES = [
    *(("faulty", fault, error, on_error) for fault, error in ERRORS.items() for on_error in ON_ERROR),
    *(("faulty", fault, "bad_verdict", "block") for fault in NONSENSE),
    *(("faulty", "edit outside", "bad_verdict", on_error) for on_error in ("flag", "allow")),
    *(("faulty-async", fault, error, on_error)
      for fault, error in ASYNC_ERRORS.items() for on_error in ("block", "allow")),
    *(("faulty-reply", fault, "raised" if fault == "raise" else "bad_verdict", on_error)
      for fault in ("raise", "edit outside", "float note") for on_error in ("block", "allow")),
]  # fmt: skip


def route_of(guard: str, fault: str, on_error: str) -> str:
    return f"/{guard}/{fault.replace(' ', '-')}/{on_error}/"


EXTRA = {
    "/shadow/": "{id: shadow, guard: faulty, options: {fault: spin}, enforce: false, ",
    "/late/": "{id: late, guard: faulty-async, options: {fault: late}, ",
    "/empty/": "{id: empty, guard: faulty, options: {fault: empty}, ",
    "/hide/": "{id: hide, guard: faulty-reply, options: {fault: empty}, on: [reply], ",
    "/window/": "{id: window, guard: faulty-window, on: [reply], ",
}
STEPS = {
    route_of(guard, fault, on_error):
        f"{{id: s{n}, guard: {guard}, options: {{fault: '{fault}'}}, on_error: {on_error}, "
    for n, (guard, fault, _, on_error) in enumerate(CASES)
} | EXTRA  # fmt: skip
POLICY = (
    "policy: faulty\nsummary: Guards that fail.\nsteps:\n"
    + "".join(f"  - {step}when: {{routes: ['{route}']}}}}\n" for route, step in STEPS.items())
    + "  - guard: patterns\n    on: [reply]\n    when: {routes: [/hide/]}\n"
    + "    options: {rules: [{name: word, expression: swordfish, action: block}]}\n"
)
ROUTES = "".join(
    f"  - {{match: '{route}', upstream: provider, dialect: openai}}\n" for route in (*STEPS, "/good/")
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(start: Start, upstream: ScriptedUpstream) -> Proxy:
    env = install(start.folder / "site", "odd", PLUGIN)
    return await start(
        upstream.url, env=env, routes=f"\n{ROUTES}", jurisdictions="{default: [ZZ]}",
        policies=f"{{packs: [], profile: {start.file('faulty.yaml', POLICY)}}}",
        limits=f"{{request_budget_ms: {BUDGET_MS}, reply_budget_ms: {BUDGET_MS}}}",
    )  # fmt: skip


async def ask(proxy: Proxy, route: str, *, stream: bool = False, **script: object) -> Answer:
    headers = [("Content-Type", "application/json"), *script_header(**script).items()]
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    data = request("POST", f"{route}v1/chat/completions", headers, json.dumps(body).encode())
    return await exchange(proxy.address, data)


async def step(proxy: Proxy, answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outcome of the exchange, and what it says of its first step."""
    entry = await outcome(proxy.data_dir, answer.header("Bylaw-Exchange"))
    return entry, entry["steps"][0]


@pytest.mark.parametrize(("guard", "fault", "error", "on_error"), CASES)
async def test_a_guard_that_fails_counts_as_the_policy_says_and_the_ledger_names_it(
    proxy: Proxy, upstream: ScriptedUpstream, guard: str, fault: str, error: str, on_error: str
) -> None:
    upstream.requests.clear()
    answer = await ask(proxy, route_of(guard, fault, on_error))
    entry, said = await step(proxy, answer)
    code = "" if on_error == "allow" else "guard_failed"
    assert (on_error, error, code) == (said["action"], said["error"], said.get("code", ""))
    if on_error != "block":
        assert (200, "allow", "anonymous") == (answer.status, entry["decision"], entry["caller"])
        return
    assert (403, "guard_failed") == (answer.status, answer.json()["error"]["code"])
    assert ("blocked", said["step"]) == (entry["decision"], entry["blocked_by"])
    assert (1 if guard == "faulty-reply" else 0) == len(upstream.requests)


async def test_a_shadow_step_that_hangs_changes_nothing(proxy: Proxy) -> None:
    answer = await ask(proxy, "/shadow/")
    entry, said = await step(proxy, answer)
    assert (200, "allow", "timeout", True) == (
        answer.status,
        entry["decision"],
        said["error"],
        said["shadow"],
    )


async def test_a_slow_answer_within_the_budget_counts(proxy: Proxy) -> None:
    answer = await ask(proxy, "/late/")
    _, said = await step(proxy, answer)
    assert (200, "flag", {"late": 1}) == (answer.status, said["action"], said["findings"])


async def test_a_guard_that_empties_the_body_changes_nothing_of_what_is_forwarded(
    proxy: Proxy, upstream: ScriptedUpstream
) -> None:
    answer = await ask(proxy, "/empty/")
    sent = json.loads(upstream.requests[-1].body)
    assert (200, [{"role": "user", "content": "hello"}]) == (answer.status, sent["messages"])


async def test_a_guard_that_empties_the_body_hides_no_tool_call_from_the_next(proxy: Proxy) -> None:
    call = {"name": "tell", "arguments": {"word": "swordfish"}}
    answer = await ask(proxy, "/hide/", tool_calls=[call])
    assert (400, False) == (answer.status, b"swordfish" in answer.body)


async def test_a_guard_that_fails_in_a_stream_ends_it_in_the_words_of_the_dialect(proxy: Proxy) -> None:
    answer = await ask(proxy, "/window/", stream=True, answer="wait for it now and then", chunk_delay_ms=5)
    entry, said = await step(proxy, answer)
    assert (200, True) == (
        answer.status,
        b'"finish_reason":"content_filter"' in answer.body.replace(b" ", b""),
    )
    assert (True, False) == (b"[DONE]" in answer.body, b"now" in answer.body)
    assert ("blocked", "raised") == (entry["decision"], said["error"])


@pytest.mark.parametrize("guard", ["faulty", "faulty-async"])
async def test_a_guard_that_hangs_holds_others_up_for_no_longer_than_its_budget(
    proxy: Proxy, guard: str
) -> None:
    alive = workers(proxy.process.pid)
    hanging = asyncio.ensure_future(ask(proxy, route_of(guard, "spin", "block")))
    await asyncio.sleep(0.02)
    began_s = time.monotonic()
    good = await ask(proxy, "/good/")
    took_s = time.monotonic() - began_s
    assert (200, 403) == (good.status, (await hanging).status)
    assert took_s < BUDGET_MS / 1000 + 0.5
    assert alive == workers(proxy.process.pid)


async def test_what_a_guard_read_is_in_no_log_and_nothing_of_it_outlives_the_stop(proxy: Proxy) -> None:
    began_s = time.monotonic()
    status = await proxy.stop()
    assert (0, True, False) == (status, time.monotonic() - began_s < 4, "hello" in proxy.log)
