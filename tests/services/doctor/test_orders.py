"""The doctor on orders and refunds that WeChat Pay is to be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay.services import clock
from django_wxpay.services.doctor import diagnosis
from django_wxpay.services.doctor.findings import Finding, Level, Subject
from tests.factories import OrderFactory, RefundFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def found(**options: Any) -> list[Finding]:
    findings = diagnosis.diagnose(ask=False, **options)
    return [each for each in findings if each.subject is Subject.ORDERS]


def wrong(**options: Any) -> list[tuple[str, str]]:
    return [
        (each.merchant, each.message) for each in found(**options) if each.level is not Level.OK
    ]


def test_checks_that_are_overdue_are_counted_by_merchant_with_the_oldest() -> None:
    OrderFactory(next_check_at=NOW - 15 * MINUTE)
    OrderFactory(next_check_at=NOW - 75 * MINUTE)
    OrderFactory(next_check_at=NOW - 14 * MINUTE)
    OrderFactory(merchant="gone", next_check_at=NOW - 20 * MINUTE)
    RefundFactory(next_check_at=NOW - 30 * MINUTE)
    assert sorted(wrong()) == [
        ("default", "1 refund is to be asked for, the first since 2026-06-01 20:00 CST."),
        ("default", "2 orders are to be asked for, the first since 2026-06-01 19:15 CST."),
        ("gone", "1 order is to be asked for, the first since 2026-06-01 20:10 CST."),
    ]
    assert all("wxpay_sync" in each.advice for each in found() if each.advice)
    assert wrong(merchants=["institution"]) == []


def test_placings_without_an_outcome_are_counted_while_they_are_asked_for() -> None:
    placed = {"trade_state": "CREATED", "next_check_at": NOW + MINUTE}
    OrderFactory(placed_at=NOW - 5 * MINUTE, **placed)
    OrderFactory(placed_at=NOW - 4 * MINUTE, **placed)
    OrderFactory(placed_at=NOW - 60 * MINUTE, **(placed | {"next_check_at": None}))
    OrderFactory(placed_at=NOW - 60 * MINUTE, **(placed | {"trade_state": "NOTPAY"}))
    ((alias, message),) = wrong()
    assert alias == "default"
    assert message.startswith(
        "The placing of 1 order had no outcome, the first at 2026-06-01 20:25"
    )


def test_all_is_well_where_nothing_is_due() -> None:
    OrderFactory(next_check_at=NOW + MINUTE)
    assert {each.level for each in found()} == {Level.OK}
