"""Each mistake of the operator ends `bylaw serve` with status 2 and one line that says where and what to do."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bylaw.cli import main
from plugin_dist import install
from rig import bylaw, config_text

UPSTREAM = "http://127.0.0.1:9"
POLICY = "policy: mine\nsummary: A policy.\nsteps:\n  - {guard: secrets, on: [prompt, reply]}\n"
BROKEN = "import no_such_module\n"
FAULTY = """
from dataclasses import dataclass
from bylaw.spec import Guard, impl

class Late(Guard):
    name = "late"

    @impl
    def inspect_request(self, exchange, prompt, extra=None):
        return None

@impl
def register_guards():
    return [Late]
"""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and what the line must say (an expression).

    Args:
        keys: entries of the configuration that differ.
        policy: text of the policy file, used as profile if given.
        plugin: source of a plugin to install.
        more: text to append to the configuration.
    """

    says: str
    keys: dict[str, str] = field(default_factory=dict)
    policy: str = ""
    plugin: str = ""
    more: str = ""


def routed(route: str) -> dict[str, str]:
    return {"routes": f"[{route}]"}


ROUTE = "{match: /v1/, upstream: provider, dialect: openai}"
MISTAKES = {
    "unknown key": Mistake(r"bylaw\.yaml:6: .*limts.*limits", more="limts: {drain_s: 3}\n"),
    "unknown nested key": Mistake(r"bylaw\.yaml:6: limits.*drain_ss.*drain_s", more="limits: {drain_ss: 3}\n"),
    "bad type": Mistake(r"bylaw\.yaml:6: workers.*whole number", more="workers: many\n"),
    "negative limit": Mistake(r"bylaw\.yaml:6: limits\.drain_s.*at least 1", more="limits: {drain_s: -1}\n"),
    "duplicate key": Mistake(r"bylaw\.yaml:6: .*listen.*(twice|duplicate)", more="listen: 127.0.0.1:1\n"),
    "no yaml": Mistake(r"bylaw\.yaml:\d+", more="a: [1, 2\n"),
    "unknown upstream": Mistake(
        r"bylaw\.yaml:5: routes.*provdier.*provider",
        keys=routed("{match: /v1/, upstream: provdier, dialect: openai}"),
    ),
    "unknown dialect": Mistake(
        r"bylaw\.yaml:5: routes.*expected one of `openai`.*opneai",
        keys=routed("{match: /v1/, upstream: provider, dialect: opneai}"),
    ),
    "raw route without consent": Mistake(
        r"bylaw\.yaml:5: .*pass_through: true",
        keys=routed("{match: /v1/, upstream: provider, dialect: raw}"),
    ),
    "unreachable route": Mistake(
        r"bylaw\.yaml:5: .*/v1/chat.*|bylaw\.yaml:5: .*nothing reaches",
        keys=routed(f"{ROUTE}, {{match: /v1/chat, upstream: provider, dialect: openai}}"),
    ),
    "unknown profile": Mistake(r"bylaw\.yaml:6: .*strcit.*strict", more="policies: {profile: strcit}\n"),
    "missing policy file": Mistake(r"nowhere\.yaml", more="policies: {profile: ./nowhere.yaml}\n"),
    "unknown guard": Mistake(r"policy\.yaml:4: .*secrts.*secrets", policy=POLICY.replace("secrets", "secrts")),
    "unknown guard option": Mistake(
        r"policy\.yaml:4: .*actoin.*action",
        policy=POLICY.replace("on: [prompt, reply]", "options: {actoin: redact}"),
    ),
    "bad expression": Mistake(
        r"policy\.yaml:4: .*rule x: missing \)",
        policy=POLICY.replace(
            "{guard: secrets, on: [prompt, reply]}",
            "{guard: patterns, options: {rules: [{name: x, expression: 'a(b', action: block}]}}",
        ),
    ),
    "mandatory guard on a passed route": Mistake(
        r"/raw/.*mandatory.*secrets|mandatory.*`secrets`",
        keys=routed("{match: /raw/, upstream: provider, dialect: raw, pass_through: true}"),
        policy=POLICY.replace("on: [prompt, reply]", "mandatory: true"),
    ),
    "missing secret": Mistake(
        r"bylaw\.yaml:4: .*NO_SUCH_VARIABLE is not set",
        keys={"upstreams": f"{{provider: {{url: '{UPSTREAM}', key: 'env:NO_SUCH_VARIABLE'}}}}"},
    ),
    "secret in the file": Mistake(
        r"bylaw\.yaml:4: .*env:",
        keys={"upstreams": f"{{provider: {{url: '{UPSTREAM}', key: sk-swordfish}}}}"},
    ),
    "unknown jurisdiction code": Mistake(r"bylaw\.yaml:6: .*Germany", more="jurisdictions: {default: [Germany]}\n"),
    "open control plane on all addresses": Mistake(
        r"bylaw\.yaml:2: admin\.open", keys={"admin": "{listen: '0.0.0.0:0', open: true}"}
    ),
    "key of a caller in clear": Mistake(
        r"bylaw\.yaml:6: callers\.app\.key_sha256.*64 hexadecimal",
        more="callers: {app: {key_sha256: bylaw_swordfish}}\n",
    ),
    "plugin that does not import": Mistake(r"plugin odd.*no_such_module.*plugins\.disabled", plugin=BROKEN),
    "plugin that breaks the contract": Mistake(
        r"odd\.py:\d+: .*inspect_request.*default argument", plugin=FAULTY
    ),
}  # fmt: skip


Answer = tuple[int, str, str]


async def refused(folder: Path, mistake: Mistake, *arguments: str) -> Answer:
    """Start `bylaw serve` as a process."""
    env = install(folder, "odd", mistake.plugin) if mistake.plugin else {}
    return await bylaw("serve", *configured(folder, mistake), *arguments, **env)


def refused_here(folder: Path, mistake: Mistake) -> Answer:
    """Start `bylaw serve` in this process, for what is found before anything is started."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["serve", *configured(folder, mistake)])
    return status, out.getvalue(), err.getvalue()


def configured(folder: Path, mistake: Mistake) -> tuple[str, str]:
    """Write the configuration with the mistake; the option that names it."""
    more = mistake.more
    if mistake.policy:
        (folder / "policy.yaml").write_text(mistake.policy)
        more += f"policies: {{profile: {folder}/policy.yaml}}\n"
    config = folder / "bylaw.yaml"
    config.write_text(config_text(UPSTREAM, folder / "data", more, **mistake.keys))
    return "--config", str(config)


def complaint(answer: tuple[int, str, str]) -> str:
    """The one line on stderr of a start that was refused."""
    status, out, err = answer
    assert (2, "", False) == (status, out, "Traceback" in err), err
    lines = err.splitlines()
    assert 1 == len(lines), err
    assert lines[0].startswith("bylaw: ")
    return lines[0]


NEED_A_PROCESS = {name for name, mistake in MISTAKES.items() if mistake.plugin} | {
    "missing secret",
    "unknown key",
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_one_line_with_its_place_and_the_way_out(tmp_path: Path, name: str) -> None:
    mistake = MISTAKES[name]
    answer = await refused(tmp_path, mistake) if name in NEED_A_PROCESS else refused_here(tmp_path, mistake)
    line = complaint(answer)
    assert re.search(MISTAKES[name].says, line), line
    assert "swordfish" not in line


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("option", ["--listen", "--admin"])
async def test_a_port_in_use_is_one_line(tmp_path: Path, taken: str, option: str) -> None:
    line = complaint(await refused(tmp_path, Mistake(""), option, taken))
    assert re.search(f"cannot listen on {taken}: .*in use", line), line


def a_file(folder: Path) -> Path:
    (folder / "taken").write_text("")
    return folder / "taken"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "data"


@pytest.mark.parametrize("place", [a_file, below_a_file])
async def test_a_data_directory_that_cannot_be_is_one_line(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    line = complaint(await refused(tmp_path, Mistake(""), "--data-dir", str(place(tmp_path))))
    assert str(tmp_path / "taken") in line


async def test_a_configuration_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    line = complaint(await bylaw("serve", "--config", str(tmp_path / "none.yaml")))
    assert f"{tmp_path}/none.yaml" in line


async def test_a_ledger_that_another_proxy_holds_is_one_line(tmp_path: Path) -> None:
    ledger = tmp_path / "data" / "ledger"
    ledger.mkdir(parents=True, mode=0o700)
    held = os.open(ledger, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        line = complaint(await refused(tmp_path, Mistake("")))
    finally:
        os.close(held)
    assert f"{ledger}: another process writes to this ledger" in line
