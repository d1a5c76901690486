"""How long a place stays empty."""

from bylaw.supervise.child import Timings
from bylaw.supervise.slot import Backoff

TIMINGS = Timings(backoff_s=0.1, backoff_max_s=5.0, calm_s=10.0)


def waits(backoff, *lives_s):
    return [backoff.next_s(lived_s) for lived_s in lives_s]


def test_waits_double_up_to_the_longest():
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert expected == waits(Backoff(TIMINGS, wait_first=True), *[0.0] * 8)


def test_the_writer_is_replaced_at_once_the_first_time():
    assert [0.0, 0.1, 0.2] == waits(Backoff(TIMINGS, wait_first=False), 0.0, 0.0, 0.0)


def test_a_calm_life_starts_anew():
    assert [0.1, 0.2, 0.1, 0.2] == waits(Backoff(TIMINGS, wait_first=True), 0.0, 9.9, 10.0, 0.0)


def test_the_wait_stays_bounded_for_ever():
    assert 5.0 == waits(Backoff(TIMINGS, wait_first=True), *[0.0] * 5000)[-1]
