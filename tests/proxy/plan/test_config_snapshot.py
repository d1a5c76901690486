"""Files, read once: every worker sees the same bytes."""

from __future__ import annotations

import json
import os

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.config import capture
from bylaw.plan.snapshot import Snapshot
from bylaw.plan.source import SOURCE_BYTES_MAX


@pytest.fixture
def house(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "bylaw.yaml").write_text("policies: {directories: [./policies]}\n")
    (tmp_path / "policies" / "b.yaml").write_text("b: 1\n")
    (tmp_path / "policies" / "a.yml").write_text("a: 1\n")
    (tmp_path / "policies" / ".hidden.yaml").write_text("broken: [")
    (tmp_path / "policies" / "README.md").write_text("# hello")
    return tmp_path


def test_the_configuration_and_its_policies_are_captured(house):
    snapshot = capture(house / "bylaw.yaml")
    policies = str(house / "policies")
    assert (str(house / "policies" / "a.yml"), str(house / "policies" / "b.yaml")) == snapshot.listing(
        policies
    )
    assert ["a: 1\n", "b: 1\n"] == [snapshot.read(path) for path in snapshot.listing(policies)]
    assert str(house / "bylaw.yaml") == snapshot.config


def test_another_process_gets_the_same(house):
    snapshot = capture(house / "bylaw.yaml")
    sent = json.dumps(snapshot.to_json())
    (house / "policies" / "b.yaml").write_text("b: 2\n")
    (house / "bylaw.yaml").unlink()
    assert snapshot == Snapshot.from_json(json.loads(sent))


def test_packs_and_a_profile_that_are_files_are_captured(house):
    (house / "packs").mkdir()
    for name in ("packs/x.yaml", "own.yaml", "profile.yaml"):
        (house / name).write_text("{}")
    text = "policies: {packs: [builtin, ./packs, own.yaml], profile: profile.yaml}"
    (house / "bylaw.yaml").write_text(text)
    names = {"bylaw.yaml", "packs/x.yaml", "own.yaml", "profile.yaml"}
    assert {str(house / name) for name in names} == set(capture(house / "bylaw.yaml").files)


def test_the_environment_may_name_other_folders(house, monkeypatch):
    monkeypatch.chdir(house)
    (house / "bylaw.yaml").write_text("")
    snapshot = capture(house / "bylaw.yaml", {"BYLAW__POLICIES__DIRECTORIES": "[./policies]"})
    assert 2 == len(snapshot.listing(str(house / "policies")))


def test_untouched_files_have_not_changed(house):
    assert False is capture(house / "bylaw.yaml").changed()


def _touch(house):
    os.utime(house / "policies" / "b.yaml", ns=(1, 1))


def _replace_by_the_same(house):
    (house / "new").write_text("b: 1\n")
    (house / "new").rename(house / "policies" / "b.yaml")


@pytest.mark.parametrize("act", [_touch, _replace_by_the_same])
def test_the_same_words_are_no_change(house, act):
    snapshot = capture(house / "bylaw.yaml")
    act(house)
    assert False is snapshot.changed()


def _edit(house):
    (house / "policies" / "b.yaml").write_text("b: 22\n")


def _edit_in_place_and_forge_the_time(house):
    path = house / "policies" / "b.yaml"
    (house / "new").write_text("b: 2\n")
    os.utime(house / "new", ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    (house / "new").rename(path)


def _add(house):
    (house / "policies" / "c.yaml").write_text("c: 1\n")


def _remove(house):
    (house / "policies" / "b.yaml").unlink()


def _remove_config(house):
    (house / "bylaw.yaml").unlink()


def _remove_folder(house):
    (house / "policies").rename(house / "elsewhere")


def _break(house):
    (house / "policies" / "b.yaml").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    "act", [_edit, _edit_in_place_and_forge_the_time, _add, _remove, _remove_config, _remove_folder, _break]
)
def test_other_words_are_a_change(house, act):
    snapshot = capture(house / "bylaw.yaml")
    act(house)
    assert True is snapshot.changed()


def test_a_mounted_config_map_is_followed(house):
    """Kubernetes swaps a symlink; what was captured keeps the name that the operator wrote."""
    for version in ("v1", "v2"):
        (house / version).mkdir()
        (house / version / "bylaw.yaml").write_text(f"# {version}\n")
    (house / "data").symlink_to(house / "v1")
    snapshot = capture(house / "data" / "bylaw.yaml")
    assert str(house / "data" / "bylaw.yaml") == snapshot.config
    (house / "swap").symlink_to(house / "v2")
    (house / "swap").rename(house / "data")
    assert True is snapshot.changed()


def test_a_snapshot_without_disk_never_changes():
    assert False is Snapshot("x", {"x": "a: 1"}).changed()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("bylaw.yaml", b"a: 1\nb: \xff\n", ":2: not UTF-8"),
        ("bylaw.yaml", b"#" * (SOURCE_BYTES_MAX + 1), f": larger than {SOURCE_BYTES_MAX} bytes"),
        (
            "bylaw.yaml",
            b"policies: {directories: [nowhere]}",
            "nowhere: cannot be listed: No such file or directory",
        ),
        (
            "bylaw.yaml",
            b"policies: {directories: nowhere}",
            ":1: policies.directories: expected a list, found the text",
        ),
        (
            "bylaw.yaml",
            b"policies: {packs: [gone.yaml]}",
            "gone.yaml: cannot be read: No such file or directory",
        ),
        ("other.yaml", b"", "bylaw.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        capture(tmp_path / "bylaw.yaml")
    assert str(caught.value).startswith(str(tmp_path))
    assert message in str(caught.value)


def test_a_folder_with_the_name_of_a_policy_is_not_skipped(house):
    (house / "policies" / "c.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be read: Is a directory"):
        capture(house / "bylaw.yaml")


def test_what_was_not_captured_is_not_there(house):
    snapshot = capture(house / "bylaw.yaml")
    with pytest.raises(ConfigError, match="/etc/passwd: no such file"):
        snapshot.read("/etc/passwd")
    with pytest.raises(ConfigError, match="/etc: no such directory"):
        snapshot.listing("/etc")


def test_the_number_of_files_is_bounded(house, monkeypatch):
    monkeypatch.setattr("bylaw.plan.snapshot.FILES_MAX", 2)
    with pytest.raises(ConfigError, match="more than 2 policy files"):
        capture(house / "bylaw.yaml")
