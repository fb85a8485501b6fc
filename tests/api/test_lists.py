"""Lists: newest first by key, exact filters, nonsense refused, and no query per row."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from rest_framework.test import APIClient

from django_wxpay.api import lists
from django_wxpay.models import Order
from django_wxpay.services.attention import cases
from tests.api.conftest import API
from tests.factories import (
    ApiReportFactory,
    DiscrepancyFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PrepayFactory,
    PromotionFactory,
    RefundFactory,
)

pytestmark = pytest.mark.django_db

ORDERS = f"{API}/orders/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cursor(**parts: Any) -> str:
    """Return a cursor as the framework writes it: a query string in base64."""
    return b64encode(urlencode(parts).encode()).decode()


def _walk(client: APIClient, address: str | None, way: str) -> list[list[int]]:
    pages = []
    while address:
        page = client.get(address).json()
        pages.append([row["id"] for row in page["results"]])
        address = page[way]
    return pages


def test_pages_are_newest_first_and_end(clerk: APIClient) -> None:
    made = [OrderFactory().pk for _ in range(5)]
    pages = _walk(clerk, f"{ORDERS}?page_size=2", "next")
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]


def test_rows_of_one_moment_are_neither_lost_nor_repeated(clerk: APIClient) -> None:
    made = [OrderFactory(created_at=NOON).pk for _ in range(7)]
    pages = _walk(clerk, f"{ORDERS}?page_size=2", "next")
    assert [row for page in pages for row in page] == made[::-1]


def test_the_way_back_shows_the_same_pages(clerk: APIClient) -> None:
    made = [OrderFactory(created_at=NOON + timedelta(minutes=n // 3)).pk for n in range(6)][::-1]
    last = clerk.get(f"{ORDERS}?page_size=2").json()
    assert last["previous"] is None
    while last["next"]:
        last = clerk.get(last["next"]).json()
    assert last["results"][-1]["id"] == made[-1]
    pages = _walk(clerk, last["previous"], "previous")
    assert pages == [made[2:4], made[:2]]
    assert clerk.get(last["previous"]).json()["next"] is not None


def test_rows_that_arrive_meanwhile_shift_nothing(clerk: APIClient) -> None:
    made = [OrderFactory().pk for _ in range(4)][::-1]
    first = clerk.get(f"{ORDERS}?page_size=2").json()
    OrderFactory()
    second = clerk.get(first["next"]).json()
    assert [row["id"] for row in second["results"]] == made[2:]


def test_a_page_back_from_nowhere_leads_to_the_first_one(clerk: APIClient) -> None:
    made = OrderFactory(created_at=NOON)
    ahead = cursor(r=1, p=NOON + timedelta(days=1), k=1)
    page = clerk.get(ORDERS, {"cursor": ahead}).json()
    assert (page["results"], page["previous"]) == ([], None)
    page = clerk.get(page["next"]).json()
    assert [row["id"] for row in page["results"]] == [made.pk]
    assert page["next"] is None


def test_a_page_beyond_the_end_is_empty_and_leads_back(clerk: APIClient) -> None:
    made = [OrderFactory(created_at=NOON + timedelta(days=n)).pk for n in range(2)]
    page = clerk.get(ORDERS, {"cursor": cursor(p=NOON, k=made[0])}).json()
    assert (page["next"], page["results"]) == (None, [])
    page = clerk.get(page["previous"]).json()
    assert [row["id"] for row in page["results"]] == made[::-1]
    assert page["previous"] is None


def test_links_keep_the_filters(clerk: APIClient) -> None:
    wanted = [OrderFactory(reference="S").pk for _ in range(2)]
    OrderFactory(reference="T")
    pages = _walk(clerk, f"{ORDERS}?page_size=1&reference=S", "next")
    assert pages == [[wanted[1]], [wanted[0]]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cursor", ""),
        ("cursor", "!!!"),
        ("cursor", "é"),
        ("cursor", "AAAA"),
        ("cursor", "bnVsbA"),  # null
        ("cursor", "WzEsMiwzXQ"),  # [1,2,3]
        ("cursor", cursor(p="yesterday", k=1)),
        ("cursor", cursor(p="", k=1)),
        ("cursor", cursor(p="2026-01-01", k=1)),  # a date
        ("cursor", cursor(p="2026-01-01 00:00:00", k=1)),  # a time without a zone
        ("cursor", cursor(p="0001-01-01 00:00:00+08:00", k=1)),  # before the first year
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00", k=1, x=1)),  # more than a cursor holds
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00")),  # a moment without a key
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00", k="-1")),
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00", k=2**63)),
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00", k="٣")),
        ("cursor", cursor(k=1)),
        ("cursor", cursor(r=2)),
        ("cursor", cursor(r=1, o=1)),
        ("page_size", "0"),
        ("page_size", "201"),
        ("page_size", "-5"),
        ("page_size", "ten"),
        ("page_size", "1" * 5000),
        ("page_size", "²"),
        ("trade_state", "PAID"),
        ("trade_state", ""),
        ("trade_type", "CASH"),
        ("created_after", "yesterday"),
        ("created_after", "2026-13-01"),
        ("created_after", "0001-01-01T00:00:00+08:00"),
        ("created_before", "9999-12-31T23:59:59-08:00"),
        ("created_before", ""),
        ("created_after", "0001-01-01"),
        ("created_after", "0999-12-31T23:59:59Z"),
        ("created_after", "1000-12-30T23:59:59Z"),
        ("created_before", "9999-12-31T23:59:59"),
        ("created_before", "9999-01-02T00:00:01Z"),
        ("created_before", "9999-12-31T23:59:59-12:00"),
        ("created_before", "2026-01-01T00:00:00+24:00"),
        ("paid_after", ""),
        ("paid_after", "today"),
        ("paid_after", "0001-01-01"),
        ("paid_before", "9999-12-31T23:59:59-12:00"),
        ("paid_before", "2026-01-01T00:00:00Z\0"),
        ("cursor", cursor(p="9999-12-31 23:59:59.999999+00:00", k=1)),
        ("cursor", cursor(p="2026-01-01 00:00:00+00:00\0", k=1)),
        ("cursor", cursor(p="2026-01-01 00:00:00+23:59", k=1)),
        ("created_after", "2026-01-01T00:00:00Z\0"),
        ("created_after", "٢٠٢٦-01-01"),
        ("page_size", "٣"),
        ("reference", "x" * 257),
        ("reference", "a\0b"),
        ("out_trade_no", ""),
        ("out_trade_no", "\x00"),
        ("merchant", ""),
        ("state", "SUCCESS"),
        ("ordering", "total_fee"),
    ],
)
def test_nonsense_is_a_400_keyed_by_its_name(clerk: APIClient, name: str, value: str) -> None:
    OrderFactory()
    answer = clerk.get(ORDERS, {name: value})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert name in answer.json()


def test_a_filter_asked_for_twice_is_a_400(clerk: APIClient) -> None:
    answer = clerk.get(f"{ORDERS}?merchant=a&merchant=b")
    assert answer.status_code == 400
    assert answer.json()["merchant"] == ["This is asked for more than once."]


def test_each_filter_is_exact(clerk: APIClient) -> None:
    other = OrderFactory(merchant="other", trade_type="JSAPI", out_trade_no="shop-000001")
    paid = OrderFactory(paid=True, out_trade_no="shop-000002", reference="S")
    for name, value, expected in [
        ("merchant", "other", other),
        ("merchant", "default", paid),
        ("out_trade_no", "shop-000001", other),
        ("transaction_id", paid.transaction_id, paid),
        ("reference", "S", paid),
        ("trade_state", "SUCCESS", paid),
        ("trade_state", "NOTPAY", other),
        ("trade_type", "JSAPI", other),
    ]:
        results = clerk.get(ORDERS, {name: value}).json()["results"]
        assert [row["id"] for row in results] == [expected.pk], (name, value)
    assert clerk.get(ORDERS, {"out_trade_no": "shop-00000"}).json()["results"] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("created_after=2026-03-01T12:00:00Z", {"noon", "later"}),
        ("created_before=2026-03-01T12:00:00Z", {"before"}),
        ("created_after=2026-03-01T20:00:01+08:00", {"later"}),
        ("created_after=2026-03-01T20:00:01%2B08:00", {"later"}),
        ("created_after=2026-03-01T20:00:01", {"later"}),
        ("created_after=2026-03-02T11:59:01%2B23:59", {"later"}),
        ("created_after=2026-02-28T12:01:01-23:59", {"later"}),
        ("created_after=1001-01-01", {"before", "noon", "later"}),
        ("created_before=9998-12-31T23:59:59-23:59", {"before", "noon", "later"}),
        ("created_after=2026-03-02", {"later"}),
        ("created_after=2026-03-01&created_before=2026-03-02", {"before", "noon"}),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    clerk: APIClient,
    query: str,
    found: set[str],
) -> None:
    OrderFactory(reference="before", created_at=NOON - timedelta(seconds=1))
    OrderFactory(reference="noon", created_at=NOON)
    OrderFactory(reference="later", created_at=NOON + timedelta(days=1))
    results = clerk.get(f"{ORDERS}?{query}").json()["results"]
    assert {row["reference"] for row in results} == found


def paid_at(moment: datetime, **options: Any) -> Order:
    order: Order = OrderFactory(paid=True, success_time=moment, **options)
    return order


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("paid_after=2026-03-01T12:00:00Z", ["later", "noon"]),
        ("paid_before=2026-03-01T12:00:00Z", ["before"]),
        ("paid_after=2026-03-01T20:00:01+08:00", ["later"]),
        ("paid_after=2026-03-01T20:00:01%2B08:00", ["later"]),
        ("paid_after=2026-03-01T20:00:01", ["later"]),
        ("paid_after=2026-03-02", ["later"]),
        ("paid_after=2026-03-01&paid_before=2026-03-02", ["noon", "before"]),
        ("paid_after=1001-01-01", ["later", "noon", "before"]),
        ("paid_after=2026-03-01&trade_state=REFUND", ["later"]),
        ("paid_after=2026-03-01&merchant=other", ["noon"]),
        ("paid_after=2026-03-01&created_before=2026-01-30", ["noon"]),
    ],
)
def test_a_period_of_payment_has_the_paid_orders_by_their_payment_the_latest_first(
    clerk: APIClient, query: str, found: list[str]
) -> None:
    # Paid in another order than they were created.
    day = NOON - timedelta(days=30)
    paid_at(NOON + timedelta(days=1), reference="later", trade_state="REFUND", created_at=day)
    paid_at(NOON, reference="noon", merchant="other", created_at=day - timedelta(days=2))
    paid_at(NOON - timedelta(seconds=1), reference="before", created_at=NOON)
    OrderFactory(reference="never", created_at=NOON)
    results = clerk.get(f"{ORDERS}?{query}").json()["results"]
    assert [row["reference"] for row in results] == found


def test_a_period_of_payment_is_paged_through_both_ways(clerk: APIClient) -> None:
    made = [paid_at(NOON + timedelta(minutes=n // 3)).pk for n in range(7)][::-1]
    address = f"{ORDERS}?paid_after=2026-03-01&page_size=2"
    pages = _walk(clerk, address, "next")
    assert [row for page in pages for row in page] == made
    last = clerk.get(address).json()
    while last["next"]:
        last = clerk.get(last["next"]).json()
    pages = _walk(clerk, last["previous"], "previous")
    assert [row for page in pages[::-1] for row in page] == made[:-1]


def test_whichever_way_they_are_walked_rows_of_one_moment_are_neither_lost_nor_repeated(
    clerk: APIClient,
) -> None:
    made = [OrderFactory(created_at=NOON).pk for _ in range(7)][::-1]
    last = clerk.get(f"{ORDERS}?page_size=2").json()
    while last["next"]:
        last = clerk.get(last["next"]).json()
    pages = _walk(clerk, last["previous"], "previous")
    assert [row for page in pages[::-1] for row in page] == made[:-1]
    first = clerk.get(f"{ORDERS}?page_size=2&cursor={cursor(r=1)}").json()
    assert [row["id"] for row in first["results"]] == made[-2:]
    assert first["next"] is None


@pytest.mark.parametrize(
    ("route", "permission", "queries"),
    [
        ("orders", "view_order", 7),
        ("refunds", "view_refund", 3),
        ("notifications", "view_notification", 3),
        ("api-reports", "view_apireport", 3),
        ("bills", "view_bill", 3),
        ("discrepancies", "view_discrepancy", 3),
    ],
)
def test_twenty_rows_cost_as_many_queries_as_one(
    as_holder: Callable[..., APIClient],
    django_assert_num_queries: Any,
    route: str,
    permission: str,
    queries: int,
) -> None:
    client = as_holder(permission)
    _one_of_each()
    with django_assert_num_queries(queries):
        assert len(client.get(f"{API}/{route}/").json()["results"]) == 1
    for _ in range(19):
        _one_of_each()
    client = as_holder(permission)
    with django_assert_num_queries(queries):
        assert len(client.get(f"{API}/{route}/").json()["results"]) == 20


def _one_of_each() -> Order:
    order: Order = OrderFactory(paid=True)
    PrepayFactory(order=order)
    PromotionFactory(order=order)
    NotificationFactory(order=order)
    RefundFactory(order=order)
    ApiReportFactory(out_trade_no=order.out_trade_no)
    DiscrepancyFactory(local_order=order)
    return order


@pytest.mark.parametrize("key", ["٣", "0", "-1", "1.0", " 1", str(2**63), "9" * 5000, "x", "null"])
@pytest.mark.parametrize("route", ["orders/{}/", "orders/{}/parameters/", "orders/{}/qr.svg"])
def test_a_key_that_no_row_can_have_is_a_404_in_json(
    clerk: APIClient, route: str, key: str
) -> None:
    answer = clerk.get(f"{API}/{route.format(quote(key))}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert clerk.get(f"{API}/{route.format(2**63 - 1)}").status_code == 404


@pytest.mark.parametrize("key", ["٣", "0", "-1", "1.0", " 1", str(2**63), "9" * 5000, "x", ""])
def test_a_key_that_no_row_can_have_is_no_filter(
    as_holder: Callable[..., APIClient], key: str
) -> None:
    viewer = as_holder("view_refund")
    answer = viewer.get(f"{API}/refunds/", {"order": key})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["order"])
    assert viewer.get(f"{API}/refunds/", {"order": 2**63 - 1}).json()["results"] == []


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01", "1000-12-30T23:59:59Z", "9999-01-03", "9999-12-31T23:59:59-12:00"],
)
@pytest.mark.parametrize("name", ["created_after", "created_before"])
@pytest.mark.parametrize(
    ("route", "permission"),
    [
        ("refunds", "view_refund"),
        ("notifications", "view_notification"),
        ("api-reports", "view_apireport"),
        ("api-reports/summary", "view_apireport"),
    ],
)
def test_no_list_takes_a_time_outside_the_calendar(
    as_holder: Callable[..., APIClient], route: str, permission: str, name: str, moment: str
) -> None:
    viewer = as_holder(permission)
    answer = viewer.get(f"{API}/{route}/", {name: moment})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])
    for edge in ("1001-01-01T00:00:00+23:59", "9998-12-31T23:59:59-23:59"):
        assert viewer.get(f"{API}/{route}/", {name: edge}).status_code == 200


def test_of_many_unknown_filters_the_first_few_are_named(clerk: APIClient) -> None:
    answer = clerk.get(ORDERS, {f"x{n}": "1" for n in range(900)})
    assert (answer.status_code, len(answer.content) < 1000) == (400, True)
    assert answer.json()["non_field_errors"] == ["There are more names like these."]


def test_what_needs_a_person_is_paged_through_and_filtered_as_a_whole(
    clerk: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "MOST", 2)
    made = [OrderEventFactory(conflict=True).order_id for _ in range(5)]
    Order.objects.filter(pk=made[0]).update(merchant="other")
    address = f"{ORDERS}?attention=CONFLICT"
    pages = _walk(clerk, f"{address}&page_size=2", "next")
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert _walk(clerk, f"{address}&merchant=other", "next") == [made[:1]]
    assert lists.FOUND_UP_TO not in clerk.get(address).headers


def test_where_more_may_need_a_person_the_answer_says_so(
    clerk: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_NEEDING", 2)
    for _ in range(3):
        OrderEventFactory(conflict=True)
    answer = clerk.get(f"{ORDERS}?attention=CONFLICT")
    assert answer.headers["Wxpay-Found-Up-To"] == "2"
    assert len(answer.json()["results"]) == 2
    assert lists.FOUND_UP_TO not in clerk.get(f"{ORDERS}?attention=OVERDUE").headers
    assert lists.FOUND_UP_TO not in clerk.get(ORDERS).headers
