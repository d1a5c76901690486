"""`bylaw check`: validate configuration, policies, plugins and coverage, and print the coverage map.

Law of this module: what passes here starts; what would be refused at start is refused here with the same words.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import groupby

from bylaw.clock import SystemClock
from bylaw.commands.serve import add_source, source_of
from bylaw.compose import Load, load, operations, route_facts, runtime
from bylaw.plan.coverage import Cover, coverage
from bylaw.plan.merge import Considered
from bylaw.upstream.client import UpstreamClient

EXAMPLE = "example: bylaw check --config bylaw.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bylaw check`."""
    parser.epilog = EXAMPLE
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=check)


def check(arguments: argparse.Namespace) -> int:
    """Compile everything and print what it comes to.

    Raises:
        ConfigError: whatever is wrong, with file and line.
    """
    source = source_of(arguments)
    loaded = load(source.capture(), source.env, source.options, SystemClock().today())
    runtime(loaded, source.env, lambda name, up, limits: UpstreamClient(str(up.url), limits, name=name))
    covers = list(covered(loaded))
    print(as_json(loaded, covers) if arguments.json else as_text(loaded, covers))
    return 0


def covered(loaded: Load) -> list[Cover]:
    """The coverage map of every route under the default jurisdictions."""
    codes = frozenset(loaded.config.jurisdictions.default)
    return [
        cover
        for section in loaded.config.routes
        for cover in coverage(
            loaded.planner, loaded.registry, route_facts(section), operations(section), codes
        )
    ]


def left_to_people(loaded: Load) -> list[Considered]:
    """Rows that are in force and apply here, and that Bylaw does not enforce."""
    codes = frozenset(loaded.config.jurisdictions.default)
    selection, _ = loaded.planner.merged(codes)
    return [item for item in selection.applying if item.duty == "operator"]


def as_json(loaded: Load, covers: list[Cover]) -> str:
    """For programs."""
    whole = {
        "ok": True,
        "digest": loaded.digest,
        "coverage": [asdict(cover) for cover in covers],
        "left_to_people": [item.row.id for item in left_to_people(loaded)],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def as_text(loaded: Load, covers: list[Cover]) -> str:
    """For people: one block a route and operation, one line a step and side."""
    config, policy = loaded.config, loaded.planner.policy
    lines = [
        f"profile {policy.name}, jurisdictions by default {', '.join(sorted(config.jurisdictions.default))}",
        "",
    ]
    for (route, operation), group in groupby(covers, key=lambda c: (c.route, c.operation)):
        lines.append(f"{route}  {operation}")
        for (step, side), cells in groupby(group, key=lambda c: (c.step, c.side)):
            lines.append(f"  {step:<20} {side:<7} {'; '.join(summary(list(cells)))}")
    people = left_to_people(loaded)
    lines += ["", f"{len(people)} rows in force are left to people (bylaw policy explain lists them).", "ok"]
    return "\n".join(lines)


def summary(cells: list[Cover]) -> list[str]:
    """`state: channels (why)` for each state."""
    parts: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        parts.setdefault((cell.state, cell.why), []).append(cell.channel)
    return [
        f"{state}" + (f" ({why})" if len(parts) == 1 and why else f": {', '.join(channels)}")
        for (state, why), channels in parts.items()
    ]
