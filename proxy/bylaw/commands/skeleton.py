"""The project that `bylaw plugins new` writes: small enough to read in a minute, and its tests pass.

Law of this module: it writes into a folder that it made itself, or it writes nothing.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from bylaw.errors import ConfigError, Place

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
NAME_CHARS_MAX = 40

FILES: dict[str, str] = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
description = "A guard for Bylaw."
requires-python = ">=3.11"
dependencies = ["bylaw"]

[project.entry-points."bylaw.v1"]
$name = "$package"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
""",
    "src/$package/__init__.py": '''\
"""The plugin `$name`: it tells Bylaw which guards it has."""

from bylaw.spec import impl

from $package.guard import $cls


@impl
def register_guards() -> list[type[$cls]]:
    return [$cls]
''',
    "src/$package/guard.py": '''\
"""The guard `$name`: keeps words that must not leave from leaving."""

from dataclasses import dataclass

from bylaw.spec import Action, Answer, Hit, PatternGuard, PatternSet, Rule


@dataclass(frozen=True)
class ${cls}Options:
    """What a policy may say under `options:`."""

    words: tuple[str, ...] = ("Project Falcon",)


class $cls(PatternGuard):
    """Replaces the words of its list in prompts, replies, streams and tool calls."""

    name = "$name"
    code = "internal_word"
    message = "The text contains an internal word."
    Options = ${cls}Options

    def setup(self) -> None:
        words = self.options.words
        self.patterns = PatternSet([Rule("internal_word", rf"(?i)\\b\\Q{word}\\E\\b") for word in words])

    def answer(self, hit: Hit, asked: bool) -> Answer:
        return Answer(Action.EDIT, "[internal]")
''',
    "tests/test_$package.py": """\
from bylaw.testing import assert_conforms, assert_cut_invariant, guard_case

from $package.guard import $cls

TEXT = "We call it Project Falcon here."


def test_a_prompt_leaves_without_the_word():
    assert guard_case($cls).prompt(TEXT).text == "We call it [internal] here."


def test_a_stream_leaves_without_the_word_however_it_is_cut():
    assert guard_case($cls).stream(TEXT, range(len(TEXT))).text == "We call it [internal] here."
    assert_cut_invariant(guard_case($cls).guard, TEXT)


def test_another_word_can_be_given():
    case = guard_case($cls, {"words": ["blue lake"]})
    assert case.reply("Blue Lake is near.").text == "[internal] is near."


def test_the_guard_keeps_the_contract():
    assert_conforms($cls, texts=[TEXT])
""",
    "policy.yaml": """\
# In the configuration: `policies: {profile: ./policy.yaml}`, or `bylaw serve --profile policy.yaml`.
policy: with-$name
summary: Credentials and internal words are redacted in both directions.
unread: record
steps:
  - id: secrets
    guard: secrets
    on: [prompt, reply]
    options: {action: redact}
    on_error: block
  - id: $name
    guard: $name
    on: [prompt, reply]
    options: {words: [Project Falcon]}
    on_error: block
""",
    "README.md": """\
# $name

A guard for [Bylaw](https://pypi.org/project/bylaw/).

```
pip install -e . pytest
pytest
bylaw plugins verify $name
```

`policy.yaml` shows how a policy uses it.
""",
}


def check_name(name: str) -> None:
    """Accept what can be the name of a distribution, of an entry point, of a guard, and of a package.

    Raises:
        ConfigError: it cannot.
    """
    if not NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise ConfigError(
            f"{name!r} cannot be the name of a plugin; "
            f"use lower-case words with hyphens, at most {NAME_CHARS_MAX} characters, e.g. acme-terms"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package == "bylaw" or package.startswith("bylaw_"):
        raise ConfigError(f"{name!r} is reserved; choose a name of your own, e.g. acme-terms")


def write_project(name: str, folder: Path) -> None:
    """Write the project of plugin `name` into `folder`, which must not exist.

    Raises:
        ConfigError: the folder exists, or cannot be written.
    """
    package = name.replace("-", "_")
    words = {"name": name, "package": package, "cls": "".join(word.capitalize() for word in name.split("-"))}
    try:
        folder.mkdir(parents=True)
        for path, text in FILES.items():
            file = folder / Template(path).substitute(words)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(text).substitute(words), encoding="utf-8")
    except FileExistsError:
        raise ConfigError("it exists already; choose another name or --dir", Place(str(folder))) from None
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", Place(str(folder))) from None
