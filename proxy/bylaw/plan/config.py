"""The configuration: files, environment and command line -> one checked, immutable `Config`.

Law of this module: it reads nothing but its arguments. The same snapshot, environment and options give the
same configuration in every worker. The command line wins over the environment, which wins over the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bylaw.errors import Place
from bylaw.plan.addresses import BaseUrl
from bylaw.plan.crosscheck import crosscheck, refuse_not_yet
from bylaw.plan.overrides import COMMAND_LINE, apply_env, apply_options
from bylaw.plan.sections import Config, Policies
from bylaw.plan.snapshot import SUFFIXES, Snapshot
from bylaw.plan.source import Node
from bylaw.plan.typed import build

NOTHING: Mapping[str, Any] = {}
DEFAULT_FILE = "serve --upstream"
DEFAULT_SOURCE = """\
upstreams:
  default: {{url: {url}}}
routes:
  - {{match: /v1/messages, upstream: default, dialect: anthropic}}
  - {{match: /v1/, upstream: default, dialect: openai}}
"""

__all__ = ["Config", "capture", "default_config", "default_snapshot", "load_config"]


def capture(path: Path, env: Mapping[str, str] = NOTHING, options: Mapping[str, Any] = NOTHING) -> Snapshot:
    """Read the configuration file and every policy and pack file that it names.

    Args:
        path: the configuration file.
        env, options: as for `load_config`; they may name other folders.

    Raises:
        ConfigError: something cannot be read, or the section `policies` is wrong.
    """
    alone = Snapshot.capture(path)
    policies = _policies(_merged(alone, env, options))
    named = [pack for pack in policies.packs if isinstance(pack, Path)]
    named += [Path(policies.profile)] if Path(policies.profile).suffix in SUFFIXES else []
    folders = [*policies.directories, *(path for path in named if path.is_dir())]
    return Snapshot.capture(path, folders, [path for path in named if not path.is_dir()])


def load_config(
    snapshot: Snapshot, env: Mapping[str, str] = NOTHING, options: Mapping[str, Any] = NOTHING
) -> Config:
    """Build and check the configuration.

    Args:
        snapshot: files as captured; it must have a configuration file.
        env: the process environment; variables `BYLAW__SECTION__KEY` are read.
        options: command line values by dotted key; None: not given.

    Raises:
        ConfigError: with file, line and key; every mistake of one kind, one a line.
    """
    root = _merged(snapshot, env, options)
    refuse_not_yet(root)
    config = build(Config, root)
    crosscheck(config, root)
    return replace(config, policies=_policies(root))


def default_snapshot(upstream_url: str) -> Snapshot:
    """The configuration of `serve --upstream URL` without a file.

    Every path of a known dialect goes to this provider, the dialect told by the path.

    Raises:
        ConfigError: not a URL that could stand in a file.
    """
    build(BaseUrl, Node(upstream_url, Place(COMMAND_LINE, 0, "--upstream")))
    return Snapshot(DEFAULT_FILE, {DEFAULT_FILE: DEFAULT_SOURCE.format(url=json.dumps(upstream_url))})


def default_config(
    upstream_url: str, env: Mapping[str, str] = NOTHING, options: Mapping[str, Any] = NOTHING
) -> Config:
    """`load_config` of `default_snapshot`."""
    return load_config(default_snapshot(upstream_url), env, options)


def _merged(snapshot: Snapshot, env: Mapping[str, str], options: Mapping[str, Any]) -> Node:
    root = snapshot.node(snapshot.config)
    if root.value is None:
        root = Node({}, root.place)
    return apply_options(apply_env(root, env, Config), options, Config)


def _policies(root: Node) -> Policies:
    """The section, with a profile that is a file taken from the folder of the file that names it."""
    node = root.get("policies")
    policies = build(Policies, node) if node else Policies()
    profile = root.get("policies", "profile")
    if profile is None:
        return policies
    path = Path(policies.profile).suffix in SUFFIXES
    named = str(build(Path, profile)) if path else policies.profile
    return replace(policies, profile=named, place=profile.place)
