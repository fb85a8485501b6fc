"""Refunds over HTTP: exactly the contract's keys, and filters that are served by an index."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.api.conftest import API
from tests.factories import OrderFactory, RefundFactory
from tests.tables import connection

pytestmark = pytest.mark.django_db
REFUNDS = f"{API}/refunds/"


@pytest.fixture
def viewer(as_holder: Callable[..., APIClient]) -> APIClient:
    return as_holder("view_refund")


def test_a_refund_is_shown_with_exactly_the_keys_of_the_contract(viewer: APIClient) -> None:
    noon = datetime(2026, 3, 1, 4, tzinfo=UTC)
    refund = RefundFactory(paid_back=True, created_at=noon)
    shown = viewer.get(f"{REFUNDS}{refund.pk}/").json()
    assert shown == {
        "id": refund.pk,
        "order": refund.order_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_fee": 625,
        "refund_desc": "one cup too many",
        "refund_status": "SUCCESS",
        "success_time": "2026-03-01T13:00:00+08:00",
        "created_at": "2026-03-01T12:00:00+08:00",
    }
    assert list(shown)[-1] == "created_at"
    assert viewer.get(REFUNDS).json()["results"] == [shown]


def test_what_is_not_known_yet_is_empty_or_null(viewer: APIClient) -> None:
    refund = RefundFactory(refund_id="", refund_desc="")
    shown = viewer.get(f"{REFUNDS}{refund.pk}/").json()
    assert (shown["refund_id"], shown["refund_desc"], shown["success_time"]) == ("", "", None)


def test_refunds_come_newest_first_and_by_the_page(viewer: APIClient) -> None:
    made = [RefundFactory().pk for _ in range(3)][::-1]
    first = viewer.get(f"{REFUNDS}?page_size=2").json()
    second = viewer.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == made
    assert (first["previous"], second["next"]) == (None, None)


def test_each_filter_is_exact(viewer: APIClient) -> None:
    other = RefundFactory(order=OrderFactory(paid=True, merchant="other"), out_refund_no="R-1")
    back = RefundFactory(paid_back=True, out_refund_no="R-10")
    for name, value, expected in [
        ("merchant", "other", other),
        ("merchant", "default", back),
        ("order", other.order_id, other),
        ("out_refund_no", "R-1", other),
        ("refund_id", back.refund_id, back),
        ("refund_status", "SUCCESS", back),
        ("refund_status", "PROCESSING", other),
        ("created_after", back.created_at.isoformat(), back),
        ("created_before", back.created_at.isoformat(), other),
    ]:
        results = viewer.get(REFUNDS, {name: value}).json()["results"]
        assert [row["id"] for row in results] == [expected.pk], (name, value)
    assert viewer.get(REFUNDS, {"out_refund_no": "R-"}).json()["results"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refund_status", "CHANGE"),
        ("refund_status", ""),
        ("order", "first"),
        ("order", "0"),
        ("order", str(10**30)),
        ("order", "9" * 5000),
        ("out_refund_no", ""),
        ("created_after", "yesterday"),
        ("refund_desc", "tea"),
    ],
)
def test_nonsense_is_a_400_keyed_by_its_name(viewer: APIClient, name: str, value: str) -> None:
    RefundFactory()
    answer = viewer.get(REFUNDS, {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert name in answer.json()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads SQLite's plans")
@pytest.mark.parametrize(
    "query",
    ["", "merchant=a", "order=1", "out_refund_no=a", "refund_id=a", "refund_status=SUCCESS"],
)
def test_every_list_of_refunds_is_served_by_an_index(viewer: APIClient, query: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert viewer.get(f"{REFUNDS}?{query}").status_code == 200
    (sql,) = [row["sql"] for row in captured if "django_wxpay_refund" in row["sql"]]
    assert re.search("USING (COVERING )?INDEX", _plan(sql)), _plan(sql)


def _plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        rows: list[Any] = cursor.fetchall()
    return "; ".join(str(row[-1]) for row in rows)
