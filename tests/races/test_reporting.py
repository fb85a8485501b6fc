"""Reporting: however many workers claim the same rows at the same moment, each goes out once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import ApiReport
from django_wxpay.services.reports import queue, sending
from tests.factories import ApiReportFactory
from tests.races.running import Meeting, at_once
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races

YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"


@pytest.fixture
def desk(gateway: ScriptedTransport) -> ScriptedTransport:
    gateway.answers["/payitil/report"] = YES
    return gateway


def backlog(count: int) -> Counter[str]:
    rows = ApiReportFactory.build_batch(count)
    ApiReport.objects.bulk_create(rows)
    return Counter(row.out_trade_no for row in rows)


def told(desk: ScriptedTransport) -> Counter[str]:
    return Counter(sent["out_trade_no"] for _, sent in desk.calls)


def test_two_workers_who_saw_the_same_rows_free_send_them_once(
    desk: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = backlog(20)
    meeting = Meeting(2)
    before = meeting.after(lambda: None)
    retry_on_lock = queue.retry_on_lock

    def claim_together(action: Any) -> Any:
        before()
        return retry_on_lock(action)

    monkeypatch.setattr(queue, "retry_on_lock", claim_together)
    runs = at_once(*[lambda: services.send_reports(workers=2)] * 2)

    assert meeting.met == 2
    assert sorted(getattr(run, "sent", run) for run in runs) == [0, 20]
    assert told(desk) == numbers


def test_four_workers_share_a_backlog(
    desk: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "_BATCH", 10)
    numbers = backlog(120)
    runs = at_once(*[lambda: services.send_reports(limit=None, workers=2)] * 4)

    assert sum(getattr(run, "sent", -1000) for run in runs) == 120
    assert told(desk) == numbers
    assert set(ApiReport.objects.values_list("report_status", "report_attempts")) == {("SENT", 1)}
