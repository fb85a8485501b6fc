"""A clerk's search: by the end of a number, its beginning, an amount, a reference, a payer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from django_wxpay.admin import base
from django_wxpay.admin.orders import searching
from django_wxpay.admin.orders.searching import keys_found_by
from django_wxpay.models import Order
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def orders() -> dict[str, Order]:
    return {
        "tea": OrderFactory(
            paid=True,
            out_trade_no="Tea-20261129-0004217",
            transaction_id="4200001234202611290987654321",
            reference="basket-7",
            payer_openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            total_fee=6800,
        ),
        "cake": OrderFactory(
            paid=True,
            out_trade_no="Tea-20261129-0004999",
            transaction_id="4200001234202611290987650000",
            reference="basket-8",
            payer_openid="oUpF8uN95-Ptaags6E_roPHg7AG0",
            total_fee=680,
        ),
        "yen": OrderFactory(
            out_trade_no="99999999", reference="basket-9", total_fee=68, fee_type="JPY"
        ),
        "dinar": OrderFactory(
            out_trade_no="zzzzzzzz1", reference="b", total_fee=68000, fee_type="KWD"
        ),
    }


def names(orders: dict[str, Order], term: str) -> set[str]:
    found = keys_found_by(term, Order.objects.all(), {}).keys
    return {name for name, order in orders.items() if order.pk in found}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("Tea-20261129-0004217", {"tea"}),
        ("  Tea-20261129-0004217\t", {"tea"}),
        ("4200001234202611290987654321", {"tea"}),
        ("4200 0012 3420 2611 2909 8765 4321", {"tea"}),
        ("4200-0012-3420-2611-2909-8765-4321", {"tea"}),
        ("004217", {"tea"}),
        ("-0004217", {"tea"}),
        ("654321", {"tea"}),
        ("0987654321", {"tea"}),
        ("tea-20261129-0004217", {"tea"}),
        ("Tea-2026", {"tea", "cake"}),
        ("Tea-20261129-0004999", {"cake"}),
        ("Tea-20261129-0004", {"tea", "cake"}),
        ("420000", {"tea", "cake"}),
        ("basket-7", {"tea"}),
        ("basket", {"tea", "cake", "yen"}),
        ("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", {"tea"}),
        ("68.00", {"tea", "dinar"}),
        ("68", {"tea", "dinar", "yen"}),
        ("¥68.00", {"tea", "dinar"}),
        ("68.00 CNY", {"tea"}),
        ("68 jpy", {"yen"}),
        ("68.000", {"dinar"}),
        ("6.80", {"cake"}),
        ("6.8", {"cake"}),
        ("99999999", {"yen"}),
        ("zzzzzzzz", set()),
        ("zzzzzzzz1", {"dinar"}),
        ("04217", set()),
        ("123456", set()),
        ("0", set()),
        ("0.00", set()),
        ("99999999999", set()),
        ("9999999999.99", set()),
        ("%", set()),
        ("______", set()),
        ("Tea-2026%", set()),
        ("'; --", set()),
        ("٠٠٤٢١٧", set()),
        ("\N{FULLWIDTH DIGIT SIX}8.00", set()),
    ],
)
def test_orders_are_found_by(orders: dict[str, Order], term: str, expected: set[str]) -> None:
    assert names(orders, term) == expected


def test_the_page_finds_them_within_its_filters(orders: dict[str, Order], client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse("admin:django_wxpay_order_changelist")

    def shown(**asked: Any) -> set[str]:
        return {order.reference for order in client.get(address, asked).context["cl"].result_list}

    assert shown(q="004217") == {"basket-7"}
    assert shown(q="68", trade_state__exact="SUCCESS") == {"basket-7"}
    assert shown(q="  ") == {"basket-7", "basket-8", "basket-9", "b"}
    assert shown(q="nothing of the kind") == set()


LIST = "admin:django_wxpay_order_changelist"
FILE = "admin:django_wxpay_order_csv"
CUT = "and there may be more: search for a longer number"
PART = "These are the totals of the orders that were found, and there may be more."


def sold(day: int, **fields: Any) -> Order:
    moment = datetime(2026, 1, day, 4, tzinfo=UTC)
    order: Order = OrderFactory(
        paid=True, total_fee=990, success_time=moment, created_at=moment - timedelta(minutes=1)
    )
    Order.objects.filter(pk=order.pk).update(created_at=order.created_at, **fields)
    return order


def test_a_search_that_does_not_find_all_says_so_and_makes_no_file(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST", 2)
    for day in (1, 2):
        sold(day)
    html = boss.get(reverse(LIST), {"q": "9.90"}).content.decode()
    assert CUT not in html
    assert PART not in html
    assert boss.get(reverse(FILE), {"q": "9.90"}).status_code == 200
    sold(3)
    html = boss.get(reverse(LIST), {"q": "9.90"}).content.decode()
    assert CUT in html
    assert PART in html
    answer = boss.get(reverse(FILE), {"q": "9.90"}, follow=True)
    assert answer.redirect_chain == [(f"{reverse(LIST)}?q=9.90", 302)]
    (message,) = map(str, answer.context["messages"])
    assert CUT in message


@pytest.mark.parametrize(
    "asked",
    [
        {"paid_from": "2026-01-01", "paid_to": "2026-01-02"},
        {"created_at__gte": "2026-01-01 00:00:00+08:00", "created_at__lt": "2026-01-03T00:00:00Z"},
        {"merchant": "other"},
        {"merchant": "other", "paid_from": "2025-12-31", "created_at__lt": "2026-02-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("term", ["9.90", "oPayer", "Basket-"])
def test_what_the_filters_ask_for_is_looked_for_beyond_the_newest(
    boss: Client, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], term: str
) -> None:
    monkeypatch.setattr(searching, "MOST", 2)
    for at, day in enumerate((1, 2, 11, 12, 13)):
        merchant = "other" if day < 3 else "default"
        number = f"Basket-{day:02}-{at:06}"
        sold(day, merchant=merchant, payer_openid="oPayer", out_trade_no=number)
    answer = boss.get(reverse(LIST), {"q": term, **asked})
    days = [order.success_time.day for order in answer.context["cl"].result_list]
    assert days == [2, 1]
    assert CUT not in answer.content.decode()


def test_of_very_many_the_filters_look_at_the_first_and_say_so(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "FARTHEST", 3)
    for day in (1, 11, 12, 13):
        sold(day, merchant="other" if day == 1 else "default")
    answer = boss.get(reverse(LIST), {"q": "9.90", "merchant": "other"})
    assert CUT in answer.content.decode()
    # The first of a day begin at its end.
    asked = {"q": "9.90", "paid_to": "2026-01-02"}
    answer = boss.get(reverse(LIST), asked)
    assert CUT not in answer.content.decode()
    assert [order.success_time.day for order in answer.context["cl"].result_list] == [1]


def test_of_two_bounds_each_counts(boss: Client) -> None:
    for day in (1, 2):
        sold(day)
    asked = {"q": "9.90", "created_at__lt": ["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"]}
    answer = boss.get(reverse(LIST), asked)
    assert len(answer.context["cl"].result_list) == 2
