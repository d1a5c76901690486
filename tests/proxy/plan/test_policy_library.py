"""`bylaw.plan.library`: shipped files and files of the operator."""

from pathlib import Path

import pytest

import bylaw_policies
from bylaw.errors import ConfigError, Place
from bylaw.plan.library import Library, load_library
from bylaw.plan.snapshot import Snapshot

PACK = """\
pack: xx
version: "1"
title: t
jurisdictions: [XX]
as_of: 2026-01-01
note: n
sources: {}
rows: []
"""
FILES = Snapshot(
    files={
        "/p/xx.yaml": PACK,
        "/m/a.yaml": "policy: a\nsteps: [{guard: pii}]\n",
        "/m/b.yaml": "policy: b\nsteps: [{guard: limits}]\n",
    },
    directories={"/p": ("/p/xx.yaml",), "/m": ("/m/a.yaml", "/m/b.yaml")},
)


def load(packs=("builtin",), directories=()) -> Library:
    return load_library(bylaw_policies.packs(), bylaw_policies.profiles(), packs, directories, FILES)


def test_builtin_stands_for_every_shipped_pack():
    assert ["cn", "eu", "us-ca"] == [pack.name for pack in load().packs]


@pytest.mark.parametrize("name", ["/p/xx.yaml", "/p"])
def test_a_pack_of_the_operator_is_a_file_or_a_folder(name):
    assert ["xx"] == [pack.name for pack in load([name]).packs]


def test_policies_of_the_operator_follow_the_profile_in_sorted_order():
    policy = load(directories=[Path("/m")]).policy("default")
    assert (["secrets", "pii", "limits"], "default+a+b") == ([step.id for step in policy.steps], policy.name)


def test_a_profile_may_be_a_file_of_the_operator():
    assert "a" == load().policy("/m/a.yaml").name


def test_a_profile_that_does_not_exist_is_named_with_its_place():
    with pytest.raises(ConfigError, match=r"did you mean `strict`.*observe-only") as caught:
        load().policy("stict", Place("c.yaml", 9))
    assert Place("c.yaml", 9) == caught.value.place


@pytest.mark.parametrize(
    ("packs", "directories", "missing"),
    [(["/absent.yaml"], [], "/absent.yaml"), ([], [Path("/absent")], "/absent")],
)
def test_a_missing_file_is_named(packs, directories, missing):
    with pytest.raises(ConfigError, match="no such") as caught:
        load(packs, directories)
    assert missing == caught.value.place.file


def test_a_profile_file_that_was_not_captured_is_named():
    with pytest.raises(ConfigError, match=r"/absent\.yaml: no such file"):
        load().policy("/absent.yaml")
