"""What the customer sees while WeChat Pay does not answer, or says no."""

from __future__ import annotations

import pytest

from django_wxpay.gateway import v2 as gateway_v2
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import refusal
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
    assert "WeChat Pay does not answer" in page
    assert "wxpay_simulator" in page
    purchase = Purchase.objects.get()
    assert order_behind(purchase).trade_state == "CREATED"
    assert "¥68.00" in customer.sees(f"/pay/{purchase.reference}/")
    assert order_behind(purchase).trade_state == "NOTPAY"


def test_a_refusal_is_told_with_its_advice(
    customer: Customer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise refusal("NOAUTH", "no right to do this")

    monkeypatch.setattr(gateway_v2, "read_envelope", refuse)
    answer = customer.browser.post("/buy/longjing/", {"way": "NATIVE"}, follow=True)
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "NOAUTH" in page
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
