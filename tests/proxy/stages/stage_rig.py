"""The corridor between fakes of its walls: client, provider, ledger. Everything between them is real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from bylaw.clock import SystemClock
from bylaw.errors import ClientError, Overloaded
from bylaw.limits import Limits
from bylaw.plan.callers import CallerEntry, Callers
from bylaw.plan.compile import GuardPool
from bylaw.plan.facts import Facts
from bylaw.plan.jurisdiction import JurisdictionResolver
from bylaw.plan.planner import Planner, RouteFacts
from bylaw.plan.policy import load_policy
from bylaw.plan.registry import registry_of
from bylaw.plan.sections import Jurisdictions
from bylaw.plan.typed import build
from bylaw.plan.watchdog import Watch
from bylaw.serve import corridor
from bylaw.spec import Action, Edit, Finding, Guard, Prompt, Reply, Segment, ToolCall, Verdict, Window, impl
from bylaw.stages.runtime import Route, Runtime
from bylaw.stages.services import Services
from bylaw.wire.families import FAMILIES

LEDGER_DOWN = Overloaded("ledger_unavailable", "the ledger cannot record this exchange", 2)
CHAT = "/v1/chat/completions"
CHUNKED = ((b"Transfer-Encoding", b"chunked"),)
JSON = ((b"Content-Type", b"application/json"),)
EVENTS = ((b"Content-Type", b"text/event-stream"),)


class Words(Guard):
    """Looks for words: `bad` blocks, `secret` is redacted, `name` gets a placeholder, `odd` is flagged."""

    name = "words"

    @impl
    def inspect_request(self, exchange: Any, prompt: Prompt) -> Verdict | None:
        return judged(prompt.segments, reversible=True)

    @impl
    def inspect_reply(self, exchange: Any, reply: Reply) -> Verdict | None:
        return judged(reply.segments)

    @impl
    def inspect_tool_call(self, exchange: Any, call: ToolCall) -> Verdict | None:
        return judged(call.segments)

    @impl
    def inspect_window(self, exchange: Any, window: Window) -> Verdict | None:
        verdict = judged([Segment(window.text, "assistant", window.channel, ())], fresh=window.fresh)
        if window.final or (verdict is not None and verdict.action is Action.BLOCK):
            return verdict
        edits = verdict.edits if verdict else ()
        held = max([window.fresh, len(window.text) - 5, *(edit.end for edit in edits)])
        return Verdict(Action.EDIT if edits else Action.ALLOW, "edited", edits=edits, hold=held)


def judged(segments: Sequence[Segment], reversible: bool = False, fresh: int = 0) -> Verdict | None:
    """`bad` blocks, with its place; everything else is edited."""
    edits: list[Edit] = []
    for index, segment in enumerate(segments):
        edits += [Edit(index, at, at + 6, "[...]") for at in places(segment.text, "secret", fresh)]
        if reversible:
            edits += [Edit(index, at, at + 4, "NAME", True) for at in places(segment.text, "name", fresh)]
        for at in places(segment.text, "bad", fresh):
            finding = Finding("bad", index, at, at + 3)
            return Verdict(Action.BLOCK, f"bad_{segment.channel}", "It is bad.", (finding,), tuple(edits))
    return Verdict.edit(edits) if edits else None


def places(text: str, word: str, at: int = 0) -> list[int]:
    found = []
    while (at := text.find(word, at)) >= 0:
        found.append(at)
        at += len(word)
    return found


@dataclass
class Inbound:
    """A client's request."""

    method: str = "POST"
    target: str = CHAT
    headers: Sequence[tuple[bytes, bytes]] = JSON
    body: bytes = b""
    peer: str = "127.0.0.1"
    length: int | None = -1
    error: BaseException | None = None
    here: bool = True
    asked: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.path = self.target.partition("?")[0]
        self.length = len(self.body) if self.length == -1 else self.length

    @property
    def upgrade(self) -> str:
        return (self.header("upgrade") or "").lower()

    def header(self, name: str) -> str | None:
        return next((v.decode("latin-1") for k, v in self.headers if k.lower() == name.encode()), None)

    async def whole(self, bytes_max: int) -> bytes:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if len(self.body) > bytes_max:
            raise ClientError(413, "body_too_large", "the body is too large")
        return self.body

    def arrived(self) -> bytes | None:
        return self.body if self.here else None

    async def chunks(self) -> AsyncIterator[bytes]:
        for byte in self.body:
            yield bytes([byte])
        if self.error is not None:
            raise self.error


@dataclass
class Outbound:
    """The client's ear; `events` of the rig tell when what left."""

    rig: Rig
    started: bool = False
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    length: int | None = None
    ended: bool = False
    aborted: bool = False
    leaves_after: int = -1

    def start(
        self, status: int, reason: str, headers: Any, length: int | None, head_only: bool = False
    ) -> None:
        assert not self.started
        self.started, self.status, self.headers, self.length = True, status, list(headers), length
        self.rig.events.append("head")

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        if 0 <= self.leaves_after <= len(self.body):
            raise ConnectionResetError("the client has gone")
        self.body += data
        self.rig.events.append("write")

    async def end(self) -> None:
        assert self.length is None or self.length == len(self.body), "framing"
        self.ended = True
        self.rig.events.append("end")

    async def tunnel(self, upstream: Any) -> None:
        self.rig.events.append("tunnel")

    def abort(self) -> None:
        self.aborted = True
        self.rig.events.append("abort")

    def header(self, name: str) -> str | None:
        found = [v.decode("latin-1") for k, v in self.headers if k.decode().lower() == name]
        assert len(found) < 2, found
        return found[0] if found else None


@dataclass
class Answer:
    """A provider's reply."""

    rig: Rig
    pieces: Sequence[bytes]
    headers: Sequence[tuple[bytes, bytes]] = JSON
    status: int = 200
    reason: str = "OK"
    length: int | None = None
    error: BaseException | None = None
    released: int = 0
    open: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for piece in self.pieces:
                await asyncio.sleep(0)
                yield piece
            if self.error is not None:
                raise self.error
        finally:
            self.open -= 1

    def upgrade(self) -> Any:
        return SimpleNamespace()

    def release(self) -> None:
        self.released += 1


@dataclass
class Upstream:
    """A provider: what it was sent."""

    rig: Rig
    answer: Answer | BaseException
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    target: str = ""
    body: bytes = b""
    given: bool = False

    async def open(self, method: str, target: str, headers: Any, body: Any, length: int | None) -> Answer:
        self.rig.events.append("open")
        self.target, self.headers = target, list(headers)
        self.body = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
        assert length is None or length == len(self.body)
        await asyncio.sleep(0)
        if isinstance(self.answer, BaseException):
            raise self.answer
        self.given = True
        return self.answer

    def header(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]


class Ledger:
    """Entries and the futures that tell when they are safe. `wait`: kinds that stay open until `settle`."""

    def __init__(self, rig: Rig, fail: Iterable[str] = (), wait: Iterable[str] = ()) -> None:
        self.rig, self.fail, self.wait = rig, frozenset(fail), frozenset(wait)
        self.entries: list[tuple[str, str, dict[str, Any]]] = []
        self.open: dict[str, asyncio.Future[None]] = {}

    def append(self, kind: str, exchange: str, fields: dict[str, Any]) -> asyncio.Future[None]:
        self.rig.events.append(kind)
        self.entries.append((kind, exchange, json.loads(json.dumps(fields))))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if kind in self.fail:
            future.set_exception(LEDGER_DOWN)
        elif kind in self.wait:
            self.open[kind] = future
        else:
            future.set_result(None)
        return future

    def settle(self, kind: str, error: BaseException | None = None) -> None:
        self.rig.events.append(f"{kind} safe" if error is None else f"{kind} lost")
        future = self.open.pop(kind)
        if not future.done():
            future.set_result(None) if error is None else future.set_exception(error)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for one, _, fields in self.entries if one == kind]


POLICY = "policy: test\nsteps:\n  - {guard: words}\n"
EMPTY = "policy: test\nsteps: []\n"


class Rig:
    """One worker with one route, and one exchange after the other."""

    def __init__(
        self,
        answer: Answer | BaseException | None = None,
        *,
        policy: str = POLICY,
        guards: Sequence[type[Guard]] = (Words,),
        mode: str = "strict",
        fail: Iterable[str] = (),
        wait: Iterable[str] = (),
        limits: Limits | None = None,
        callers: dict[str, CallerEntry] | None = None,
        dialect: str = "openai",
        match: str = "/v1/",
        methods: Iterable[str] = (),
        **route: Any,
    ) -> None:
        self.events: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.limits = limits or Limits()
        self.ledger = Ledger(self, fail, wait)
        self.upstream = Upstream(self, self.answer(b"{}") if answer is None else answer)
        if isinstance(answer, Answer):
            answer.rig = self
        raw = dialect == "raw" or bool(route.get("pass_through"))
        facts = RouteFacts(match, raw, "record" if raw else route.pop("unread", ""))
        found = Route(
            match=match, upstream="provider", dialect=dialect, family=FAMILIES.get(dialect), pass_through=raw,
            websocket=route.get("websocket", False), methods=frozenset(methods),
            credential=route.get("credential"), facts=facts,
        )  # fmt: skip
        known = Callers(callers or {})
        self.planner = Planner(
            load_policy(policy, "p.yaml"),
            (),
            Facts(),
            GuardPool(_registry(guards)),
            self.limits,
            date(2026, 11, 24),
        )
        runtime = Runtime(
            digest="d", routes=(found,), callers=known, planner=self.planner,
            resolver=JurisdictionResolver(build(Jurisdictions, {}), known),
            upstreams={"provider": self.upstream}, facts={},
        )  # fmt: skip
        self.services = Services(
            clock=SystemClock(), limits=self.limits, ledger=self.ledger, mode=mode, watch=Watch(), runtime=runtime,
            observe=self._observe, new_id=lambda: f"x{len(self.seen)}", refused={},
        )  # fmt: skip
        self.out = Outbound(self)

    def answer(self, *pieces: bytes, **facts: Any) -> Answer:
        return Answer(self, pieces, **facts)

    def _observe(self, **facts: Any) -> None:
        self.seen.append(facts)
        self.events.append("observed")

    async def run(self, inbound: Inbound | None = None) -> Outbound:
        """Walk one exchange; a client that left ends it with an exception, which is what the edge expects."""
        self.out = Outbound(self, leaves_after=self.out.leaves_after)
        try:
            await corridor(self.services, inbound or chat("hello"), self.out)
        except ConnectionError:
            pass
        return self.out

    @property
    def outcome(self) -> dict[str, Any]:
        """The one outcome."""
        (found,) = self.ledger.of("outcome")
        return found


def _registry(guards: Sequence[type[Guard]]) -> Any:
    def register_guards() -> list[type[Guard]]:
        return list(guards)

    return registry_of({"test": SimpleNamespace(register_guards=impl(register_guards))})


def walk(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it on a loop of its own, which nobody else gets to see."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def reply(*pieces: bytes, **facts: Any) -> Answer:
    """A reply for a rig that is still to be made."""
    return Answer(None, pieces, **facts)  # type: ignore[arg-type]


def chat(text: str, stream: bool = False, **facts: Any) -> Inbound:
    """A chat request."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}]} | (
        {"stream": True} if stream else {}
    )
    return Inbound(body=json.dumps(body).encode(), **facts)


def completion(text: str, **message: Any) -> bytes:
    """A whole chat completion."""
    said = {"role": "assistant", "content": text} | message
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    return json.dumps({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()


def chunks(*deltas: dict[str, Any] | tuple[int, dict[str, Any]]) -> list[bytes]:
    """A stream of chat completion chunks, ended."""
    events = []
    for one in deltas:
        index, delta = one if isinstance(one, tuple) else (0, one)
        choice = {"index": index, "delta": delta, "finish_reason": None}
        events.append(event({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events.append(event({"id": "c", "object": "chat.completion.chunk", "choices": [last]}))
    return [*events, b"data: [DONE]\n\n"]


def event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def stream(*deltas: Any, cut: Iterable[int] = (), **facts: Any) -> Answer:
    """A streamed reply, cut at these bytes (of the whole stream); uncut it is one piece."""
    whole = b"".join(chunks(*deltas))
    at = [0, *sorted(set(cut) - {0, len(whole)}), len(whole)]
    return reply(*(whole[a:b] for a, b in pairwise(at)), headers=EVENTS, **facts)


def said(body: bytes) -> dict[int, str]:
    """The answer text by choice of a released stream."""
    found: dict[int, str] = {}
    for line in body.decode().split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                text = choice["delta"].get("content") or ""
                found[choice["index"]] = found.get(choice["index"], "") + text
    return found
