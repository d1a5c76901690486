"""`bylaw audit`: what people and programs see of a ledger on a real disk."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import pytest

from bylaw.clock import SystemClock
from bylaw.commands.audit import add_arguments
from bylaw.ledger.disk import RealDisk
from bylaw.ledger.entry import Entry, role_of
from bylaw.ledger.layout import segments
from bylaw.ledger.state import Record
from bylaw.ledger.writer import Writer

STREAM = ("b0", "w0")
PROGRAM = """
import argparse, sys
from bylaw.commands.audit import add_arguments
parser = argparse.ArgumentParser(prog="bylaw audit")
add_arguments(parser)
arguments = parser.parse_args()
sys.exit(arguments.func(arguments))
"""


def record(seq: int, kind: str, exchange: str, **fields) -> Record:
    at_us = 1_790_000_000_000_000 + seq
    return Record(
        STREAM, seq, role_of(kind), exchange, Entry(kind, exchange, fields).encode(at_us, 1, *STREAM, seq)
    )


def exchanges(writer: Writer, first: int, count: int) -> None:
    steps = [{"step": "pii", "action": "edit"}, {"step": "secrets", "action": "allow"}]
    for number in range(first, first + count):
        outcome = {"decision": "modified", "jurisdictions": ["EU", "US-CA"], "steps": steps}
        writer.append([record(number * 2 + 1, "intent", f"e{number}")])
        writer.append([record(number * 2 + 2, "outcome", f"e{number}", **outcome)])


@pytest.fixture
def data_dir(tmp_path):
    writer = Writer(RealDisk(), tmp_path, "strict", SystemClock(), segment_bytes=2000)
    exchanges(writer, 0, 10)
    writer.close()
    return tmp_path


def audit(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bylaw audit")
    add_arguments(parser)
    arguments = parser.parse_args(words)
    return arguments.func(arguments)


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_tail_prints_one_json_object_a_line(data_dir, capsys):
    assert 0 == audit("tail", "-n", "2", "--json", "--data-dir", str(data_dir))
    intent, outcome = (json.loads(line) for line in lines(capsys))
    assert ("intent", "e9", None, [], []) == tuple(
        intent[key] for key in ("type", "exchange", "decision", "jurisdictions", "steps")
    )
    assert ("outcome", "e9", "modified", ["EU", "US-CA"], "pii") == (
        outcome["type"], outcome["exchange"], outcome["decision"], outcome["jurisdictions"],
        outcome["steps"][0]["step"],
    )  # fmt: skip


def test_tail_prints_ten_lines_by_default_and_all_on_demand(data_dir, capsys):
    audit("tail", "--data-dir", str(data_dir))
    last_ten = lines(capsys)
    audit("tail", "--all", "--data-dir", str(data_dir))
    everything = lines(capsys)
    assert (10, everything[-10:], True) == (len(last_ten), last_ten, "  boot  " in everything[0])


@pytest.mark.parametrize("count", [0, 1, 7, 25, 1000])
def test_tail_gives_as_many_as_asked_for_across_segments(data_dir, capsys, count):
    audit("tail", "--all", "--json", "--data-dir", str(data_dir))
    everything = lines(capsys)
    audit("tail", "-n", str(count), "--json", "--data-dir", str(data_dir))
    assert everything[len(everything) - min(count, len(everything)) :] == lines(capsys)


def test_a_line_for_people_is_aligned(data_dir, capsys):
    audit("tail", "-n", "1", "--data-dir", str(data_dir))
    assert (
        "2026-09-21 14:13:20.000Z  outcome    e9                          modified   EU,US-CA"
        "      pii=edit secrets=allow"
    ) == lines(capsys)[0][10:]


def test_what_a_caller_sent_does_not_steer_the_terminal(data_dir, capsys):
    writer = Writer(RealDisk(), data_dir, "strict", SystemClock())
    writer.append([record(21, "intent", "e99", decision="\x1b[2J")])
    writer.close()
    audit("tail", "-n", "1", "--data-dir", str(data_dir))
    assert "\x1b" not in lines(capsys)[0]


def test_verify_says_what_it_checked_and_what_it_cannot(data_dir, capsys):
    assert 0 == audit("verify", "--data-dir", str(data_dir))
    found = lines(capsys)
    assert ("OK: every entry and every link holds.", True) == (found[3], "not signed yet" in found[4])
    assert "0 exchanges are open (begun, no outcome yet)." == found[2]


def test_verify_names_the_first_entry_that_does_not_hold_and_exits_1(data_dir, capsys):
    path = segments(RealDisk(), data_dir)[1].path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    first = segments(RealDisk(), data_dir)[1].first_index
    assert 1 == audit("verify", "--data-dir", str(data_dir))
    assert (
        f"FAILED: the first that does not hold: entry {first}, {path}, offset 0: checksum mismatch"
        in lines(capsys)[-1]
    )
    assert 1 == audit("verify", "--json", "--data-dir", str(data_dir))
    failure = json.loads(lines(capsys)[0])["failure"]
    assert (first, str(path), 0) == (failure["index"], failure["file"], failure["offset"])


@pytest.mark.parametrize("command", ["tail", "verify"])
def test_a_directory_without_a_ledger_is_the_operators_mistake(tmp_path, capsys, command):
    assert 2 == audit(command, "--data-dir", str(tmp_path / "none"))
    found = capsys.readouterr()
    assert ("", 1) == (found.out, len(found.err.splitlines()))
    assert "no ledger here; name the proxy's data directory with --data-dir" in found.err


@pytest.mark.parametrize("command", ["tail", "verify"])
def test_help_shows_an_example(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        audit(command, "--help")
    assert f"example: bylaw audit {command}" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["-1", "x"])
def test_a_count_that_is_none_is_the_operators_mistake(capsys, count):
    with pytest.raises(SystemExit, match="2"):
        audit("tail", "-n", count)
    assert "argument -n" in capsys.readouterr().err


def test_follow_shows_what_comes_and_ends_quietly_when_nobody_reads(data_dir):
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "tail",
        "-n",
        "1",
        "--follow",
        "--json",
        "--data-dir",
        str(data_dir),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "e9" == json.loads(process.stdout.readline())["exchange"]
    writer = Writer(RealDisk(), data_dir, "strict", SystemClock())
    exchanges(writer, 10, 5)
    assert ["", *(f"e{number}" for number in range(10, 15) for _ in (0, 1))] == [
        json.loads(process.stdout.readline())["exchange"] for _ in range(11)
    ]
    process.stdout.close()
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        exchanges(writer, 15, 1)
        time.sleep(0.05)
    writer.close()
    assert (0, "") == (process.returncode, process.stderr.read())
    process.stderr.close()
