"""Calls over HTTP, one by one and summed up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_wxpay.services.latency.rollup import roll_up
from tests.api.conftest import API, NATIVE
from tests.factories import ApiReportFactory
from tests.wechatpay.transport import ScriptedTransport


@pytest.fixture
def analyst(as_holder: Callable[..., APIClient]) -> APIClient:
    return as_holder("view_apireport")


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.django_db
def test_every_call_is_a_row_with_its_milliseconds(
    clerk: APIClient,
    analyst: APIClient,
    gateway: ScriptedTransport,
) -> None:
    order = clerk.post(f"{API}/orders/", NATIVE).json()
    rows = analyst.get(f"{API}/api-reports/").json()["results"]
    assert len(rows) == 1
    assert rows[0]["interface_url"] == "http://gateway.test/pay/unifiedorder"
    assert rows[0]["out_trade_no"] == order["out_trade_no"]
    assert rows[0]["execute_time_ms"] >= 0
    assert (rows[0]["failure"], rows[0]["result_code"]) == ("", "SUCCESS")
    assert rows[0]["report_status"] == "PENDING"
    assert next(iter(rows[0])) == "id"
    assert list(rows[0])[-1] == "created_at"


@pytest.mark.django_db
def test_calls_are_filtered_exactly(analyst: APIClient) -> None:
    ApiReportFactory()
    failed = ApiReportFactory(
        failed=True, host="api2.mch.weixin.qq.com", merchant="other", report_status="FAILED"
    )
    for name, value in [
        ("failure", "TIMEOUT"),
        ("host", "api2.mch.weixin.qq.com"),
        ("merchant", "other"),
        ("out_trade_no", failed.out_trade_no),
        ("report_status", "FAILED"),
    ]:
        results = analyst.get(f"{API}/api-reports/", {name: value}).json()["results"]
        assert [row["id"] for row in results] == [failed.pk]
    assert analyst.get(f"{API}/api-reports/?report_status=LOST").status_code == 400


@pytest.mark.django_db
def test_a_summary_counts_by_merchant_interface_and_host(
    analyst: APIClient,
    django_assert_num_queries: Any,
) -> None:
    for milliseconds in range(1, 101):
        ApiReportFactory(execute_time_ms=milliseconds, created_at=_now())
    ApiReportFactory(host="api2.mch.weixin.qq.com", created_at=_now())
    for _ in range(3):
        ApiReportFactory(merchant="other", failed=True, execute_time_ms=15000, created_at=_now())
    ApiReportFactory(merchant="other", created_at=_now())
    ApiReportFactory(merchant="old", created_at=_now() - timedelta(days=2))
    roll_up(limit=50)
    with django_assert_num_queries(4):
        answer = analyst.get(f"{API}/api-reports/summary/")
    place = "https://api.mch.weixin.qq.com/pay/unifiedorder"
    main, standby = "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"
    assert answer.json() == {
        "results": [
            _row("default", place, main, 100, 0.0, 50, 95, 98, 100, 0, {}),
            _row("default", place, standby, 1, 0.0, 87, 87, 87, 87, 0, {}),
            _row("other", place, main, 4, 0.75, 15000, 15000, 15000, 15000, 0, {"TIMEOUT": 3}),
        ],
    }


def _row(*values: Any) -> dict[str, Any]:
    names = "merchant interface_url host count failure_rate p50_ms p95_ms p99_ms"
    return dict(zip([*names.split(), "slowest_ms", "refused", "failures"], values, strict=True))


@pytest.mark.django_db
def test_a_summary_looks_at_the_period_asked_for(analyst: APIClient) -> None:
    ApiReportFactory(created_at=datetime(2026, 3, 1, tzinfo=UTC))
    address = f"{API}/api-reports/summary/"
    assert analyst.get(address).json() == {"results": []}
    assert len(analyst.get(f"{address}?created_after=2026-01-01").json()["results"]) == 1
    assert analyst.get(f"{address}?created_before=2026-02-01").json() == {"results": []}
    one = "created_after=2026-03-01T00:00:00Z&created_before=2026-03-01T01:00:00Z"
    assert [row["count"] for row in analyst.get(f"{address}?{one}").json()["results"]] == [1]
    assert analyst.get(f"{address}?{one}&merchant=other").json() == {"results": []}
    for nonsense in ("created_after=soon", "failure=TIMEOUT", "out_trade_no=1"):
        assert analyst.get(f"{address}?{nonsense}").status_code == 400
