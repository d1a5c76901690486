"""Noticing edits."""

import os

from bylaw.supervise.watch import Watch, marks


def watching():
    reports = []
    return Watch(lambda: (), lambda: reports.append(1), 1.0), reports


ONE, TWO = {"a": (1, 1, 1)}, {"a": (2, 1, 1)}


def test_what_is_found_first_is_reported_once_it_rests():
    watch, reports = watching()
    watch.look(ONE)
    assert [] == reports
    watch.look(ONE)
    watch.look(ONE)
    assert [1] == reports


def test_a_change_is_reported_when_it_is_over():
    watch, reports = watching()
    for seen in (ONE, ONE, TWO, {"a": None}, TWO):
        watch.look(seen)
    assert [1] == reports
    watch.look(TWO)
    assert [1, 1] == reports


def test_a_change_that_was_undone_between_looks_is_none():
    watch, reports = watching()
    for seen in (ONE, ONE, TWO, ONE, ONE):
        watch.look(seen)
    assert [1] == reports


def test_a_file_that_replaces_another_of_the_same_size_and_time_is_told_apart(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for path in (first, second):
        path.write_text("same")
        os.utime(path, ns=(5, 5))
    before = marks([str(first)])
    second.rename(first)
    assert before != marks([str(first)])


def test_a_swapped_symbolic_link_is_noticed(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to("old")
    before = marks([str(link)])
    link.unlink()
    link.symlink_to("new")
    assert before != marks([str(link)])


def test_a_file_added_to_a_watched_directory_is_noticed(tmp_path):
    os.utime(tmp_path, ns=(5, 5))
    before = marks([str(tmp_path)])
    (tmp_path / "pack.yaml").write_text("")
    assert before != marks([str(tmp_path)])


def test_a_missing_file_has_no_mark(tmp_path):
    assert {str(tmp_path / "x"): None} == marks([str(tmp_path / "x")])
