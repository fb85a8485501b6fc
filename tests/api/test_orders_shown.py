"""An order as the API shows it, and the verbs that change it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

from tests.api.conftest import API, NATIVE
from tests.factories import CODE_URL, OPENID, OrderFactory, PrepayFactory, PromotionFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing

pytestmark = pytest.mark.django_db

OFFSET = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+08:00")


def test_a_paid_order_shows_the_whole_payment(clerk: APIClient) -> None:
    order = OrderFactory(
        paid=True,
        foreign=True,
        coupon_fee=50,
        coupons=[{"coupon_id": "C1", "coupon_type": "CASH", "coupon_fee": 50}],
        payer_sub_openid="oSub",
    )
    PromotionFactory(order=order, promotion_id="109000001")
    PromotionFactory(order=order, promotion_id="2", name="", amount=None, goods_detail=[{}])
    shown = clerk.get(f"{API}/orders/{order.pk}/").json()
    assert shown["payment"] == {
        "payer": {"openid": OPENID, "sp_openid": "", "sub_openid": "oSub"},
        "payer_total": 1250,
        "payer_currency": "CNY",
        "cash_fee": 1250,
        "cash_fee_type": "CNY",
        "settlement_total_fee": 1000,
        "coupon_fee": 50,
        "coupons": [{"coupon_id": "C1", "coupon_type": "CASH", "coupon_fee": 50}],
        "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": "0.8"},
        "promotions": [
            {
                "promotion_id": "109000001",
                "name": "Spring tea",
                "scope": "SINGLE",
                "type": "DISCOUNT",
                "amount": 200,
                "currency": "CNY",
                "activity_id": "931386",
                "wxpay_contribute_amount": 100,
                "merchant_contribute_amount": 100,
                "other_contribute_amount": 0,
                "goods_detail": [
                    {
                        "goods_id": "TEA-100",
                        "goods_remark": "first harvest",
                        "discount_amount": 200,
                        "quantity": 1,
                        "price": 1450,
                    },
                ],
            },
            {
                "promotion_id": "2",
                "name": "",
                "scope": "SINGLE",
                "type": "DISCOUNT",
                "amount": None,
                "currency": "CNY",
                "activity_id": "931386",
                "wxpay_contribute_amount": 100,
                "merchant_contribute_amount": 100,
                "other_contribute_amount": 0,
                "goods_detail": [
                    {
                        "goods_id": "",
                        "goods_remark": "",
                        "discount_amount": None,
                        "quantity": None,
                        "price": None,
                    },
                ],
            },
        ],
    }
    assert shown["prepay"] is None
    assert shown["bank_type"] == "CMB_CREDIT"
    assert shown["trade_state_desc"] == "支付成功"
    for name in ("success_time", "created_at", "updated_at"):
        assert OFFSET.fullmatch(shown[name]), name


@pytest.mark.parametrize(
    ("rate", "shown"),
    [("0.80000000", "0.8"), ("100.00000000", "100"), ("0.00000001", "0.00000001"), (None, None)],
)
def test_a_rate_is_the_shortest_decimal_that_is_exactly_it(
    clerk: APIClient,
    rate: str | None,
    shown: str | None,
) -> None:
    order = OrderFactory(paid=True, exchange_rate=None if rate is None else Decimal(rate))
    payment = clerk.get(f"{API}/orders/{order.pk}/").json()["payment"]
    assert payment["exchange_rate"] == {"type": "", "rate": shown}


def test_there_is_a_payment_once_there_was_one(clerk: APIClient) -> None:
    unpaid, paid = OrderFactory(), OrderFactory(paid=True)
    reversed_ = OrderFactory(paid=True, trade_state="REVOKED")
    refunded = OrderFactory(paid=True, trade_state="REFUND")
    shown = {row["id"]: row["payment"] for row in clerk.get(f"{API}/orders/").json()["results"]}
    assert shown[unpaid.pk] is None
    for order in (paid, reversed_, refunded):
        assert shown[order.pk]["payer"]["openid"] == OPENID


def test_the_newest_prepay_is_the_one_shown(clerk: APIClient) -> None:
    order = OrderFactory()
    PrepayFactory(order=order)
    newest = PrepayFactory(order=order)
    shown = clerk.get(f"{API}/orders/{order.pk}/").json()["prepay"]
    assert shown == {
        "prepay_id": newest.prepay_id,
        "code_url": CODE_URL,
        "mweb_url": "",
        "expires_at": (newest.created_at + timedelta(hours=10)).replace(tzinfo=None).isoformat()
        + "+08:00",
    }


def test_times_carry_an_offset_whatever_the_sites_format_is(
    clerk: APIClient,
    settings: Any,
) -> None:
    settings.REST_FRAMEWORK = {"DATETIME_FORMAT": "%d/%m/%Y"}
    order = OrderFactory()
    assert OFFSET.fullmatch(clerk.get(f"{API}/orders/{order.pk}/").json()["created_at"])


def test_query_asks_and_shows_what_was_settled(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    order = clerk.post(f"{API}/orders/", NATIVE).json()
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    answer = clerk.post(f"{API}/orders/{order['id']}/query/")
    assert answer.status_code == 200
    shown = answer.json()
    assert "parameters" not in shown
    assert shown["trade_state"] == "SUCCESS"
    assert shown["transaction_id"] == "4200000000202601010000000001"
    assert shown["success_time"] == "2026-01-01T00:01:30+08:00"
    assert shown["payment"]["cash_fee"] == 100
    assert gateway.paths() == ["/pay/unifiedorder", "/pay/orderquery"]


def test_query_of_an_order_nobody_knows_is_a_refusal(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    order = OrderFactory()
    gateway.answers["/pay/orderquery"] = refused("ORDERNOTEXIST")
    answer = clerk.post(f"{API}/orders/{order.pk}/query/")
    assert answer.status_code == 422
    assert answer.json()["err_code"] == "ORDERNOTEXIST"
    assert answer.json()["id"] == order.pk
    assert answer.json()["out_trade_no"] == order.out_trade_no


def test_close_ends_the_order_and_a_second_close_sends_nothing(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    order = clerk.post(f"{API}/orders/", NATIVE).json()
    gateway.answers["/pay/closeorder"] = {}
    for _ in range(2):
        answer = clerk.post(f"{API}/orders/{order['id']}/close/")
        assert (answer.status_code, answer.json()["trade_state"]) == (200, "CLOSED")
    assert gateway.paths() == ["/pay/unifiedorder", "/pay/closeorder"]


def test_a_paid_order_cannot_be_closed(clerk: APIClient, gateway: ScriptedTransport) -> None:
    order = OrderFactory(paid=True)
    answer = clerk.post(f"{API}/orders/{order.pk}/close/")
    assert (answer.status_code, answer.json()["err_code"]) == (422, "ORDERPAID")
    assert gateway.calls == []


def test_no_answer_to_a_close_names_the_order(clerk: APIClient, gateway: ScriptedTransport) -> None:
    order = OrderFactory()
    gateway.answers["/pay/closeorder"] = requests.ConnectionError("reset")
    answer = clerk.post(f"{API}/orders/{order.pk}/close/")
    assert (answer.status_code, answer.json()["id"]) == (504, order.pk)
