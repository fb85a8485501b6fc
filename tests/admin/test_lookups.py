"""Addresses of lists that no database can answer: a message, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from django_wxpay.admin import OrderAdmin
from django_wxpay.models import Order
from tests.admin.conftest import ADMIN, MODELS
from tests.admin.test_base import one_of_each
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db

MESSAGE = "No row can have what this address asks for, so all rows are shown."
HUGE = "9" * 40
HOSTILE = [
    ("created_at__gte", "0001-01-01"),
    ("created_at__lt", "0001-01-01T00:00:00+08:00"),
    ("created_at__gte", "9999-12-31T23:59:59-12:00"),
    ("created_at__gte", "2026-01-01T00:00:00+23:59"),
    ("created_at__gte", "2026-01-01T00:00:00Z\0"),
    ("created_at", "9999-12-31"),
    ("created_at__in", "2026-01-01,0001-01-01"),
    ("created_at__year", "0"),
    ("created_at__year", "9999"),
    ("created_at__year", HUGE),
    ("created_at__month", HUGE),
    ("created_at__date", "0001-01-01"),
    ("created_at__week_day", HUGE),
    ("id", HUGE),
    ("id__gt", HUGE),
    ("id__in", f"1,{HUGE}"),
    ("id__in", "1,x"),
    ("id", "٣"),
    ("out_trade_no", "a\0b"),
    ("out_trade_no", "x" * 513),
    ("out_trade_no__regex", "("),
    ("out_trade_no__iregex", "[[:nothing:]]"),
    ("q", "a\0b"),
    ("q", "x" * 513),
    ("x\0y", "1"),
]


@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_what_no_database_can_answer_is_a_message(boss: Client, name: str, value: str) -> None:
    one_of_each()
    answer = boss.get(f"{ADMIN}/order/", {name: value}, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(f"{ADMIN}/order/?e=1", 302)]
    assert MESSAGE in answer.content.decode()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_no_list_fails_at_any_of_it(boss: Client, model: str, name: str, value: str) -> None:
    one_of_each()
    answer = boss.get(f"{ADMIN}/{model}/", {name: value}, follow=True)
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("order", "total_fee__gte", HUGE),
        ("order", "exchange_rate", HUGE),
        ("order", "exchange_rate__gt", "NaN"),
        ("order", "coupons", "1"),
        ("order", "coupons__x", "1"),
        ("order", "prepays", HUGE),
        ("order", "prepays__id__gt", HUGE),
        ("orderevent", "order", HUGE),
        ("orderevent", "order__id", HUGE),
        ("notification", "body", "x"),
        ("notification", "attempts", HUGE),
        ("apireport", "is_standby", "2"),
        ("apireport", "execute_time_ms__lt", HUGE),
    ],
)
def test_every_kind_of_column_is_held(boss: Client, model: str, name: str, value: str) -> None:
    one_of_each()
    answer = boss.get(f"{ADMIN}/{model}/", {name: value}, follow=True)
    assert (answer.status_code, MESSAGE in answer.content.decode()) == (200, True)


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


@pytest.mark.parametrize("chosen", [HUGE, "x", "٣", "1\0", "\ud800".encode("utf-8", "replace")])
@pytest.mark.parametrize("model", ["order", "notification", "orderevent"])
def test_no_action_is_run_on_a_row_that_cannot_be(boss: Client, model: str, chosen: Any) -> None:
    one_of_each()
    action = {"order": "query_now", "notification": "replay", "orderevent": "tell"}[model]
    answer = boss.post(
        f"{ADMIN}/{model}/", {"action": action, "_selected_action": [chosen]}, follow=True
    )
    assert (answer.status_code, MESSAGE in answer.content.decode()) == (200, True)


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
