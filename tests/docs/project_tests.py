"""Put into the project of the guides by test_samples, and run there by its own pytest."""

import logging
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from shop.models import Basket

from django_wxpay import services
from django_wxpay.models import ApiReport, Order

CHOSEN = "@CHOSEN@"
ONE = "/baskets/B-1/checkout/"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.fixture(autouse=True)
def basket(transactional_db):
    return Basket.objects.create(number="B-1", total_fee=1800)


@pytest.fixture
def request_in_wechat(rf):
    request = rf.get("/", REMOTE_ADDR="203.0.113.7", HTTP_HOST="shop.example.com")
    request.session = {"openid": OPENID}
    return request


def test_the_pages_of_one_basket(client, wxpay_simulator):
    first = client.get(ONE)
    sent = len(wxpay_simulator.requests())
    again = client.get(ONE)
    assert len(wxpay_simulator.requests()) == sent
    assert first.content == again.content
    assert b"<svg" in first.content
    assert b'data-wxpay-status-url="/orders/basket-B-1-1/status/"' in first.content
    assert client.get("/orders/basket-B-1-1/status/").json()["status"] == "waiting"
    assert b"not paid" in client.get("/orders/basket-B-1-1/").content
    wxpay_simulator.pay(Order.objects.get())
    assert client.get("/orders/basket-B-1-1/status/").json()["status"] == "paid"
    assert client.get(ONE).headers["Location"] == "/orders/basket-B-1-1/"
    assert client.get("/orders/basket-B-1-1/").content == b"Thank you."
    assert Order.objects.count() == 1


def test_a_page_that_has_nothing_to_show(client, wxpay_simulator):
    wxpay_simulator.inject("http_502", operation="unifiedorder", times=10)
    silent = client.get(ONE)
    assert (silent.status_code, b"do not pay again" in silent.content) == (503, True)
    assert client.get("/orders/basket-B-1-1/status/").json()["status"] == "waiting"
    wxpay_simulator.simulator.clear_faults()
    assert b"<svg" in client.get(ONE).content


def test_a_number_that_another_system_has_used(client, wxpay_simulator):
    other = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 1, "product_id": "tea"}
    services.checkout(out_trade_no="basket-B-1-1", **other)
    Order.objects.update(out_trade_no="of-another-system")
    refused = client.get(ONE)
    assert (refused.status_code, b"another way" in refused.content) == (503, True)
    assert client.get("/orders/basket-B-1-1/status/").json()["status"] == "failed"


def test_a_basket_whose_order_is_over_or_that_has_changed_starts_again(client, wxpay_simulator):
    client.get(ONE)
    services.close_order(Order.objects.get())
    assert client.get("/orders/basket-B-1-1/status/").json()["status"] == "closed"
    assert b"/orders/basket-B-1-2/status/" in client.get(ONE).content
    Basket.objects.update(total_fee=900)
    assert b"/orders/basket-B-1-3/status/" in client.get(ONE).content
    states = Order.objects.order_by("out_trade_no").values_list("total_fee", "trade_state")
    assert list(states) == [(1800, "CLOSED"), (1800, "CLOSED"), (900, "NOTPAY")]


def test_a_basket_that_has_changed_before_its_order_arrived(client, wxpay_simulator):
    wxpay_simulator.inject("http_502", operation="unifiedorder", times=10)
    client.get(ONE)
    wxpay_simulator.simulator.clear_faults()
    Basket.objects.update(total_fee=900)
    assert b"/orders/basket-B-1-2/status/" in client.get(ONE).content


def test_a_basket_that_has_changed_after_it_was_paid(client, wxpay_simulator):
    client.get(ONE)
    wxpay_simulator.pay(Order.objects.get())
    Basket.objects.update(total_fee=900)
    assert client.get(ONE).headers["Location"] == "/orders/basket-B-1-1/"
    assert Order.objects.count() == 1


def test_a_page_in_wechat_and_a_mini_program(request_in_wechat, wxpay_simulator):
    from shop.in_wechat import pay_in_wechat
    from shop.mini_program import pay_in_the_mini_program

    page = pay_in_wechat(request_in_wechat, "B-1").content.decode()
    assert 'id="parameters"' in page
    assert "paySign" in page
    assert 'data-wxpay-status-url="/orders/wechat-B-1/status/"' in page
    answer = pay_in_the_mini_program(request_in_wechat, "B-1").content.decode()
    assert all(name in answer for name in ("timeStamp", "nonceStr", "package", "signType"))
    assert {order.openid for order in Order.objects.all()} == {OPENID}
    assert Order.objects.filter(reference="B-1").count() == 2


def test_a_mobile_browser(request_in_wechat, wxpay_simulator):
    from shop.in_a_browser import pay_in_a_browser

    from django_wxpay.exceptions import InvalidOrder

    if CHOSEN == "v3, global":
        # As the page on accounts says.
        with pytest.raises(InvalidOrder, match="h5_info"):
            pay_in_a_browser(request_in_wechat, "B-1")
        return
    answer = pay_in_a_browser(request_in_wechat, "B-1")
    assert answer.headers["Referrer-Policy"] == "origin"
    address = answer.headers["Location"]
    assert address.startswith("https://wx.tenpay.com/")
    assert address.endswith("&redirect_url=http%3A%2F%2Fshop.example.com%2Forders%2Fh5-B-1%2F")
    assert Order.objects.get().spbill_create_ip == "203.0.113.7"


def test_an_app_and_those_who_come_from_elsewhere(basket, wxpay_simulator):
    from shop.in_the_app import parameters_for_the_app
    from shop.like_stripe import create_payment
    from shop.moved import place

    names = "appid partnerid prepayid package noncestr timestamp sign"
    assert set(parameters_for_the_app(basket)) == set(names.split())
    order, code_url = create_payment(basket)
    assert code_url.startswith("weixin://")
    assert order.out_trade_no == "intent-B-1"
    assert "paySign" in place(basket, OPENID)


def test_a_single_page_app(client, wxpay_simulator):
    first = client.post("/api/baskets/B-1/pay/").json()
    assert first["status"] == "waiting"
    assert "<svg" in first["qr_svg"]
    assert client.post("/api/baskets/B-1/pay/").json() == first
    assert client.get("/api/baskets/B-1/status/").json()["status"] == "waiting"
    wxpay_simulator.pay(Order.objects.get())
    assert client.get("/api/baskets/B-1/status/").json()["status"] == "paid"
    assert client.post("/api/baskets/B-1/pay/").json() == {"status": "paid"}
    assert client.post("/api/baskets/other/pay/").status_code == 404


def test_a_single_page_app_when_wechat_pay_refuses_or_is_silent(client, wxpay_simulator):
    wxpay_simulator.inject("http_502", operation="unifiedorder", times=10)
    silent = client.post("/api/baskets/B-1/pay/")
    assert (silent.status_code, silent.json()) == (503, {"status": "waiting", "again": True})
    wxpay_simulator.simulator.clear_faults()
    assert client.post("/api/baskets/B-1/pay/").json()["status"] == "waiting"
    Basket.objects.update(attempt=2)
    other = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 1, "product_id": "tea"}
    services.checkout(out_trade_no="basket-B-1-2", **other)
    Order.objects.filter(total_fee=1).update(out_trade_no="of-another-system")
    refused = client.post("/api/baskets/B-1/pay/")
    assert refused.status_code == 422
    assert refused.json()["why"] in {"OUT_TRADE_NO_USED", "INVALID_REQUEST"}


def test_several_merchants(wxpay_simulator):
    from shop.branches import checkout_at_the_tea_house
    from shop.marketplace import checkout_for

    branch = checkout_at_the_tea_house("1", 900).order
    assert (branch.merchant, branch.mch_id) == ("tea-house", "1900000209")
    assert branch.notify_url.endswith("/wxpay/notify/tea-house/payment/")
    market = checkout_for("1900000311", "1", 900).order
    assert (market.mch_id, market.sub_mch_id) == ("1900000309", "1900000311")
    for order in (branch, market):
        wxpay_simulator.pay(order)
        order.refresh_from_db()
        assert order.is_paid


def test_a_bill_and_the_schedule(wxpay_simulator, tmp_path, settings):
    from shop.closing import close

    settings.MEDIA_ROOT = tmp_path
    assert close(timezone.now().date() - timedelta(days=2)) == 0
    assert len(settings.CELERY_BEAT_SCHEDULE) == int("@JOBS@")


def test_sales_of_a_terminal(wxpay_simulator):
    from shop.terminals import note_sale, send_failed_sale

    now = timezone.now()
    note_sale("41", now, 7400)
    assert ApiReport.objects.filter(interface_url__endswith="/pay/micropay/total").count() == 1
    if "API_KEY" in settings.WXPAY["MERCHANTS"]["default"]:
        assert send_failed_sale("42", now, now + timedelta(seconds=5)) == ()


def test_a_till_and_a_refund(client, wxpay_simulator, caplog):
    from shop import claims  # noqa: F401
    from shop.like_stripe import refund_payment
    from shop.refunds import refund
    from shop.till import charge

    from django_wxpay.exceptions import ConfigurationError

    client.get(ONE)
    order = Order.objects.get(out_trade_no="basket-B-1-1")
    wxpay_simulator.pay(order)
    order.refresh_from_db()
    code = wxpay_simulator.simulator.payment_code()["auth_code"]
    if not CHOSEN:
        # As the pages say, v2 needs the client certificate.
        for call in (lambda: charge("7", code, 900), lambda: refund(order, "3")):
            with pytest.raises(ConfigurationError):
                call()
        return
    assert charge("7", code, 900) is True
    assert charge("7", code, 900) is True
    assert Order.objects.get(out_trade_no="till-7").total_fee == 900
    assert refund(order, "3").pk == refund(order, "3").pk
    order.refresh_from_db()
    assert order.refundable == 1350
    with caplog.at_level(logging.INFO, logger="shop.claims"):
        wxpay_simulator.simulator.settle_refund(order.mch_id, "claim-3", "SUCCESS")
        wxpay_simulator.simulator.deliver_due()
    assert "Refund claim-3 of order basket-B-1-1: SUCCESS." in caplog.text
    assert refund_payment(order, "4").refund_fee == 1350


def test_an_order_of_v2_goes_on_over_v3(client, wxpay_simulator, settings):
    if not CHOSEN.startswith("v2 beside v3"):
        assert CHOSEN in {"", "v3, mainland", "v3, global"}
        return
    from shop.refunds import refund

    account = settings.WXPAY["MERCHANTS"]["default"]
    settings.WXPAY = {**settings.WXPAY, "MERCHANTS": {"default": {**account, "API": "v2"}}}
    client.get(ONE)
    order = Order.objects.get()
    assert services.query_order(order, api="v3").trade_state == "NOTPAY"
    settings.WXPAY = {**settings.WXPAY, "MERCHANTS": {"default": account}}
    wxpay_simulator.pay(order)
    order.refresh_from_db()
    assert order.is_paid
    assert order.notifications.get().api == "v2"
    assert services.query_order(order).is_paid
    assert refund(order, "5").refund_fee == 450
    Basket.objects.create(number="B-2", total_fee=900)
    client.get("/baskets/B-2/checkout/")
    apis = ApiReport.objects.filter(out_trade_no="basket-B-2-1").values_list("api", flat=True)
    assert set(apis) == {"v3"}
