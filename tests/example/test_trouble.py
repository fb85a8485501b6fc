"""What the customer sees while WeChat Pay does not answer, or says no."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.gateway.v2 import calls as gateway_v2
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import refusal
from django_wxpay.signals import order_paid
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.models import Purchase
from tests.example.conftest import Customer, order_behind


def test_a_gateway_that_does_not_answer_loses_nothing(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    wxpay_simulator.inject("http_502", operation="unifiedorder")
    answer = customer.browser.post("/buy/longjing/", {"way": "NATIVE"}, follow=True)
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "The payment cannot be started just now" in page
    assert "wxpay_simulator" in page
    purchase = Purchase.objects.get()
    assert order_behind(purchase).trade_state == "CREATED"
    assert "¥68.00" in customer.sees(f"/pay/{purchase.reference}/")
    assert order_behind(purchase).trade_state == "NOTPAY"


def test_a_refusal_is_explained_to_the_developer_and_not_to_a_customer(
    customer: Customer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise refusal("NOAUTH", "no right to do this")

    monkeypatch.setattr(gateway_v2, "read_envelope", refuse)
    answer = customer.browser.post("/buy/longjing/", {"way": "NATIVE"}, follow=True)
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "NOAUTH" in page
    settings.SIMULATOR_URL = ""
    for told in customer.browser.get(f"/pay/{Purchase.objects.get().reference}/"):
        assert b"NOAUTH" not in told
        assert b"developers" not in told
    assert not customer.is_told(Purchase.objects.get())


def test_a_code_that_was_paid_behind_the_shops_back_ends_on_the_receipt(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy()
    order = order_behind(purchase)
    wxpay_simulator.inject("lost")
    wxpay_simulator.pay(order)
    order.prepays.all().delete()  # the shop has to ask for a new code, and is told ORDERPAID
    page = customer.sees(f"/pay/{purchase.reference}/")
    assert "Your tea is being wrapped" in page
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_check_that_gets_no_answer_says_so(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy()
    wxpay_simulator.inject("http_502", operation="orderquery")
    answer = customer.browser.post(f"/pay/{purchase.reference}/check/")
    assert answer.status_code == 503
    assert not customer.is_told(purchase)


def test_an_order_that_was_closed_says_so_and_another_is_one_press_away(
    customer: Customer,
) -> None:
    purchase = customer.buy("puer")
    services.close_order(order_behind(purchase))
    assert customer.status(purchase) == "closed"
    page = customer.sees(f"/pay/{purchase.reference}/", status=410)
    assert "This order was closed" in page
    assert 'action="/buy/puer/"' in page
    assert "developers" not in page
    again = customer.buy("puer")
    assert again.reference != purchase.reference
    assert "¥88.00" in customer.sees(f"/pay/{again.reference}/")


def test_a_code_that_has_expired_is_replaced_by_a_new_one_of_the_same_order(
    customer: Customer,
) -> None:
    purchase = customer.buy()
    order = order_behind(purchase)
    order.prepays.update(expires_at=order.created_at)
    assert customer.status(purchase) == "expired"
    assert "<svg " in customer.sees(f"/pay/{purchase.reference}/")
    assert (order.prepays.count(), Order.objects.count()) == (2, 1)
    assert customer.status(purchase) == "waiting"


def test_a_customer_who_has_paid_gets_a_receipt_though_the_shops_receiver_raised(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("the printer is out of paper")

    purchase = customer.buy()
    order_paid.connect(broken)
    try:
        wxpay_simulator.pay(order_behind(purchase))
    finally:
        order_paid.disconnect(broken)
    purchase.refresh_from_db()
    assert purchase.paid_at is None
    assert customer.status(purchase) == "paid"
    page = customer.sees(f"/pay/{purchase.reference}/")
    assert "a little later than usual" in page
    assert order_behind(purchase).transaction_id in page


def test_asked_and_not_paid_yet_is_said_with_the_time(customer: Customer) -> None:
    purchase = customer.buy()
    answer = customer.browser.post(f"/pay/{purchase.reference}/check/", follow=True)
    assert "Not paid yet. WeChat Pay was asked at " in answer.content.decode()
    assert "Not paid yet" not in customer.sees(f"/pay/{purchase.reference}/")
