"""The sum of what the workers counted."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bylaw.metrics import BOUNDS_S, Counts
from bylaw.supervise.totals import House, Totals, render

HOUSE = House("1.2.3", {"worker": 4, "writer": 1}, {"ok": 2, "refused": 3}, 2, True)


def counted(exchanges):
    counts = Counts()
    for _ in range(exchanges):
        counts.observe("/v1/", "allow", 200, (1_000_000, 0, 0, 0, 0, 0))
    counts.in_flight = 2
    return counts.snapshot()


def exposed(total):
    """Sample name and labels -> value, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(render(total, HOUSE).decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_workers_are_added_up():
    samples = exposed(Totals().of([counted(3), counted(4)]))
    labels = (("decision", "allow"), ("route", "/v1/"), ("status_class", "2xx"))
    assert 7 == samples["bylaw_exchanges_total", *labels]
    assert 4 == samples["bylaw_exchange_in_flight",]


def test_a_dead_worker_keeps_its_counts_and_loses_its_exchanges_in_flight():
    totals = Totals()
    for _ in range(3):
        totals.retire(counted(2))
    total = totals.of([counted(1)])
    assert 7 == total.counters["bylaw_exchanges", ("/v1/", "allow", "2xx")]
    assert 2 == total.in_flight
    assert 7_000_000 == total.sums_ns["read"]


def test_a_histogram_is_cumulative_and_ends_with_everything():
    samples = exposed(Totals().of([counted(3)]))
    buckets = [
        samples["bylaw_stage_seconds_bucket", ("le", edge), ("stage", "read")]
        for edge in ("0.0005", "0.001", "0.0025", "+Inf")
    ]
    assert [0, 3, 3, 3] == buckets
    assert 3 == samples["bylaw_stage_seconds_count", ("stage", "read")]
    assert pytest.approx(0.003) == samples["bylaw_stage_seconds_sum", ("stage", "read")]
    assert len(BOUNDS_S) + 1 == len(
        [1 for key in samples if key[0].endswith("_bucket") and ("stage", "read") in key]
    )


def test_a_counter_without_labels_is_there_before_it_counts():
    samples = exposed(Totals().of([]))
    assert [0, 0, 0] == [samples[f"bylaw_ledger_{name}_total",] for name in ("appended", "refused", "lost")]


def test_the_house_tells_its_own_counts():
    samples = exposed(Totals().of([]))
    assert {
        ("bylaw_worker_restarts_total",): 4,
        ("bylaw_writer_restarts_total",): 1,
        ("bylaw_reloads_total", ("result", "ok")): 2,
        ("bylaw_reloads_total", ("result", "refused")): 3,
        ("bylaw_workers_ready",): 2,
        ("bylaw_writer_ready",): 1,
        ("bylaw_build_info", ("version", "1.2.3")): 1,
    }.items() <= samples.items()


def test_a_worker_cannot_invent_series():
    stray = {"counters": [["bylaw_secrets", ["x"], 1], ["bylaw_guard_errors", ["a", "b"], 1]]}
    assert {} == Totals().of([stray]).counters


def test_a_label_cannot_break_out_of_its_quotes():
    counts = Counts()
    counts.guard_error('x"} 1\nbylaw_fake 1')
    samples = exposed(Totals().of([counts.snapshot()]))
    assert 1 == samples["bylaw_guard_errors_total", ("step", 'x"} 1\nbylaw_fake 1')]
    assert ("bylaw_fake",) not in samples
