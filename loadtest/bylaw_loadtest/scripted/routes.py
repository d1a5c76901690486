"""From a request to its reply: one look at the path, no state but the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType

import orjson

from bylaw_loadtest.scripted import dialect_anthropic, dialect_openai
from bylaw_loadtest.scripted.ask import Ask, BadRequestError, read_ask
from bylaw_loadtest.scripted.reply import EVENTS, JSON, Head, Reply, build, simple, status_line_and
from bylaw_loadtest.scripted.request import Request, RequestLog
from bylaw_loadtest.scripted.script import Script, overlay_json
from bylaw_loadtest.scripted.script_fields import ScriptError

_BLOCK = bytes(range(256)) * 256
_IDS: dict[str, Head] = {
    dialect_openai.__name__: (("x-request-id", "req_scripted"),),
    dialect_anthropic.__name__: (("request-id", dialect_anthropic.REQUEST_ID),),
}


class Upload:
    """Counts and hashes a body instead of keeping it."""

    def __init__(self) -> None:
        self.count = 0
        self.hash = hashlib.sha256()

    def take(self, data: bytes) -> None:
        """The next bytes of the body."""
        self.count += len(data)
        self.hash.update(data)


def pattern(count: int) -> Iterator[bytes]:
    """The `count` bytes that `/download?bytes=count` sends, in blocks of 64 KiB."""
    for _ in range(count // len(_BLOCK)):
        yield _BLOCK
    if rest := count % len(_BLOCK):
        yield _BLOCK[:rest]


def reply_to(request: Request, base: Script, log: RequestLog, upload: Upload | None) -> Reply:
    """The reply that the server's script, or the request's own in `X-Script`, asks for."""
    dialect = dialect_anthropic if _is_anthropic(request) else dialect_openai
    try:
        given = request.header(b"x-script")
        script = base if given is None else overlay_json(base, given)
        return _routed(request, script, dialect, log, upload)
    except (BadRequestError, ScriptError) as error:
        return simple(Script(status=400), dialect.error(400, str(error)))


def _routed(
    request: Request, script: Script, dialect: ModuleType, log: RequestLog, upload: Upload | None
) -> Reply:
    path, http10 = request.path, request.http_version == "1.0"
    if request.method == "POST" and path.endswith(("/v1/chat/completions", "/v1/messages")):
        return _chat(request, script, dialect)
    if path == "/_requests":
        return simple(Script(), _requests(request, log))
    if script.status >= 400:
        return simple(script, dialect.error(script.status, _error_text(script)), http10=http10)
    if path == "/download":
        return _download(request, script)
    return _head_only(request, simple(script, _body(request, dialect, upload), http10=http10))


def _body(request: Request, dialect: ModuleType, upload: Upload | None) -> bytes:
    if upload is not None:
        return orjson.dumps({"bytes": upload.count, "sha256": upload.hash.hexdigest()})
    if request.path.endswith("/v1/models"):
        return bytes(dialect.models())
    if request.method == "POST" and request.path.endswith("/v1/embeddings"):
        return _embeddings(request.body)
    return orjson.dumps(request.as_json())


def _embeddings(body: bytes) -> bytes:
    try:
        return dialect_openai.embeddings(body)
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError) as error:
        raise BadRequestError(f"not an embeddings request: {error!r}") from error


def _chat(request: Request, script: Script, dialect: ModuleType) -> Reply:
    ask = read_ask(request.body, script)
    http10 = request.http_version == "1.0"
    # An echoed prompt makes each reply its own: keeping those would only push the others out.
    make = _chat_reply.__wrapped__ if script.echo_prompt else _chat_reply
    return make(script, ask, dialect, http10)


@lru_cache(maxsize=64)
def _chat_reply(script: Script, ask: Ask, dialect: ModuleType, http10: bool) -> Reply:
    ids = _IDS[dialect.__name__]
    if script.status >= 400:
        return build(script, [dialect.error(script.status, _error_text(script))], JSON + ids, http10=http10)
    if ask.stream:
        return build(script, dialect.events(script, ask), EVENTS, http10=http10)
    return build(script, [dialect.plain(script, ask)], JSON + ids, http10=http10)


def _error_text(script: Script) -> str:
    return script.answer[0] if script.answer else f"scripted error {script.status}"


def _is_anthropic(request: Request) -> bool:
    return request.path.endswith("/v1/messages") or request.header(b"anthropic-version") is not None


def _requests(request: Request, log: RequestLog) -> bytes:
    if request.method == "DELETE":
        log.clear()
    return orjson.dumps([kept.as_json() for kept in log])


def _download(request: Request, script: Script) -> Reply:
    count = request.query("bytes") or "0"
    if not count.isascii() or not count.isdigit():
        raise BadRequestError("bytes must be a whole number")
    headers = (("Content-Type", "application/octet-stream"), ("Content-Length", count), *script.headers)
    pieces = iter(()) if request.method == "HEAD" else pattern(int(count))
    delays = script.first_delay_ms / 1000, script.chunk_delay_ms / 1000
    return Reply(status_line_and(headers, script.status), pieces, "keep", *delays)


def _head_only(request: Request, reply: Reply) -> Reply:
    return Reply(reply.head, (), reply.ending) if request.method == "HEAD" else reply
