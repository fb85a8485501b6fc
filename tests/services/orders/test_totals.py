"""Totals: whole minor units by currency, of so many orders at most."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.models import Order
from django_wxpay.services.orders import totals as module
from django_wxpay.services.orders.totals import Total, paid_back, totals
from tests.factories import OrderFactory, RefundFactory

pytestmark = pytest.mark.django_db


def test_orders_are_added_up_by_currency() -> None:
    tea = OrderFactory(paid=True, total_fee=6800)
    RefundFactory(order=tea, paid_back=True, refund_fee=1000)
    RefundFactory(order=tea, paid_back=True, refund_fee=1)
    # Neither of them has paid anything back.
    RefundFactory(order=tea, refund_fee=500)
    RefundFactory(order=tea, hinted=True, refund_fee=70, refund_status="SUCCESS")
    OrderFactory(trade_state="REFUND", total_fee=2**31 - 1)
    OrderFactory(total_fee=7)
    OrderFactory(paid=True, fee_type="JPY", total_fee=50)
    assert totals(Order.objects.all(), most=4) == [
        Total(fee_type="CNY", orders=3, payments=2, paid=2**31 - 1 + 6800, refunded=1001),
        Total(fee_type="JPY", orders=1, payments=1, paid=50, refunded=0),
    ]
    assert totals(Order.objects.all(), most=3) is None
    assert totals(Order.objects.filter(fee_type="JPY"), most=1) == [
        Total(fee_type="JPY", orders=1, payments=1, paid=50, refunded=0)
    ]
    assert totals(Order.objects.none(), most=1) == []


def test_refunds_are_read_a_thousand_orders_at_a_time(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    orders = [OrderFactory(paid=True) for _ in range(3)]
    for order in orders:
        RefundFactory(order=order, paid_back=True, refund_fee=5)
    with django_assert_num_queries(2):
        assert paid_back([order.pk for order in orders]) == {order.pk: 5 for order in orders}
    with django_assert_num_queries(3):
        assert totals(Order.objects.all(), most=3) is not None
    assert paid_back([]) == {}
