"""`bylaw plugins`: which guards are installed, a project for a new one, and whether one keeps the contract.

Law of this module: it never loads a configuration; what it says of a plugin holds for any.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from bylaw.commands.skeleton import check_name, write_project
from bylaw.errors import ConfigError
from bylaw.plan.registry import GuardInfo, load_registry
from bylaw.plan.typed import nearest
from bylaw.testing.checks import Check, conformance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands of `bylaw plugins`; each sets `func`, which returns the exit status."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = _command(commands, "list", "list the installed guards", "list --json", _list)
    listing.add_argument("--json", action="store_true", help="print a JSON list")
    new = _command(commands, "new", "write the project of a new plugin", "new acme-terms --dir ~/src", _new)
    new.add_argument("name", metavar="NAME", help="lower-case words with hyphens, e.g. acme-terms")
    new.add_argument("--dir", type=Path, default=Path(), help="where the folder NAME is made (default: here)")
    verify = _command(commands, "verify", "check that a plugin keeps the contract", "verify pii", _verify)
    verify.add_argument("name", metavar="NAME", help="a guard, or a plugin for all of its guards")
    verify.add_argument(
        "--options", metavar="JSON", default="{}", help="options of the guard, as a JSON object"
    )
    verify.add_argument(
        "--text", action="append", default=[], help="a text that the guard reacts to (repeatable)"
    )
    verify.add_argument("--json", action="store_true", help="print a JSON list")


def _command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example: bylaw plugins {example}",
    )
    command.set_defaults(func=lambda arguments: _guarded(run, arguments))
    return command


def _guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    try:
        return run(arguments)
    except ConfigError as error:
        sys.stderr.write(f"bylaw plugins: {error}\n")
        return 2


def _list(arguments: argparse.Namespace) -> int:
    guards = load_registry().guards
    rows = [guard_data(guards[name]) for name in sorted(guards)]
    if arguments.json:
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    for row in rows:
        sys.stdout.write("\n".join(_lines(row)) + "\n")
    return 0


def guard_data(info: GuardInfo) -> dict[str, Any]:
    """What there is to know about a guard, as JSON has it."""
    return {
        "name": info.cls.name,
        "version": info.cls.version,
        "plugin": info.plugin,
        "distribution": info.distribution,
        "distribution_version": info.version,
        "summary": (info.cls.__doc__ or "").strip().partition("\n")[0],
        "hooks": list(info.hooks),
        "controls": list(info.cls.controls),
        "reads": sorted(info.cls.reads),
        "options": [_option(field) for field in dataclasses.fields(info.cls.Options)],
    }


def _option(field: dataclasses.Field[Any]) -> dict[str, Any]:
    told = {"name": field.name, "type": str(field.type)}
    if field.default is not dataclasses.MISSING:
        return told | {"default": _plain(field.default)}
    if field.default_factory is not dataclasses.MISSING:
        return told | {"default": _plain(field.default_factory())}
    return told | {"required": True}


def _plain(value: Any) -> Any:
    """A default as JSON may have it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"{row['name']} {row['version']}  ({row['distribution']} {row['distribution_version']})"
    yield f"  {row['summary']}"
    yield f"  hooks: {', '.join(row['hooks'])}"
    if row["controls"]:
        yield f"  controls: {', '.join(row['controls'])}"
    for option in row["options"]:
        default = (
            "required" if "required" in option else f"default {orjson.dumps(option['default']).decode()}"
        )
        yield f"  option {option['name']}: {option['type']}, {default}"


def _new(arguments: argparse.Namespace) -> int:
    check_name(arguments.name)
    folder = arguments.dir / arguments.name
    write_project(arguments.name, folder)
    sys.stdout.write(f"{folder} is ready; next: cd {folder} && pip install -e . pytest && pytest\n")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    guards = load_registry().guards
    chosen = [info for info in guards.values() if arguments.name in {info.cls.name, info.plugin}]
    if not chosen:
        known = {*guards, *(info.plugin for info in guards.values())}
        raise ConfigError(
            f"no installed guard or plugin is named {arguments.name!r}{nearest(arguments.name, known)}"
        )
    results = {info.cls.name: conformance(info.cls, _options(arguments), arguments.text) for info in chosen}
    if arguments.json:
        rows = [
            {"guard": name, "check": c.name, "problem": c.problem} for name, cs in results.items() for c in cs
        ]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.writelines(_verdict_lines(results))
    return int(any(check.problem for checks in results.values() for check in checks))


def _options(arguments: argparse.Namespace) -> Any:
    try:
        options = orjson.loads(arguments.options)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"--options is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise ConfigError('--options must be a JSON object, e.g. \'{"mode": "flag"}\'')
    return options


def _verdict_lines(results: Mapping[str, list[Check]]) -> Iterator[str]:
    for name, checks in results.items():
        yield f"{name}\n"
        for check in checks:
            yield f"  {'FAIL' if check.problem else 'ok  '}  {check.name}\n"
            if check.problem:
                yield f"        {check.problem}\n"
