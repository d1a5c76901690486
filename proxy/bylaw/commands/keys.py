"""`bylaw keys`: proxy keys for callers.

Law of this module: a key is shown once and stored nowhere; the configuration gets its SHA-256.
"""

from __future__ import annotations

import argparse
import json
import secrets

from bylaw.plan.callers import KEY_PREFIX, digest

KEY_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands of `bylaw keys`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    new = commands.add_parser(
        "new", help="make a key for a caller", epilog="example: bylaw keys new --caller web-shop"
    )
    new.add_argument("--caller", default="my-app", metavar="NAME", help="name to put into the snippet")
    new.add_argument("--json", action="store_true", help="print one JSON object")
    new.set_defaults(func=new_key)


def new_key(arguments: argparse.Namespace) -> int:
    """Print a new key, and what to write into the configuration."""
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    hashed = digest(key).hex()
    if arguments.json:
        print(json.dumps({"key": key, "key_sha256": hashed}))
        return 0
    print(f"key (shown once; send it as API key, or in the header Bylaw-Key):\n  {key}\n")
    print(f"callers:\n  {arguments.caller}: {{key_sha256: {hashed}, tenant: {arguments.caller}}}")
    return 0
