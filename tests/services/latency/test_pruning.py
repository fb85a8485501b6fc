"""Pruning of calls: by age, only those that are rolled up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services import clock
from django_wxpay.services.latency import pruning
from django_wxpay.services.latency.pruning import prune
from django_wxpay.services.latency.rollup import roll_up
from tests.factories import ApiReportFactory
from tests.tables import atomic

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_week(settings: Any) -> None:
    settings.WXPAY = {**settings.WXPAY, "API_REPORT_RETENTION_DAYS": 7}


def call(days: float, **fields: Any) -> ApiReport:
    made: ApiReport = ApiReportFactory(created_at=clock.now() - timedelta(days=days), **fields)
    return made


def left() -> set[int]:
    return set(ApiReport.objects.values_list("pk", flat=True))


def test_calls_that_are_too_old_and_counted_go_and_their_hours_stay() -> None:
    call(7.01)
    call(30, report_status="SENT")
    young = call(6.99)
    roll_up()
    counted = HourlyLatency.objects.count()
    assert prune() == 2
    assert left() == {young.pk}
    assert HourlyLatency.objects.count() == counted
    assert prune() == 0


def test_a_call_that_no_hour_counts_stays_however_old() -> None:
    row = call(400)
    assert prune() == 0
    assert left() == {row.pk}


def test_the_oldest_go_first_and_no_more_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BATCH", 2)
    rows = [call(days) for days in (10, 12, 11, 13)]
    roll_up()
    assert prune(limit=3) == 3
    assert left() == {rows[0].pk}


def test_it_stops_between_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BATCH", 2)
    for days in range(10, 15):
        call(days)
    roll_up()
    answers = iter([False, True])
    assert prune(stop=lambda: next(answers)) == 2
    assert len(left()) == 3


def test_it_does_not_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction, match="prune"):
        prune()
