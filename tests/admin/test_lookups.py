"""Addresses of lists that no database can answer: a message, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import Client

from django_wxpay.admin import OrderAdmin
from django_wxpay.models import Order
from tests.admin.conftest import ADMIN
from tests.admin.test_hostile_lookups import HUGE, MESSAGE
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("created_at__gte", "2026-01-01 00:00:00+08:00", 1),
        ("created_at__lt", "1001-01-01T00:00:00-15:59", 0),
        ("created_at__year", "2026", 1),
        ("created_at__isnull", "True", 0),
        ("total_fee", "100", 1),
        ("total_fee__in", "100,200", 1),
        ("exchange_rate__gt", "-0.5", 0),
        ("id__gt", "-1", 1),
        ("prepays__isnull", "1", 1),
        ("body__icontains", "tea", 1),
        ("trade_state__exact", "NOTPAY", 1),
        ("q", "x" * 512, 0),
        ("o", HUGE, 1),
        ("p", HUGE, 1),
    ],
)
def test_what_can_be_answered_is_answered(boss: Client, name: str, value: str, found: int) -> None:
    OrderFactory(total_fee=100, body="tea")
    answer = boss.get(f"{ADMIN}/order/", {name: value}, follow=True)
    assert MESSAGE not in answer.content.decode()
    if name != "p":
        assert answer.context["cl"].result_count == found


@pytest.mark.parametrize("key", ["0", "9" * 19, HUGE, "x", "%00", "%ED%A0%80", "٣"])
@pytest.mark.parametrize("page", ["change/", "history/", "delete/", "query/", "close/", ""])
def test_no_page_of_a_row_fails_at_a_key_that_no_row_has(boss: Client, key: str, page: str) -> None:
    OrderFactory()
    assert boss.get(f"{ADMIN}/order/{key}/{page}", follow=True).status_code in {200, 403, 404, 405}
    assert boss.post(f"{ADMIN}/order/{key}/{page}", follow=True).status_code in {200, 403, 404, 405}


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape"])
def test_half_a_character_is_a_message_too(boss: Client, charset: str) -> None:
    answer = boss.get(
        f"{ADMIN}/order/?q=%2B2AA-%5Cud800",
        headers={"content-type": f"text/plain; charset={charset}"},
    )
    assert answer.status_code in {200, 302}


@pytest.mark.parametrize("days", [("0001-01-01", ""), ("9999-12-31", ""), ("", "9999-12-31")])
def test_the_latency_page_takes_no_days_outside_the_calendar(
    boss: Client, days: tuple[str, str]
) -> None:
    answer = boss.get(f"{ADMIN}/hourlylatency/", {"from": days[0], "to": days[1]})
    assert answer.status_code == 200


@pytest.fixture
def by_date() -> Iterator[None]:
    class ByDate(OrderAdmin):
        date_hierarchy = "created_at"

    admin.site.unregister(Order)
    admin.site.register(Order, ByDate)
    yield
    admin.site.unregister(Order)
    admin.site.register(Order, OrderAdmin)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"created_at__year": "2026"}, 1),
        ({"created_at__year": "2025", "created_at__month": "12"}, 0),
        ({"created_at__year": "9998", "created_at__month": "12", "created_at__day": "31"}, 0),
        ({"created_at__year": "1001", "created_at__month": "1", "created_at__day": "1"}, 0),
    ],
)
def test_a_subclass_may_have_a_date_hierarchy(
    boss: Client, by_date: None, query: dict[str, str], found: int
) -> None:
    OrderFactory()
    answer = boss.get(f"{ADMIN}/order/", query)
    assert (answer.status_code, answer.context["cl"].result_count) == (200, found)
    for year in ("0", "1", "9999", HUGE):
        hostile = boss.get(f"{ADMIN}/order/", query | {"created_at__year": year}, follow=True)
        assert MESSAGE in hostile.content.decode()
