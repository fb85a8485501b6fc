"""Totals: the sums of bills, and what one order has cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from django_wxpay.models import Bill
from django_wxpay.services.bills.fees import Totals, totals_of
from django_wxpay.services.bills.reconciling import reconcile
from tests.services.bills.conftest import DAY, bill_of, paid_back, refund_row, row, sold
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db

MONEY = {"payments": 2, "paid": 300, "refunds": 1, "refunded": 45, "fees_e5": 90_000}


def kept(**fields: Any) -> Bill:
    return Bill(**{"mch_id": "1", "kind": "trade", "bill_date": DAY} | fields)


def test_bills_are_added_up_by_currency() -> None:
    bills = [
        kept(totals={"HKD": MONEY, "CNY": MONEY}),
        kept(totals={"CNY": MONEY}, bill_date=DAY + timedelta(days=1)),
        kept(totals={"CNY": MONEY}, merchant="another alias"),
        kept(totals={"CNY": MONEY}, kind="fundflow"),
    ]
    cny, hkd = totals_of(bills)
    assert cny == Totals(
        currency="CNY", payments=4, paid=600, refunds=2, refunded=90, fees=Decimal("1.8")
    )
    assert (hkd.currency, hkd.net) == ("HKD", Decimal("254.1"))


def test_an_order_knows_its_fee_and_what_is_left_once_a_bill_has_told(
    gateway: ScriptedTransport,
) -> None:
    order = sold()
    refund = paid_back(order)
    assert (order.fee, order.net, refund.fee) == (None, None, None)
    reconcile(bill_of(row(order), refund_row(refund)))
    order.refresh_from_db()
    refund.refresh_from_db()
    assert (order.fee, refund.fee) == (Decimal("0.6"), Decimal("-0.27"))
    assert order.net == 100 - 45 - Decimal("0.6") + Decimal("0.27")


def test_an_unpaid_order_has_nothing_left() -> None:
    assert sold(trade_state="CLOSED").net is None
