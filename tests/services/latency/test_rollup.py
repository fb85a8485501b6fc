"""Roll-up of calls: each in its hour, once, with the figures of the raw rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import OperationalError
from django.forms import model_to_dict

from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services.latency import rollup
from django_wxpay.services.latency.rollup import (
    ConcurrentUpdate,
    roll_up,
    start_of_hour,
    stored_tallies,
)
from tests.factories import ApiReportFactory
from tests.tables import atomic, connection

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def call(minutes: float = 0, **fields: object) -> ApiReport:
    made: ApiReport = ApiReportFactory(created_at=NOON + timedelta(minutes=minutes), **fields)
    return made


def test_calls_are_counted_by_merchant_interface_host_and_hour() -> None:
    for minutes, fields in [
        (0, {}),
        (59.9, {"execute_time_ms": 2100}),
        (60, {}),
        (1, {"merchant": "other"}),
        (2, {"host": "api2.mch.weixin.qq.com"}),
        (3, {"interface_url": "https://api.mch.weixin.qq.com/pay/orderquery"}),
    ]:
        call(minutes, **fields)
    assert roll_up() == 6
    hours = HourlyLatency.objects.order_by("hour", "merchant", "interface_url", "host")
    path = "https://api.mch.weixin.qq.com/pay/"
    assert [
        (row.hour.hour, row.merchant, row.interface_url.removeprefix(path), row.host, row.calls)
        for row in hours
    ] == [
        (12, "default", "orderquery", "api.mch.weixin.qq.com", 1),
        (12, "default", "unifiedorder", "api.mch.weixin.qq.com", 2),
        (12, "default", "unifiedorder", "api2.mch.weixin.qq.com", 1),
        (12, "other", "unifiedorder", "api.mch.weixin.qq.com", 1),
        (13, "default", "unifiedorder", "api.mch.weixin.qq.com", 1),
    ]
    assert hours[1].slowest_ms == 2100
    assert str(hours[1]) == f"{path}unifiedorder 2026-05-01 12:00"


def test_a_call_is_counted_once_and_a_later_one_adds_to_the_same_hour() -> None:
    call()
    assert (roll_up(), roll_up()) == (1, 0)
    call(30, failure="TIMEOUT")
    call(31, result_code="FAIL", err_code="ORDERPAID")
    call(32, return_code="FAIL", result_code="")
    assert roll_up() == 3
    (hour,) = HourlyLatency.objects.all()
    assert (hour.calls, hour.failures, hour.refused) == (4, {"TIMEOUT": 1}, 2)
    ((_, tally),) = stored_tallies(HourlyLatency.objects.all())
    assert sum(tally.histogram.calls()) == 4
    assert not ApiReport.objects.filter(is_rolled_up=False).exists()


def test_calls_to_the_standby_host_are_counted_apart() -> None:
    call(1)
    call(2, is_standby=True)
    call(5, is_standby=True)
    roll_up()
    (hour,) = HourlyLatency.objects.all()
    assert hour.standby_calls == 2
    assert hour.first_standby_at == NOON + timedelta(minutes=2)
    assert hour.last_standby_at == NOON + timedelta(minutes=5)


def test_percentiles_of_a_skewed_day_agree_with_the_raw_rows_within_five_percent() -> None:
    dice = random.Random(4)  # noqa: S311 - no secret is made
    times = [round(dice.lognormvariate(5, 0.9)) for _ in range(9800)]
    times += [round(dice.uniform(4000, 15000)) for _ in range(200)]
    dice.shuffle(times)
    # Copies of one row's columns: a factory takes longer for ten thousand than the test.
    row = model_to_dict(ApiReportFactory.build())
    ApiReport.objects.bulk_create(
        ApiReport(
            **row
            | {
                "execute_time_ms": milliseconds,
                "created_at": NOON + timedelta(seconds=8 * number),
            }
        )
        for number, milliseconds in enumerate(times)
    )
    assert roll_up() == 10_000
    total = rollup.Tally()
    for _, tally in stored_tallies(HourlyLatency.objects.all()):
        total.add(tally)
    ranked = sorted(times)
    for percent in (50, 95, 99):
        exact = ranked[len(times) * percent // 100 - 1]
        assert total.percentile_ms(percent) == pytest.approx(exact, rel=0.05)
    assert total.slowest_ms == max(times)


def test_no_more_are_taken_than_asked_for_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_BATCH", 2)
    rows = [call(minutes) for minutes in range(5)]
    assert roll_up(limit=3) == 3
    left = ApiReport.objects.filter(is_rolled_up=False).order_by("id")
    assert [row.pk for row in left] == [rows[3].pk, rows[4].pk]
    assert roll_up(limit=0) == 0
    assert roll_up() == 2


def test_it_stops_between_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_BATCH", 2)
    for minutes in range(5):
        call(minutes)
    answers = iter([False, True])
    assert roll_up(stop=lambda: next(answers)) == 2
    assert ApiReport.objects.filter(is_rolled_up=False).count() == 3


def test_a_batch_counts_wholly_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    call()
    call(1, merchant="other")
    real = rollup._add

    def fails_at_the_second(hour: rollup.HourKey, new: rollup.Tally) -> int:
        if hour.merchant == "other":
            raise OperationalError("the disk is full")
        return real(hour, new)

    monkeypatch.setattr(rollup, "_add", fails_at_the_second)
    monkeypatch.setattr(rollup, "retry_on_lock", lambda action: action())
    with pytest.raises(OperationalError):
        roll_up()
    assert not HourlyLatency.objects.exists()
    assert ApiReport.objects.filter(is_rolled_up=False).count() == 2


def test_a_worker_that_was_overtaken_in_an_hour_counts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call()
    roll_up()
    call(1)
    real = HourlyLatency.objects.filter
    meddled = []

    def overtaking(hour: rollup.HourKey, new: rollup.Tally) -> int:
        done = real_add(hour, new)
        if not meddled:
            # As if another worker had changed the row between our look and our update.
            meddled.append(real(**hour._asdict()).values_list("version", flat=True).get())
            return 0
        return done

    real_add = rollup._add
    monkeypatch.setattr(rollup, "_add", overtaking)
    assert roll_up() == 1
    (hour,) = HourlyLatency.objects.all()
    # The first try was undone: the second counted from where it began.
    assert (hour.calls, hour.version, meddled) == (2, 2, [2])


def test_an_hour_that_cannot_be_read_yet_is_being_inserted_by_another_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HourlyLatency.objects, "bulk_create", lambda *_, **__: [])
    hour = rollup.HourKey(NOON, "default", "https://wxpay.test/pay/unifiedorder", "wxpay.test")
    assert rollup._add(hour, rollup.Tally()) == 0


def test_rows_that_another_worker_took_meanwhile_are_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = call()
    monkeypatch.setattr(rollup, "retry_on_lock", lambda action: action())
    monkeypatch.setattr(rollup, "not_rolled_up", lambda: ApiReport.objects.filter(pk=row.pk))
    assert rollup._roll_up(10) == 1
    with pytest.raises(ConcurrentUpdate):
        rollup._roll_up(10)
    assert HourlyLatency.objects.get().calls == 1


def test_it_does_not_run_inside_a_transaction() -> None:
    call()
    with atomic(), pytest.raises(InsideTransaction, match="roll_up"):
        roll_up()
    assert not HourlyLatency.objects.exists()


def test_an_hour_begins_in_utc() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    assert start_of_hour(datetime(2026, 5, 1, 18, 0, tzinfo=kathmandu)) == NOON


@pytest.mark.parametrize("order", ["id", "-id"])
def test_what_is_not_counted_is_found_by_its_index_whatever_was_counted_before(order: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the plan is SQLite's")
    plan = rollup.not_rolled_up().order_by(order)[:10].explain()
    assert "SEARCH django_wxpay_apireport USING INDEX wxpay_report_rollup" in plan
    assert "TEMP B-TREE" not in plan
