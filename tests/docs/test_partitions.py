"""The partitions of "Past one machine", which PostgreSQL alone has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_wxpay.models import ApiReport
from django_wxpay.services import clock
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.retention import prune
from tests.docs.markdown import blocks, section, text_of
from tests.factories import ApiReportFactory
from tests.tables import connection


@pytest.mark.django_db
def test_calls_may_be_divided_by_month(monkeypatch: pytest.MonkeyPatch) -> None:
    # The page's months are of its own time, and calls are pruned by their age.
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 12, 31, 12, 0, tzinfo=UTC))
    old = ApiReportFactory(created_at=datetime(2026, 12, 31, tzinfo=UTC), is_rolled_up=True)
    (sql,) = blocks(section(text_of("docs/scaling.md"), "12. On paper"), "sql")
    with connection.cursor() as cursor:
        # The test's transaction is rolled back, with the parts.
        cursor.execute(sql.replace("BEGIN;", "", 1).replace("COMMIT;", ""))
    inside = ApiReportFactory(created_at=datetime(2027, 1, 2, tzinfo=UTC))
    beyond = ApiReportFactory(created_at=clock.now() + timedelta(days=400))
    assert old.pk < inside.pk < beyond.pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM django_wxpay_apireport ORDER BY id")
        parts = [name.removeprefix("django_wxpay_apireport_") for (name,) in cursor.fetchall()]
    assert parts == ["first", "2027_01", "rest"]
    assert ApiReport.objects.filter(pk=inside.pk).update(report_attempts=1) == 1
    assert roll_up() == 2
    assert prune()["calls"] == 0
    ApiReport.objects.update(created_at=clock.now() - timedelta(days=3650), is_rolled_up=True)
    assert prune()["calls"] == 3
