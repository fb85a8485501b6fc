"""Calls over HTTP, one by one and summed up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from django_wxpay.api.latency import _percentile
from tests.api.conftest import API, NATIVE
from tests.factories import ApiReportFactory
from tests.services.gateway import ScriptedGateway


@pytest.fixture
def analyst(as_holder: Callable[..., APIClient]) -> APIClient:
    return as_holder("view_apireport")


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.django_db
def test_every_call_is_a_row_with_its_milliseconds(
    clerk: APIClient,
    analyst: APIClient,
    gateway: ScriptedGateway,
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
    failed = ApiReportFactory(failed=True, host="api2.mch.weixin.qq.com", merchant="other")
    for name, value in [
        ("failure", "TIMEOUT"),
        ("host", "api2.mch.weixin.qq.com"),
        ("merchant", "other"),
        ("out_trade_no", failed.out_trade_no),
    ]:
        results = analyst.get(f"{API}/api-reports/", {name: value}).json()["results"]
        assert [row["id"] for row in results] == [failed.pk]


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
    with django_assert_num_queries(3):
        answer = analyst.get(f"{API}/api-reports/summary/")
    place = "https://api.mch.weixin.qq.com/pay/unifiedorder"
    main, standby = "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"
    assert answer.json() == {
        "results": [
            _row("default", place, main, 100, 0.0, 50, 95, 99),
            _row("default", place, standby, 1, 0.0, 87, 87, 87),
            _row("other", place, main, 4, 0.75, 15000, 15000, 15000),
        ],
    }


def _row(*values: Any) -> dict[str, Any]:
    names = "merchant interface_url host count failure_rate p50_ms p95_ms p99_ms".split()
    return dict(zip(names, values, strict=True))


@pytest.mark.django_db
def test_a_summary_looks_at_the_period_asked_for(analyst: APIClient) -> None:
    ApiReportFactory(created_at=datetime(2026, 3, 1, tzinfo=UTC))
    address = f"{API}/api-reports/summary/"
    assert analyst.get(address).json() == {"results": []}
    assert len(analyst.get(f"{address}?created_after=2026-01-01").json()["results"]) == 1
    assert analyst.get(f"{address}?created_before=2026-02-01").json() == {"results": []}
    assert analyst.get(f"{address}?created_after=soon").status_code == 400


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_time_that_so_many_calls_did_not_exceed(
    times: list[int],
    percent: int,
) -> None:
    counted = [(value, times.count(value), 0) for value in sorted(set(times))]
    found = _percentile(counted, len(times), percent)
    not_exceeding = sum(value <= found for value in times)
    below = sum(value < found for value in times)
    assert not_exceeding * 100 >= percent * len(times) > below * 100


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no calls"):
        _percentile([], 1, 50)
