"""Summaries and time series of calls, rolled up or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay.models import ApiReport
from django_wxpay.services import clock
from django_wxpay.services.latency import summary
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.latency.summary import Period, Scope, host_of, interface_of, measure
from tests.factories import ApiReportFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Period(NOON, NOON + timedelta(days=1))
STANDBY = {"host": "api2.mch.weixin.qq.com", "is_standby": True}


def call(minutes: float = 0, **fields: object) -> Any:
    return ApiReportFactory(created_at=NOON + timedelta(minutes=minutes), **fields)


def test_calls_count_alike_before_and_after_they_are_rolled_up() -> None:
    for minutes in range(0, 300, 7):
        call(minutes, execute_time_ms=minutes)
    call(5, failed=True, execute_time_ms=15000)
    call(6, result_code="FAIL", err_code="ORDERPAID")
    before = measure(DAY).summary()
    assert roll_up(limit=20) == 20
    assert measure(DAY).summary() == before
    roll_up()
    assert measure(DAY).summary() == before
    (row,) = before
    assert (row.count, row.refused, row.failures) == (45, 1, {"TIMEOUT": 1})
    assert (row.failure_rate, row.slowest_ms) == (round(1 / 45, 6), 15000)
    assert row.p50_ms == pytest.approx(147, rel=0.02)


def test_a_summary_is_of_the_calls_in_its_scope() -> None:
    call(merchant="a", host="h1", interface_url="https://h1/pay/unifiedorder")
    call(merchant="a", host="h2", interface_url="https://h2/pay/unifiedorder")
    roll_up()
    call(merchant="b", host="h1", interface_url="https://h1/pay/unifiedorder")

    def found(**scope: str) -> list[tuple[str, str]]:
        return [(row.merchant, row.host) for row in measure(DAY, Scope(**scope)).summary()]

    assert found() == [("a", "h1"), ("a", "h2"), ("b", "h1")]
    assert found(merchant="a") == [("a", "h1"), ("a", "h2")]
    assert found(host="h1") == [("a", "h1"), ("b", "h1")]
    assert found(interface_url="https://h2/pay/unifiedorder") == [("a", "h2")]
    assert found(merchant="other") == []


@pytest.mark.parametrize("rolled_up", [True, False])
def test_a_period_ends_before_its_end(rolled_up: bool) -> None:
    for minutes in (-1, 0, 59, 60):
        call(minutes)
    if rolled_up:
        roll_up()
    (row,) = measure(Period(NOON, NOON + HOUR)).summary()
    assert row.count == 2


def test_of_the_calls_that_no_hour_counts_the_newest_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(summary, "PENDING_CALLS_READ", 3)
    for minutes in range(5):
        call(minutes, merchant=str(minutes))
    with django_assert_num_queries(2):
        rows = measure(DAY).summary()
    assert [row.merchant for row in rows] == ["2", "3", "4"]


def test_a_time_series_has_a_series_for_each_name_and_a_tally_for_each_bucket() -> None:
    call(0)
    call(130, execute_time_ms=900)
    roll_up()
    call(130, **STANDBY, interface_url="https://api2.mch.weixin.qq.com/pay/unifiedorder")
    look = measure(Period(NOON, NOON + 5 * HOUR))

    series = look.time_series(interface_of, step=2 * HOUR)
    assert series.buckets == [NOON, NOON + 2 * HOUR, NOON + 4 * HOUR]
    assert list(series.series) == ["/pay/unifiedorder"]
    assert [tally.calls for tally in series.series["/pay/unifiedorder"]] == [1, 2, 0]

    by_host = look.time_series(host_of, step=HOUR)
    assert {name: [tally.calls for tally in line] for name, line in by_host.series.items()} == {
        "api.mch.weixin.qq.com": [1, 0, 1, 0, 0],
        "api2.mch.weixin.qq.com": [0, 0, 1, 0, 0],
    }


def test_calls_to_a_standby_host_are_one_failover_until_an_hour_passes_without() -> None:
    call(0)
    for minutes in (55, 58, 62, 100, 161, 300):
        call(minutes, **STANDBY)
    call(60, **STANDBY, merchant="other")
    roll_up(limit=4)
    found_then = [
        (found.merchant, found.began_at - NOON, found.ended_at - NOON, found.calls)
        for found in measure(DAY).failovers()
    ]
    minutes = [timedelta(minutes=number) for number in (300, 161, 60, 55, 100)]
    assert found_then == [
        ("default", minutes[0], minutes[0], 1),
        ("default", minutes[1], minutes[1], 1),
        ("other", minutes[2], minutes[2], 1),
        ("default", minutes[3], minutes[4], 4),
    ]
    assert {found.host for found in measure(DAY).failovers()} == {STANDBY["host"]}


def test_two_interfaces_that_fail_over_together_are_one_failover() -> None:
    call(0, **STANDBY)
    call(30, **STANDBY)
    call(10, **STANDBY, interface_url="https://api2.mch.weixin.qq.com/pay/orderquery")
    roll_up()
    (found,) = measure(DAY).failovers()
    assert (found.began_at, found.ended_at) == (NOON, NOON + timedelta(minutes=30))
    assert found.calls == 3


def test_without_calls_there_are_no_figures() -> None:
    look = measure(DAY)
    assert (look.summary(), look.failovers()) == ([], [])
    assert look.time_series(host_of, step=HOUR).series == {}


@pytest.mark.parametrize(
    ("after", "before", "start", "end"),
    [
        (NOON, NOON + HOUR, NOON, NOON + HOUR),
        (NOON + HOUR / 2, NOON + HOUR, NOON, NOON + HOUR),
        (NOON, NOON + HOUR / 2, NOON, NOON + HOUR),
        (None, NOON, NOON - 3 * HOUR, NOON),
    ],
)
def test_a_period_is_the_whole_hours_that_it_touches(
    after: datetime | None, before: datetime, start: datetime, end: datetime
) -> None:
    period = Period.covering(after=after, before=before, span=3 * HOUR)
    assert (period.start, period.end) == (start, end)


def test_a_period_ends_now_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON + HOUR / 2)
    assert Period.covering(span=2 * HOUR) == Period(NOON - 2 * HOUR, NOON + HOUR)
    assert Period.covering(after=NOON, span=HOUR) == Period(NOON, NOON + HOUR)


@pytest.mark.parametrize(
    "moment",
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
)
def test_at_the_ends_of_the_calendar_there_is_nothing(moment: datetime) -> None:
    for period in (
        Period.covering(after=moment, before=moment, span=HOUR),
        Period.covering(before=moment, span=HOUR),
    ):
        assert measure(period).summary() == []


def test_what_was_pruned_counts_on() -> None:
    call(0)
    roll_up()
    ApiReport.objects.all().delete()
    assert [row.count for row in measure(DAY).summary()] == [1]
