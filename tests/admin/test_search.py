"""A clerk's search: by the end of a number, its beginning, an amount, a reference, a payer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

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
    found = keys_found_by(term, Order.objects.all())
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
