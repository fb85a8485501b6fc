"""The state of the shop at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_wxpay.models import Order
from django_wxpay.models.choices import Attentions
from django_wxpay.services import clock
from django_wxpay.services.overview import Takings, overview
from django_wxpay.signals import order_paid
from tests.factories import (
    ApiReportFactory,
    BackgroundJobFactory,
    DiscrepancyFactory,
    OrderEventFactory,
    OrderFactory,
    PlatformCertificateFactory,
    RefundFactory,
)
from tests.tables import counted
from tests.wechatpay.v2 import MCH_ID
from tests.wechatpay.v3 import V3_MERCHANT

pytestmark = pytest.mark.django_db
# Noon in Shanghai, the time zone of the example project.
NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    settings.TIME_ZONE = "Asia/Shanghai"
    timezone.deactivate()
    monkeypatch.setattr(clock, "now", lambda: NOW)

    def receiver(**_: Any) -> None:
        """Be there."""

    order_paid.connect(receiver)
    yield
    order_paid.disconnect(receiver)


def paid(at: datetime, total_fee: int = 1250, **fields: Any) -> Order:
    return OrderFactory(
        paid=True,
        success_time=at,
        created_at=at,
        total_fee=total_fee,
        **{"merchant": "default", "mch_id": MCH_ID} | fields,
    )


def test_of_an_empty_shop_there_is_nothing_to_say() -> None:
    state = overview()
    assert (state.takings, state.placed, state.success_rate) == ([], 0, None)
    assert (state.waiting, state.undelivered, state.open_differences) == (0, 0, 0)
    assert (state.calls, state.p95_ms, state.failure_rate) == (0, None, None)
    assert (state.last_job_at, state.failing_jobs, state.keys_end_at) == (None, [], None)
    assert set(state.attention.values()) == {0}


def test_todays_takings_begin_at_midnight_of_the_shop() -> None:
    paid(MIDNIGHT - timedelta(seconds=1))
    paid(MIDNIGHT)
    refunded = paid(NOW, 1000)
    paid(NOW, 500, fee_type="HKD")
    OrderFactory(created_at=NOW)
    RefundFactory(order=refunded, refund_fee=300, paid_back=True, success_time=NOW)
    RefundFactory(
        order=refunded, refund_fee=1, paid_back=True, success_time=MIDNIGHT - timedelta(hours=1)
    )
    state = overview()
    assert state.takings == [
        Takings(merchant="default", fee_type="CNY", payments=2, paid=2250, refunded=300),
        Takings(merchant="default", fee_type="HKD", payments=1, paid=500, refunded=0),
    ]
    assert state.takings[0].net == 1950
    assert (state.placed, state.paid_of_placed, state.success_rate) == (4, 3, 0.75)


def test_a_refund_on_a_day_without_a_payment_is_shown_too() -> None:
    order = paid(MIDNIGHT - timedelta(days=2))
    RefundFactory(order=order, refund_fee=100, paid_back=True, success_time=NOW)
    (takings,) = overview().takings
    assert (takings.payments, takings.paid, takings.refunded, takings.net) == (0, 0, 100, -100)


def test_what_waits_fails_and_ends_soon(settings: Any) -> None:
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": V3_MERCHANT},
    }
    OrderFactory(next_check_at=NOW)
    OrderEventFactory(untold=True)
    OrderEventFactory(conflict=True)
    BackgroundJobFactory(name="events", finished_at=NOW - timedelta(minutes=1))
    BackgroundJobFactory(name="sync", finished_at=NOW, failures_in_a_row=2)
    DiscrepancyFactory()
    ApiReportFactory.create_batch(4, created_at=NOW - timedelta(minutes=1), execute_time_ms=100)
    ApiReportFactory(created_at=NOW - timedelta(minutes=1), execute_time_ms=100, failed=True)
    for days in (3, 40):
        PlatformCertificateFactory(
            mch_id=V3_MERCHANT["MCH_ID"], expire_time=NOW + timedelta(days=days)
        )
    state = overview()
    assert (state.waiting, state.undelivered, state.open_differences) == (1, 1, 1)
    assert state.attention[Attentions.CONFLICT] == 1
    assert state.attention[Attentions.NOT_DELIVERED] == 1
    assert (state.last_job_at, state.failing_jobs) == (NOW, ["sync"])
    assert (state.calls, state.failure_rate) == (5, 0.2)
    assert state.keys_end_at == NOW + timedelta(days=40)


def test_wrong_settings_take_no_page_down(settings: Any) -> None:
    settings.WXPAY = {"MERCHANTS": 1}
    paid(NOW)
    assert overview().takings == []


def test_it_takes_as_many_queries_for_many_rows() -> None:
    with counted() as few:
        overview()
    for _ in range(5):
        paid(NOW)
        OrderEventFactory(untold=True)
        OrderEventFactory(conflict=True)
    with counted() as many:
        overview()
    assert len(few) == len(many) <= 20
