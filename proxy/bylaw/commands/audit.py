"""`bylaw audit`: look at the ledger, and check it.

Law of this module: it reads and prints and never writes to the ledger; an operator's mistake is one line on
stderr and exit status 2. Exit status 1 means that a verification failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from bylaw.errors import BylawError
from bylaw.ledger.layout import ledger_dir
from bylaw.ledger.reader import Cursor, Numbered, last_entries
from bylaw.ledger.verify import Report, verify

FOLLOW_S: Final = 0.2
LIMITS: Final = (
    "The chain is not signed yet: who can write to the directory can rewrite it whole, or cut off its end, "
    "without this check noticing."
)
_NOTES_SHOWN: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `tail` and `verify`; each sets `func`, which returns the exit status."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    tail = _command(commands, "tail", "print the last entries", "tail -n 20 --follow", _tail)
    much = tail.add_mutually_exclusive_group()
    much.add_argument("-n", metavar="N", type=_count, default=10, help="how many (default 10)")
    much.add_argument("--all", action="store_true", help="from the first entry on")
    tail.add_argument("--follow", action="store_true", help="go on as entries are written, until Ctrl-C")
    _command(
        commands, "verify", "check every entry and every link; exit status 1 if one does not hold",
        "verify --data-dir /var/lib/bylaw --json", _verify,
    )  # fmt: skip


def _command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=f"example: bylaw audit {example}"
    )
    command.add_argument(
        "--data-dir", metavar="DIR", type=Path, default=Path("bylaw-data"),
        help="data directory of the proxy (default ./bylaw-data)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON, one object a line")
    command.set_defaults(func=lambda arguments: _guarded(run, arguments))
    return command


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    folder = ledger_dir(arguments.data_dir)
    if not folder.is_dir():
        return _mistake(f"{folder}: no ledger here; name the proxy's data directory with --data-dir")
    try:
        status = run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader has seen enough; what Python would still flush at exit must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 0
    except (BylawError, OSError) as error:
        return _mistake(str(error))


def _mistake(message: str) -> int:
    sys.stderr.write(f"bylaw audit: {message}\n")
    return 2


def _tail(arguments: argparse.Namespace) -> int:
    show = _json_line if arguments.json else _text_line
    if arguments.all:
        cursor = Cursor(arguments.data_dir)
        while found := cursor.advance():
            _print(map(show, found))
    else:
        found, cursor = last_entries(arguments.data_dir, arguments.n)
        _print(map(show, found))
    while arguments.follow:
        _print(map(show, cursor.advance()))
        time.sleep(FOLLOW_S)
    return 0


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _json_line(numbered: Numbered) -> str:
    common: dict[str, Any] = {"exchange": "", "decision": None, "jurisdictions": [], "steps": []}
    return orjson.dumps({"index": numbered.number, **common, **numbered.entry}).decode()


def _text_line(numbered: Numbered) -> str:
    entry = numbered.entry
    columns = (
        f"{numbered.number:>8}",
        _time(entry.get("at_us", 0)),
        f"{_plain(entry.get('type', '')):<9}",
        f"{_plain(entry.get('exchange', '')) or '-':<26}",
        f"{_plain(entry.get('decision')) or '-':<9}",
        f"{_list(entry.get('jurisdictions')) or '-':<12}",
        _steps(entry.get("steps")),
    )
    return "  ".join(columns).rstrip()


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _plain(value: Any) -> str:
    # An entry may hold what a caller sent (a path, a model's name): nothing of it may steer a terminal.
    text = "" if value is None else str(value)
    return text if text.isprintable() else ascii(text)


def _list(value: Any) -> str:
    return ",".join(map(_plain, value)) if isinstance(value, list) else _plain(value)


def _steps(steps: Any) -> str:
    if not isinstance(steps, list):
        return ""
    return " ".join(_step(step) for step in steps)


def _step(step: Any) -> str:
    if not isinstance(step, dict):
        return _plain(step)
    name = next((_plain(step[key]) for key in ("step", "id", "name", "guard") if key in step), "step")
    what = next((_plain(step[key]) for key in ("verdict", "action", "decision") if key in step), "")
    return f"{name}={what}" if what else name


def _verify(arguments: argparse.Namespace) -> int:
    report = verify(arguments.data_dir)
    _print([orjson.dumps(report.as_dict()).decode()] if arguments.json else _report_lines(report))
    return 0 if report.ok else 1


def _report_lines(report: Report) -> list[str]:
    lines = [f"{report.entries} entries in {report.frames} frames in {report.segments} segments hold."]
    if report.frames:
        lines.append(f"Written between {_time(report.first_us)} and {_time(report.last_us)}.")
    lines.append(f"{report.open_intents} exchanges are open (begun, no outcome yet).")
    lines += [f"Note: {_plain(note)}" for note in report.notes[:_NOTES_SHOWN]]
    if len(report.notes) > _NOTES_SHOWN:
        lines.append(f"Note: and {len(report.notes) - _NOTES_SHOWN} more; --json shows all.")
    failure = report.failure
    if failure is None:
        return [*lines, "OK: every entry and every link holds.", LIMITS]
    entry = f"entry {failure.index}" if failure.index >= 0 else "not an entry"
    where = f"{entry}, {failure.file}, offset {failure.offset}"
    return [*lines, f"FAILED: the first that does not hold: {where}: {_plain(failure.reason)}"]
