"""`bylaw plugins`: what it lists, the project that it writes, and what it verifies."""

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from bylaw.commands.plugins import add_arguments
from bylaw.commands.skeleton import FILES, check_name
from bylaw.errors import ConfigError
from bylaw.plan.policy import load_policy

ROOT = Path(__file__).parents[2]


def bylaw(*arguments):
    """Exit status of `bylaw plugins ...`."""
    parser = argparse.ArgumentParser(prog="bylaw plugins")
    add_arguments(parser)
    parsed = parser.parse_args([str(argument) for argument in arguments])
    return parsed.func(parsed)


def test_list_names_guards_hooks_and_options(capsys):
    assert 0 == bylaw("list")
    printed = capsys.readouterr().out
    assert "pii 1  (bylaw " in printed
    assert "  hooks: inspect_request, inspect_reply, inspect_window, inspect_tool_call" in printed
    assert "option action: Literal['redact', 'block', 'flag'], default \"redact\"" in printed


def test_list_as_json_can_be_read_by_a_program(capsys):
    assert 0 == bylaw("list", "--json")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert ["privacy"] == rows["pii"]["controls"]
    assert {"name": "measure", "type": "bool", "default": True} in rows["audit"]["options"]


def test_verify_prints_every_check_and_succeeds(capsys):
    assert 0 == bylaw("verify", "limits")
    assert 7 == capsys.readouterr().out.count("  ok    ")


def test_verify_takes_options_and_reports_as_json(capsys):
    rules = json.dumps({"rules": [{"name": "x", "expression": "lion"}]})
    assert 0 == bylaw("verify", "patterns", "--options", rules, "--text", "a lion", "--json")
    assert {""} == {row["problem"] for row in json.loads(capsys.readouterr().out)}


def test_verify_fails_when_the_guard_cannot_be_built(capsys):
    assert 1 == bylaw("verify", "patterns", "--options", '{"rules": [{"name": "x", "expression": "("}]}')
    assert "FAIL  options: the guard can be built" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "pi"), "no installed guard or plugin is named 'pi', did you mean `pii`?"),
        (("verify", "pii", "--options", "{"), "--options is not JSON"),
        (("verify", "pii", "--options", "[]"), "--options must be a JSON object"),
        (("new", "Acme"), "'Acme' cannot be the name of a plugin"),
        (("new", "class"), "'class' is reserved"),
        (("new", "bylaw-x"), "'bylaw-x' is reserved"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, message, capsys):
    assert 2 == bylaw(*arguments)
    printed = capsys.readouterr().err
    assert message in printed
    assert 1 == printed.count("\n")


@pytest.mark.parametrize("name", ["a", "acme", "acme-terms2"])
def test_good_names_are_accepted(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a--b", "9a", "a/b", "../a", "a" * 41, "a\n"])
def test_bad_names_are_refused(name):
    with pytest.raises(ConfigError):
        check_name(name)


def test_new_refuses_to_overwrite(tmp_path, capsys):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mine.txt").write_text("keep")
    assert 2 == bylaw("new", "acme", "--dir", tmp_path)
    assert "it exists already" in capsys.readouterr().err
    assert ["mine.txt"] == [path.name for path in (tmp_path / "acme").iterdir()]


def test_new_writes_every_file(tmp_path):
    assert 0 == bylaw("new", "acme-terms", "--dir", tmp_path)
    written = {str(p.relative_to(tmp_path / "acme-terms")) for p in (tmp_path / "acme-terms").rglob("*.*")}
    assert {name.replace("$package", "acme_terms") for name in FILES} <= written


def test_the_guard_of_the_skeleton_is_short(tmp_path):
    bylaw("new", "acme", "--dir", tmp_path)
    lines = (tmp_path / "acme/src/acme/guard.py").read_text().split("class Acme(")[1].splitlines()
    assert len([line for line in lines if line.strip()]) <= 15


def test_the_policy_of_the_skeleton_is_one(tmp_path):
    bylaw("new", "acme", "--dir", tmp_path)
    policy = load_policy((tmp_path / "acme/policy.yaml").read_text(), "policy.yaml")
    assert ["secrets", "acme"] == [step.guard for step in policy.steps]


def test_the_tests_of_the_skeleton_pass(tmp_path):
    """Without installing anything: source trees on the path."""
    bylaw("new", "acme-terms", "--dir", tmp_path)
    path = os.pathsep.join(map(str, (ROOT / "proxy", ROOT / "plugins", ROOT / "policies")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "acme-terms",
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.slow
def test_the_skeleton_installs_and_is_found_in_a_fresh_environment(tmp_path):
    bylaw("new", "acme-terms", "--dir", tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"

    def run(*command):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        folder = tmp_path / "acme-terms"
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    run(python, "-m", "pip", "install", "-q", ROOT, ".", "pytest")
    assert "4 passed" in run(python, "-m", "pytest", "-q")
    code = "from bylaw.plan.registry import load_registry as r; print(r().guards['acme-terms'].distribution)"
    assert "acme-terms\n" == run(python, "-c", code)
