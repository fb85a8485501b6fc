"""The backlog of reports: now, and the most in each hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_wxpay.models import ApiReport, ReportBacklog
from django_wxpay.services import clock
from django_wxpay.services.latency.summary import Period
from django_wxpay.services.reports import queue
from django_wxpay.services.reports.queue import (
    Backlog,
    backlog,
    backlog_by_hour,
    record_backlog,
)
from tests.factories import ApiReportFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_waits_is_counted_from_its_oldest_on() -> None:
    assert backlog() == Backlog(0, None)
    ApiReportFactory(created_at=NOON, report_status="SENT")
    ApiReportFactory(created_at=NOON + HOUR)
    ApiReportFactory(created_at=NOON + 2 * HOUR)
    assert backlog() == Backlog(2, NOON + HOUR)


def test_counting_stops_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "COUNTED_UP_TO", 3)
    ApiReportFactory.create_batch(5)
    assert backlog().waiting == 3


def test_of_each_hour_the_most_that_waited_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOON
    monkeypatch.setattr(clock, "now", lambda: now)
    ApiReportFactory.create_batch(2)
    assert record_backlog().waiting == 2
    ApiReportFactory.create_batch(3)
    assert record_backlog().waiting == 5
    ApiReport.objects.update(report_status="SENT")
    assert record_backlog().waiting == 0
    now = NOON + HOUR
    record_backlog()
    now = NOON + 2 * HOUR
    record_backlog()
    assert backlog_by_hour(Period(NOON, NOON + 2 * HOUR)) == {NOON: 5, NOON + HOUR: 0}
    assert str(ReportBacklog.objects.get(hour=NOON)) == "2026-05-01 12:00 5"
