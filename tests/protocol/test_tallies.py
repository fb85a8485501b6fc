"""Counting calls in buckets: nothing lost in adding up, and percentiles near the exact ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.latency import EDGES, Histogram, Tally, bucket_ms, bucket_of

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
TIMES = st.integers(0, 10**6)


def tally(times: list[int], **about: object) -> Tally:
    made = Tally()
    for milliseconds in times:
        made.count(milliseconds, at=NOON, **about)  # type: ignore[arg-type]
    return made


def exact(times: list[int], percent: int) -> int:
    """Return the nearest rank."""
    return sorted(times)[-(-len(times) * percent // 100) - 1]


@given(st.integers(0, 2**31 - 1))
def test_every_time_lies_in_its_bucket_which_stands_for_it_within_two_percent(value: int) -> None:
    bucket = bucket_of(value)
    assert EDGES[bucket] <= value < EDGES[bucket + 1]
    assert abs(bucket_ms(bucket) - value) <= max(0.02 * value, 0.5)


def test_the_buckets_that_stand_in_tables_do_not_change() -> None:
    assert len(EDGES) == 506
    assert [bucket_of(value) for value in (0, 31, 100, 1000, 15000)] == [0, 31, 71, 132, 202]
    assert EDGES[500] == 1784828370


def test_a_time_beyond_all_measure_is_in_the_last_bucket() -> None:
    assert bucket_of(2**31 - 1) == bucket_of(10**15) == len(EDGES) - 2


@given(st.lists(TIMES, min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_within_two_percent_of_the_exact_ones(
    times: list[int],
    percent: int,
) -> None:
    found, right = tally(times).percentile_ms(percent), exact(times, percent)
    assert abs(found - right) <= max(0.02 * right, 0.5)
    assert found <= max(times)


@given(st.lists(TIMES), st.lists(TIMES))
def test_two_tallies_add_up_to_that_of_all_calls(one: list[int], other: list[int]) -> None:
    total = tally(one, failure="TIMEOUT", is_standby=True)
    total.add(tally(other, is_refused=True))
    assert total.calls == len(one) + len(other)
    assert total.histogram == tally(one + other).histogram
    assert (total.failed, total.refused) == (len(one), len(other))
    assert total.standby_calls == len(one)
    assert total.slowest_ms == max([0, *one, *other])


@given(st.lists(TIMES))
def test_a_histogram_comes_back_from_where_it_is_stored(times: list[int]) -> None:
    made = tally(times).histogram
    assert Histogram(made.stored) == made
    assert sum(made.calls()) == len(times)
    for bucket, calls in enumerate(made.calls()):
        assert calls == sum(bucket_of(milliseconds) == bucket for milliseconds in times)


def test_a_histogram_is_stored_in_eight_bytes_a_bucket_the_least_first() -> None:
    made = tally([0, 0, 2]).histogram
    assert made.stored == bytes([2, *[0] * 7]) + bytes(8) + bytes([1, *[0] * 7])
    assert Histogram().stored == b""
    assert Histogram().calls() == ()
    assert len(tally([2**31 - 1]).histogram.stored) == 8 * 505
    assert made != Histogram()
    assert made != made.stored


def test_a_bucket_that_is_full_of_calls_does_not_spill_into_the_next() -> None:
    year = Histogram(bytes([*[255] * 7, 100]) + bytes([7, *[0] * 7]))
    year.add(Histogram(bytes([*[255] * 7, 100])))
    assert year.calls() == (2 * (101 * 256**7 - 1), 7)


def test_a_call_without_an_answer_is_a_failure_and_no_refusal() -> None:
    made = tally([10], failure="TIMEOUT", is_refused=True)
    made.count(10, at=NOON, is_refused=True)
    made.count(10, at=NOON, failure="DNS")
    made.count(10, at=NOON)
    assert made.failures == {"TIMEOUT": 1, "DNS": 1}
    assert (made.calls, made.failed, made.refused, made.failure_rate) == (4, 2, 1, 0.5)


def test_calls_to_a_standby_host_have_a_first_and_a_last_moment() -> None:
    made, later = Tally(), Tally()
    for minutes in (7, 3, 9):
        made.count(10, at=NOON + timedelta(minutes=minutes), is_standby=True)
    later.count(10, at=NOON + timedelta(hours=1), is_standby=True)
    later.count(10, at=NOON + timedelta(hours=2))
    made.add(later)
    made.add(Tally())
    assert made.standby_calls == 4
    assert made.first_standby_at == NOON + timedelta(minutes=3)
    assert made.last_standby_at == NOON + timedelta(hours=1)


@given(TIMES, TIMES)
def test_of_one_or_two_calls_percentiles_are_exact(one: int, other: int) -> None:
    assert {tally([one]).percentile_ms(percent) for percent in (1, 50, 99)} == {one}
    both = tally([one, other])
    assert (both.percentile_ms(50), both.percentile_ms(99)) == (min(one, other), max(one, other))


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_nothing_comes_to_nothing(percent: int) -> None:
    assert Tally().percentile_ms(percent) == 0
    assert Tally().failure_rate == 0.0
    assert Tally().first_standby_at is None
