"""`bylaw policy`: which rows there are, what one says, and why a plan is as it is.

Law of this module: it reads and prints; an operator's mistake is one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

import bylaw_policies
from bylaw.commands.policy_text import CERTAINTY, explanation_text, row_text, table
from bylaw.errors import ConfigError, Place
from bylaw.plan.codes import parse_codes
from bylaw.plan.config import capture, load_config
from bylaw.plan.explain import as_data, explain, row_data
from bylaw.plan.facts import Facts, read_facts
from bylaw.plan.library import Library, load_library
from bylaw.plan.merge import in_force
from bylaw.plan.packs import Pack, Row
from bylaw.plan.snapshot import SUFFIXES, Snapshot
from bylaw.plan.source import Node, from_plain
from bylaw.plan.typed import nearest

EXAMPLE = "example: bylaw policy {}"
NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Setup:
    """What the command works on: the library, and what the configuration says, if there is one."""

    library: Library
    profile: str = "default"
    facts: Facts = NO_FACTS
    jurisdictions: frozenset[str] = frozenset()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands of `bylaw policy`; each sets `func`, which returns the exit status."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = _command(commands, "list", "list every row of the packs in use", "list --at 2027-12-02", _list)
    show = _command(commands, "show", "print one row with its sources", "show EU-50-1-INTERACT", _show)
    show.add_argument("id", metavar="ID", help="id of a row, as `bylaw policy list` prints it")
    why = _command(
        commands, "explain", "say why a plan is as it is: steps, parameters, rows, people",
        "explain --jurisdiction EU,CN --fact purpose=companion", _explain,
    )  # fmt: skip
    why.add_argument("--jurisdiction", metavar="CODES", help="codes that apply together, e.g. EU,US-CA")
    why.add_argument(
        "--route", metavar="PREFIX", help="path prefix of a route, e.g. /v1/; without: any route"
    )
    why.add_argument(
        "--fact", metavar="NAME=VALUE", action="append", default=[], help="a deployment fact; repeatable"
    )
    why.add_argument("--profile", metavar="NAME", help="observe-only, default or strict, or a policy file")
    for command in (listing, show, why):
        command.add_argument(
            "--at", metavar="DATE", type=_date, default=_today(), help="as of this date (YYYY-MM-DD)"
        )
        command.add_argument(
            "--config", metavar="FILE", type=Path, help="configuration file of the deployment"
        )
        command.add_argument("--json", action="store_true", help="print JSON")


def _command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EXAMPLE.format(example)
    )
    command.set_defaults(func=lambda arguments: _guarded(run, arguments))
    return command


def _guarded(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    try:
        run(arguments)
    except ConfigError as error:
        sys.stderr.write(f"bylaw policy: {error}\n")
        return 2
    return 0


def _list(arguments: argparse.Namespace) -> None:
    library = read_setup(arguments.config).library
    rows = [(row, pack, in_force(row, Facts(), arguments.at)) for pack in library.packs for row in pack.rows]
    if arguments.json:
        _print_json([_listed(row, pack, why_not) for row, pack, why_not in rows])
        return
    head = ("ID", "PACK", "STATUS", f"ON {arguments.at}", "CERTAINTY", "CLASS")
    body = [
        (row.id, pack.name, row.status, "no" if why_not else "binds", CERTAINTY[row.certainty], row.duty)
        for row, pack, why_not in rows
    ]
    _print(table([head, *body]))


def _listed(row: Row, pack: Pack, why_not: str) -> dict[str, Any]:
    return {
        "id": row.id, "pack": pack.name, "status": row.status, "in_force": not why_not, "class": row.duty,
        "certainty": row.certainty, "title": row.title, "citation": row.cites,
    }  # fmt: skip


def _show(arguments: argparse.Namespace) -> None:
    known = {row.id: (row, pack) for pack in read_setup(arguments.config).library.packs for row in pack.rows}
    if arguments.id not in known:
        raise ConfigError(
            f"no row `{arguments.id}` in the packs in use{nearest(arguments.id.upper(), known)}"
        )
    row, pack = known[arguments.id]
    why_not = in_force(row, Facts(), arguments.at)
    if arguments.json:
        _print_json(row_data(row, pack) | {"in_force": not why_not})
    else:
        _print(row_text(row, pack, why_not))


def _explain(arguments: argparse.Namespace) -> None:
    setup = read_setup(arguments.config, arguments.profile)
    codes = _codes(arguments.jurisdiction) or setup.jurisdictions
    if not codes:
        raise ConfigError("which jurisdictions? Give --jurisdiction, e.g. --jurisdiction EU,CN")
    facts = _facts(setup.facts, arguments.fact)
    policy = setup.library.policy(setup.profile)
    told = explain(policy, setup.library.packs, codes, facts, arguments.at, route=arguments.route)
    if arguments.json:
        _print_json(as_data(told))
    else:
        _print(explanation_text(told))


def read_setup(config: Path | None, profile: str | None = None) -> Setup:
    """The library as `serve` would load it.

    Args:
        config: configuration file; None: the shipped packs and profiles.
        profile: a profile that wins over the one of the configuration.

    Raises:
        ConfigError: a file that cannot be read, or a mistake in it.
    """
    if config is None:
        named = [Path(profile).absolute()] if profile and Path(profile).suffix in SUFFIXES else []
        library = load_library(
            bylaw_policies.packs(), bylaw_policies.profiles(), files=Snapshot.capture(None, files=named)
        )
        return Setup(library, str(named[0]) if named else profile or "default")
    options = {"policies.profile": profile}
    snapshot = capture(config, os.environ, options)
    read = load_config(snapshot, os.environ, options)
    packs = [str(pack) for pack in read.policies.packs]
    library = load_library(
        bylaw_policies.packs(), bylaw_policies.profiles(), packs, read.policies.directories, snapshot
    )
    return Setup(library, read.policies.profile, read.deployment, frozenset(read.jurisdictions.default))


def _codes(text: str | None) -> frozenset[str]:
    try:
        return parse_codes((text or "").upper())
    except ValueError as error:
        raise ConfigError(f"--jurisdiction: {error}") from None


def _facts(stated: Facts, words: Iterable[str]) -> Facts:
    """Facts of the configuration, those of the command line winning."""
    given = read_facts(Node(_given(words), Place("--fact")))
    return Facts({**stated.known, **given.known}, given.placed_on_market or stated.placed_on_market)


def _given(facts: Iterable[str]) -> dict[str, Node]:
    found: dict[str, list[str]] = {}
    for fact in facts:
        name, equals, value = fact.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"--fact {fact}: expected NAME=VALUE, e.g. --fact purpose=companion")
        found.setdefault(name, []).extend(word.strip() for word in value.split(","))
    return {
        name: from_plain(words if len(words) > 1 else words[0], Place("--fact", 0, name))
        for name, words in found.items()
    }


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write YYYY-MM-DD") from None


def _today() -> date:
    return datetime.now(UTC).date()


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
