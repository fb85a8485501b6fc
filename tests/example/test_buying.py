"""From the shelf to the receipt, with a customer who does what customers do."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_wxpay import services
from django_wxpay.models import ApiReport, Notification, Order, OrderEvent, Prepay
from django_wxpay.signals import order_paid
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.catalogue import TEAS
from example_project.shop.models import Purchase
from tests.example.conftest import Customer, order_behind


def test_the_shelf_shows_every_tea_with_its_price(customer: Customer) -> None:
    page = customer.sees("/")
    for tea in TEAS:
        assert f"/buy/{tea.slug}/" in page
        assert tea.price in page
    assert Order.objects.count() == 0


def test_buying_places_one_order_and_shows_its_code_and_amount(customer: Customer) -> None:
    purchase = customer.buy("longjing")
    order = order_behind(purchase)
    assert (order.trade_type, order.total_fee, order.trade_state) == ("NATIVE", 6800, "NOTPAY")
    assert order.out_trade_no == purchase.reference
    page = customer.sees(f"/pay/{purchase.reference}/")
    assert "¥68.00" in page
    assert page.count("<svg ") == 1
    assert Order.objects.count() == 1


def test_a_reload_shows_the_same_order_and_makes_no_second_call(customer: Customer) -> None:
    purchase = customer.buy()
    for _ in range(3):
        customer.sees(f"/pay/{purchase.reference}/")
    assert (Order.objects.count(), Prepay.objects.count(), ApiReport.objects.count()) == (1, 1, 1)


def test_the_page_may_change_its_language_without_changing_the_order(customer: Customer) -> None:
    purchase = customer.buy()
    customer.browser.post("/i18n/setlang/", {"language": "zh-hans"})
    page = customer.sees(f"/pay/{purchase.reference}/")
    assert "请用微信扫一扫付款" in page
    assert Order.objects.get().body == "Dragon Well"


def test_a_chinese_customer_buys_under_the_chinese_name(customer: Customer) -> None:
    customer.browser.post("/i18n/setlang/", {"language": "zh-hans"})
    customer.buy("keemun")
    assert Order.objects.get().body == "祁门红茶"


def test_the_phone_link_leads_to_the_simulators_page_of_this_code(customer: Customer) -> None:
    purchase = customer.buy()
    code = parse_qs(urlsplit(Prepay.objects.get().code_url).query)["pr"][0]
    assert f'href="http://127.0.0.1:9100/_simulator/phone/{code}?' in customer.sees(
        f"/pay/{purchase.reference}/"
    )


def test_without_a_simulator_there_is_no_phone_link(customer: Customer, settings: Any) -> None:
    settings.SIMULATOR_URL = ""
    page = customer.sees(f"/pay/{customer.buy().reference}/")
    assert "Open the simulated phone" not in page
    assert "<svg" in page


def test_the_waiting_page_is_told_when_the_notification_has_arrived(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase, other = customer.buy(), customer.buy("puer")
    assert not customer.is_told(purchase)
    wxpay_simulator.pay(order_behind(purchase))
    assert customer.is_told(purchase)
    assert not customer.is_told(other)
    order = order_behind(purchase)
    page = customer.sees(f"/pay/{purchase.reference}/")
    assert "Your tea is being wrapped" in page
    assert order.transaction_id in page


def test_news_that_comes_again_does_not_move_the_time_of_payment(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy()
    wxpay_simulator.pay(order_behind(purchase))
    purchase.refresh_from_db()
    first = purchase.paid_at
    event = OrderEvent.objects.get(kind="PAID")
    order_paid.send(sender=Order, order=event.order, event=event)
    purchase.refresh_from_db()
    assert purchase.paid_at == first == event.order.success_time


def test_an_order_that_is_not_the_shops_marks_nothing(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy()
    stranger = order_behind(customer.buy())
    Order.objects.filter(pk=stranger.pk).update(reference="somebody else's")
    wxpay_simulator.pay(stranger)
    assert Purchase.objects.filter(paid_at=None).count() == 2
    assert not customer.is_told(purchase)


def test_a_customer_whose_notification_is_lost_can_have_wechat_pay_asked(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy()
    wxpay_simulator.inject("lost")
    wxpay_simulator.pay(order_behind(purchase))
    assert not customer.is_told(purchase)
    answer = customer.browser.post(f"/pay/{purchase.reference}/check/", follow=True)
    assert answer.resolver_match.view_name == "shop:receipt"
    assert customer.is_told(purchase)
    assert Notification.objects.count() == 0


def test_asking_before_paying_leaves_the_page_as_it_is(customer: Customer) -> None:
    purchase = customer.buy()
    answer = customer.browser.post(f"/pay/{purchase.reference}/check/", follow=True)
    assert answer.resolver_match.view_name == "shop:pay"
    assert not customer.is_told(purchase)


def test_inside_wechat_the_page_hands_out_signed_parameters_instead_of_a_code(
    customer: Customer,
    wxpay_simulator: SimulatedWXPay,
) -> None:
    purchase = customer.buy(way="JSAPI")
    prepay = Prepay.objects.get()
    page = customer.sees(f"/pay/{purchase.reference}/")
    for name in ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign"):
        assert f'<b>"{name}"</b>' in page
    assert f"prepay_id={prepay.prepay_id}" in page
    assert "<svg " not in page
    assert f'href="http://127.0.0.1:9100/_simulator/phone/{prepay.prepay_id}?' in page
    wxpay_simulator.pay(order_behind(purchase))
    assert customer.is_told(purchase)


def test_a_receipt_is_given_only_for_money(customer: Customer) -> None:
    purchase = customer.buy()
    answer = customer.browser.get(f"/receipt/{purchase.reference}/")
    assert (answer.status_code, answer.url) == (302, f"/pay/{purchase.reference}/")


def test_a_receipt_names_what_was_paid_back_once_it_is(
    customer: Customer, wxpay_simulator: SimulatedWXPay
) -> None:
    purchase = customer.buy()
    wxpay_simulator.pay(order_behind(purchase))
    refund = services.create_refund(order_behind(purchase), refund_fee=1_050)
    assert refund.refund_status == "PROCESSING"
    assert "Refunded" not in customer.sees(f"/receipt/{purchase.reference}/")
    wxpay_simulator.advance(60)
    services.query_refund(refund)
    assert "<dt>Refunded</dt><dd>¥10.50</dd>" in customer.sees(f"/receipt/{purchase.reference}/")


@pytest.mark.parametrize(
    "address",
    ["/pay/NOBODY/", "/pay/NOBODY/state/", "/receipt/NOBODY/"],
)
def test_nobody_elses_purchase_can_be_guessed_into_being(customer: Customer, address: str) -> None:
    customer.sees(address, status=404)


def test_what_is_not_sold_cannot_be_bought(customer: Customer) -> None:
    assert customer.browser.post("/buy/coffee/").status_code == 404
    assert customer.browser.get("/buy/longjing/").status_code == 405
    assert Purchase.objects.count() == 0


def test_two_purchases_never_share_a_reference(customer: Customer) -> None:
    references = {customer.buy().reference for _ in range(5)}
    assert len(references) == 5
    assert all(len(reference) == 20 for reference in references)


@pytest.mark.parametrize(
    ("agent", "way"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "NATIVE"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605 Mobile/15E148 Safari/604", "MWEB"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605 Mobile/15E148 MicroMessenger/8.0", "JSAPI"),
    ],
)
def test_nobody_has_to_scan_a_code_with_the_phone_that_shows_it(
    customer: Customer, agent: str, way: str
) -> None:
    answer = customer.browser.post("/buy/puer/", headers={"user-agent": agent}, follow=True)
    purchase = Purchase.objects.get()
    assert (purchase.way, order_behind(purchase).trade_type) == (way, way)
    page = answer.content.decode()
    assert ("<svg " in page, "Pay in WeChat" in page, "data-wxpay-jsapi" in page) == (
        way == "NATIVE",
        way == "MWEB",
        way == "JSAPI",
    )


def test_the_cashier_brings_a_phone_back_to_the_page_it_came_from(customer: Customer) -> None:
    purchase = customer.buy(way="MWEB")
    page = html.unescape(customer.sees(f"/pay/{purchase.reference}/"))
    address = re.search(r'href="(http[^"]+redirect_url[^"]+)"', page)[1]
    assert address.startswith(f"{Prepay.objects.get().mweb_url}&")
    (back,) = parse_qs(urlsplit(address).query)["redirect_url"]
    assert back == f"http://testserver/pay/{purchase.reference}/"


def test_the_cashier_may_see_from_which_site_a_phone_comes(customer: Customer) -> None:
    # Protocol-v2 section 4.5: the domain is read from the Referer, and hidden by Django's default.
    answer = customer.browser.get(f"/pay/{customer.buy(way='MWEB').reference}/")
    assert answer.headers["Referrer-Policy"] == "same-origin"
    (link,) = re.findall(r'<a class="phone" href="[^"]*checkmweb[^>]*>', answer.content.decode())
    assert 'referrerpolicy="origin"' in link
