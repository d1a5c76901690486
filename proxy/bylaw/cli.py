"""The command line.

Law of this module: exit status 0 ok, 1 the answer is no, 2 the operator's mistake; an error is one readable line
on stderr, never a traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from bylaw import __version__
from bylaw.errors import BylawError, ConfigError

COMMANDS = {
    "serve": "run the proxy",
    "check": "validate configuration, policies, plugins and coverage",
    "policy": "list, show and explain obligations",
    "plugins": "list, create and verify plugins",
    "audit": "read and verify the ledger",
    "keys": "make keys for callers",
}
EXAMPLE = "example: bylaw serve --upstream https://api.openai.com"


def parser(command: str) -> argparse.ArgumentParser:
    """The command line; only the command that was asked for is imported, so that reading the ledger is quick."""
    top = argparse.ArgumentParser(
        prog="bylaw", description="Enforces law and policy on model traffic.", epilog=EXAMPLE
    )
    top.add_argument("--version", action="version", version=f"bylaw {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == command:
            importlib.import_module(f"bylaw.commands.{name}").add_arguments(sub)
    return top


def add_plugin_commands(top: argparse.ArgumentParser, name: str) -> None:
    """Add the commands of plugins; looked up only when a command is asked for that Bylaw itself does not have."""
    from bylaw.plan.registry import load_registry  # noqa: PLC0415 - imports every plugin

    registry = load_registry()
    commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    for command, add in registry.commands.items():
        if command == name and command not in COMMANDS:
            add(commands.add_parser(command))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command = given[0] if given else ""
        top = parser(command)
        if command and not command.startswith("-") and command not in COMMANDS:
            add_plugin_commands(top, command)
        parsed = top.parse_args(given)
        return int(parsed.func(parsed))
    except ConfigError as error:
        print(f"bylaw: {error}", file=sys.stderr)
        return 2
    except BylawError as error:
        print(f"bylaw: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
