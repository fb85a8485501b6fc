"""Balances of orders, summed up from their refunds in one query."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.services.refunds.balances import Balance, balances
from tests.factories import OrderFactory, RefundFactory

pytestmark = pytest.mark.django_db


def test_each_stage_of_a_refund_has_an_amount_of_its_own() -> None:
    order = OrderFactory(paid=True, total_fee=10_000)
    RefundFactory(order=order, paid_back=True, refund_fee=1_000)
    RefundFactory(order=order, paid_back=True, refund_fee=500)
    RefundFactory(order=order, refund_fee=200)
    RefundFactory(order=order, refund_fee=30, refund_id="")
    RefundFactory(order=order, refund_fee=4, refund_status="ABNORMAL")
    RefundFactory(order=order, refund_fee=9_000, refund_status="CLOSED")
    RefundFactory(order=order, refund_fee=9_000, hinted=True)
    found = balances([order])[order.pk]
    assert found == Balance(paid=10_000, refunded=1_500, in_progress=230, stuck=4)
    assert found.left == order.refundable == 8_266
    assert found.refunded == order.refunded_fee


def test_an_order_that_is_not_paid_has_nothing_to_refund() -> None:
    order = OrderFactory(total_fee=10_000)
    assert balances([order]) == {order.pk: Balance()}
    assert Balance().left == order.refundable == 0


def test_any_number_of_orders_is_one_query_and_unpaid_ones_are_none(
    django_assert_num_queries: Any,
) -> None:
    paid = [OrderFactory(paid=True, total_fee=1_000) for _ in range(3)]
    RefundFactory(order=paid[1], refund_fee=1_000)
    unpaid = [OrderFactory() for _ in range(2)]
    with django_assert_num_queries(1):
        found = balances([*paid, *unpaid])
    assert [found[order.pk].left for order in [*paid, *unpaid]] == [1_000, 0, 1_000, 0, 0]
    with django_assert_num_queries(0):
        balances(unpaid)
