"""Figures are divided by the baseline of their own round, and a slice with a failure has none."""

import sys
from pathlib import Path

import pytest

from bylaw_loadtest.load import chat_target
from bylaw_loadtest.process import Process, StartError
from bylaw_loadtest.report import summary, table
from bylaw_loadtest.trial import (
    Sizes,
    Subject,
    TrialError,
    plain_cost,
    plain_latency,
    stream_cost,
    stream_latency,
)

UPSTREAM = [sys.executable, "-m", "bylaw_loadtest.upstream"]
COSTS = ("cpu_us", "cpu_worker_us", "rate_hz")
METRICS = [f"{kind}_{name}" for kind in ("plain", "stream") for name in COSTS]
WAITS = ("plain_p50_us", "plain_p99_us", "stream_first_p50_us")


def figures(value):
    return dict.fromkeys([*METRICS, *WAITS], value)


def rounds():
    return [
        {"direct": figures(1.0), "bare": figures(base), "all": figures(other)}
        for base, other in ((11.0, 22.0), (101.0, 303.0), (6.0, 6.0))
    ]


def subject_of(process, script="{}"):
    headers = {"X-Script": script}
    stream = chat_target(process.url, stream=True, headers=headers)
    return Subject(process.name, process.pid, chat_target(process.url, headers=headers), stream)


def test_ratios_are_taken_within_a_round():
    cell = summary(rounds(), "bare")["plain_cpu_us"]["all"]
    assert {"median": 22.0, "ratio_min": 1.0, "ratio": 2.0, "ratio_max": 3.0} == cell


def test_what_is_added_is_taken_from_the_direct_way_of_the_same_round():
    cell = summary(rounds(), "bare")["plain_added_p50_us"]
    assert (10.0, 21.0) == (cell["bare"]["median"], cell["all"]["median"])


def test_the_table_has_a_line_for_each_metric_and_subject():
    lines = table(rounds(), "bare").splitlines()
    assert 1 + 11 * 2 == len(lines)
    assert ["all", "22.0", "1.00", "2.00", "3.00"] == lines[2].split()


def test_a_process_is_started_measured_and_stopped(tmp_path):
    with Process("up", UPSTREAM, tmp_path) as process:
        measured = {}
        for trial in (plain_cost, stream_cost, plain_latency, stream_latency):
            measured |= trial(subject_of(process), Sizes(0.1, 2, 2))
        pid = process.pid
    assert {*METRICS, *WAITS} == measured.keys()
    assert min(measured.values()) > 0
    assert not Path(f"/proc/{pid}").exists()


def test_a_slice_with_failures_has_no_figures(tmp_path):
    with (
        Process("up", UPSTREAM, tmp_path) as process,
        pytest.raises(TrialError, match=r"up: .* of its requests failed: .*status 503"),
    ):
        plain_cost(subject_of(process, '{"status": 503}'), Sizes(0.1, 1, 1))


@pytest.mark.parametrize(
    ("code", "start_s_max", "message"),
    [
        ("import sys; sys.exit('no such file')", 20, "ended with status 1: no such file"),
        ("print('hello')", 20, "announced b'hello' instead of its address"),
        ("import time; time.sleep(9)", 0.3, "announced no address in 0.3 s: it said nothing"),
    ],
)
def test_a_process_that_does_not_come_up_says_why(tmp_path, code, start_s_max, message):
    process = Process("p", [sys.executable, "-c", code], tmp_path, start_s_max=start_s_max)
    with pytest.raises(StartError, match=message), process:
        pass


def test_the_command_line_refuses_a_broken_script(tmp_path):
    process = Process("up", [*UPSTREAM, "--script", '{"wrods": 1}'], tmp_path)
    with (
        pytest.raises(
            StartError, match="status 2: upstream: unknown script field 'wrods', did you mean 'words'"
        ),
        process,
    ):
        pass


def test_the_bare_pass_through_runs_as_a_process(tmp_path):
    with Process("up", [*UPSTREAM, "--script", '{"words": 3}'], tmp_path) as up:
        command = [sys.executable, "-m", "bylaw_loadtest.bare", "--upstream", up.url]
        with Process("bare", command, tmp_path) as bare:
            measured = plain_latency(subject_of(bare), Sizes(0.1, 1, 1))
    assert measured["plain_p50_us"] > 0
