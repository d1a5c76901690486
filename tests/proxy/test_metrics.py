"""What a worker counts."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bylaw import metrics
from bylaw.metrics import BOUNDS_S, STAGES, Counts

NOTHING = (0, 0, 0, 0, 0, 0)


def counters(counts):
    return {(name, *labels): value for name, labels, value in counts.snapshot()["counters"]}


def test_exchanges_are_counted_by_route_decision_and_class_of_status():
    counts = Counts()
    for status in (200, 204, 404, 0):
        counts.observe("/v1/", "allow", status, NOTHING)
    assert {
        ("bylaw_exchanges", "/v1/", "allow", "2xx"): 2,
        ("bylaw_exchanges", "/v1/", "allow", "4xx"): 1,
        ("bylaw_exchanges", "/v1/", "allow", "0xx"): 1,
    } == counters(counts)


def test_a_status_that_http_does_not_know_is_counted_as_other():
    counts = Counts()
    counts.observe("/v1/", "allow", 799, NOTHING)
    assert {("bylaw_exchanges", "/v1/", "allow", "other"): 1} == counters(counts)


def test_everything_else_is_counted_under_its_own_name():
    counts = Counts()
    counts.verdict("pii", "edit")
    counts.guard_error("pii")
    counts.upstream_error("connect_timeout")
    counts.ledger(appended=2, refused=3, lost=4)
    assert {
        ("bylaw_guard_verdicts", "pii", "edit"): 1,
        ("bylaw_guard_errors", "pii"): 1,
        ("bylaw_upstream_errors", "connect_timeout"): 1,
        ("bylaw_ledger_appended",): 2,
        ("bylaw_ledger_refused",): 3,
        ("bylaw_ledger_lost",): 4,
    } == counters(counts)


@given(st.integers(min_value=1, max_value=10**12))
def test_a_time_falls_into_the_first_bucket_whose_bound_it_does_not_exceed(spent_ns):
    counts = Counts()
    counts.observe("/v1/", "allow", 200, (spent_ns, 0, 0, 0, 0, 0))
    buckets, sum_ns = counts.snapshot()["stages"]["read"]
    expected = next((i for i, bound in enumerate(BOUNDS_S) if spent_ns <= round(bound * 1e9)), len(BOUNDS_S))
    assert ([expected], spent_ns) == ([i for i, entries in enumerate(buckets) if entries], sum_ns)


def test_a_stage_that_was_not_reached_is_not_measured():
    counts = Counts()
    counts.observe("/v1/", "blocked", 403, (5, 5, 5, 0, 0, 5))
    entries = {stage: sum(buckets) for stage, (buckets, _) in counts.snapshot()["stages"].items()}
    assert dict(zip(STAGES, (1, 1, 1, 0, 0, 1), strict=True)) == entries


def test_the_number_of_series_is_bounded_and_nothing_is_lost_beyond_it(monkeypatch):
    monkeypatch.setattr(metrics, "SERIES_MAX", 3)
    counts = Counts()
    for number in range(10):
        counts.guard_error(f"step{number}")
    found = counters(counts)
    assert (4, 7, 10) == (len(found), found["bylaw_guard_errors", "other"], sum(found.values()))


def test_words_outside_the_closed_sets_are_counted_as_other():
    counts = Counts()
    counts.observe("/v1/", "swordfish", 200, NOTHING)
    counts.verdict("pii", "swordfish")
    expected = {("bylaw_exchanges", "/v1/", "other", "2xx"), ("bylaw_guard_verdicts", "pii", "other")}
    assert expected == set(counters(counts))


def test_a_snapshot_is_json_and_does_not_change_afterwards():
    counts = Counts()
    counts.in_flight = 3
    counts.observe("/v1/", "allow", 200, (5, 5, 5, 5, 5, 5))
    snapshot = counts.snapshot()
    before = json.dumps(snapshot)
    counts.observe("/v1/", "allow", 200, (5, 5, 5, 5, 5, 5))
    assert (before, 3) == (json.dumps(snapshot), snapshot["in_flight"])
