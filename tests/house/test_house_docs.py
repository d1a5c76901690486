"""What the pages show is so: Python runs, configurations and policies load, commands exist with their options."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from bylaw.cli import COMMANDS, parser
from bylaw.plan.config import load_config
from bylaw.plan.packs import load_pack
from bylaw.plan.policy import load_policy
from bylaw.plan.snapshot import Snapshot

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?bylaw [a-z][^`]*)`")
LANGUAGES = {"", "python", "yaml", "toml", "sh", "text", "json", "mermaid"}


def blocks(*languages: str) -> list[tuple[str, str]]:
    return [
        (page, text)
        for page, whole in PAGES.items()
        for kind, text in BLOCK.findall(whole)
        if kind in languages
    ]


def pages_with(language: str) -> list[str]:
    return sorted({page for page, _ in blocks(language)})


def test_every_block_is_of_a_language_that_is_known_here():
    fences = {
        (page, fence)
        for page, whole in PAGES.items()
        for number, fence in enumerate(re.findall(r"^```(.*)$", whole, re.MULTILINE))
        if number % 2 == 0
    }
    assert [] == sorted((page, fence) for page, fence in fences if fence not in LANGUAGES)


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs_from_top_to_bottom(page, capsys):
    scope: dict[str, object] = {}
    for of, text in blocks("python"):
        if of == page:
            exec(compile(text, page, "exec"), scope)
    assert set(scope) > {"__builtins__"}


def test_the_guards_of_the_page_do_what_it_says():
    scope: dict[str, object] = {}
    for page, text in blocks("python"):
        if page == "docs/plugins.md":
            exec(compile(text, page, "exec"), scope)
    case = scope["guard_case"](scope["Badges"])  # type: ignore[operator]
    assert "badge [BADGE]" == case.prompt("badge B-1234").text


@pytest.mark.parametrize(("page", "text"), blocks("yaml"), ids=lambda value: value[:30].split("\n")[0])
def test_yaml_of_a_page_loads(page, text):
    if re.search(r"^policy:", text, re.MULTILINE):
        assert load_policy(text, page).name
    elif re.search(r"^pack:", text, re.MULTILINE):
        assert load_pack(text, page).name
    else:
        assert load_config(Snapshot(page, {page: text})).routes


def shown() -> Iterator[tuple[str, str]]:
    """Every command of Bylaw on a page, in blocks and in sentences."""
    for page, whole in PAGES.items():
        for text in INLINE.findall(whole):
            yield page, text
        for kind, text in BLOCK.findall(whole):
            for line in text.splitlines() if kind == "sh" else ():
                command = line.split(" #")[0].strip()
                if re.match(r"(\.venv/bin/)?bylaw ", command):
                    yield page, command


def wrong(command: str) -> str:
    """The first word of a command that the command line does not know; empty if it knows them all."""
    words = shlex.split(command.replace("...", ""))[1:]
    at: argparse.ArgumentParser = parser(words[0])
    for word in words:
        subcommands = next((a for a in at._actions if isinstance(a, argparse._SubParsersAction)), None)
        if word.startswith("-"):
            if word.split("=")[0] not in at._option_string_actions:
                return word
        elif subcommands is not None:
            if word not in subcommands.choices:
                return word
            at = subcommands.choices[word]
    return ""


@pytest.mark.parametrize(("page", "command"), sorted(set(shown())))
def test_a_command_on_a_page_exists_with_its_options(page, command):
    assert "" == wrong(command), page


def test_a_command_that_does_not_exist_would_be_found():
    known = ["bylaw serve --config x", "bylaw policy explain --jurisdiction EU", "bylaw audit verify --json"]
    assert ["", "", ""] == [wrong(command) for command in known]
    odd = ["bylaw sreve", "bylaw serve --confgi x", "bylaw policy explian", "bylaw audit verify --jsno"]
    assert ["sreve", "--confgi", "explian", "--jsno"] == [wrong(command) for command in odd]


def test_every_command_is_on_a_page():
    named = {command.removeprefix(".venv/bin/").split()[1] for _, command in shown()}
    assert [] == [name for name in COMMANDS if name not in named]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)", PAGES[page])
    here = (ROOT / page).parent
    assert [] == [t for t in targets if not re.match(r"[a-z]+:", t) and not (here / t).exists()]
