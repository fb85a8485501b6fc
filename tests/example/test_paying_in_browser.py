"""The pay page in a real browser: each ending, WeChat's bridge, and screens of two widths."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django.live_server_helper import LiveServer

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.models import Purchase
from tests.browser import Browser, chromium
from tests.example.conftest import order_behind

PATIENCE_S: Final = 15
SHOWN: Final = """
[...document.querySelectorAll("[role=status] [data-wxpay-when]")]
    .filter((part) => part.checkVisibility()).map((part) => part.innerText).join(" ")
"""
BRIDGE: Final = """
window.WeixinJSBridge = {
    invoke(name, parameters, callback) {
        window.asked = {name, parameters};
        setTimeout(() => callback({err_msg: "get_brand_wcpay_request:%s"}));
    },
};
"""
PRESS: Final = "document.querySelector('[data-wxpay-jsapi]').click()"


@pytest.fixture
def browser(
    tmp_path: Path, live_server: LiveServer, wxpay_simulator: SimulatedWXPay
) -> Iterator[Browser]:
    with chromium(tmp_path) as started:
        started.appear(width=1280)
        yield started


class Page:
    """The pay page of one purchase, open in a browser."""

    def __init__(self, browser: Browser, shop: str, way: str = "NATIVE", script: str = "") -> None:
        self.browser, self.shop = browser, shop
        self.purchase = Purchase.objects.create(tea="puer", title="Pu'er", total_fee=1, way=way)
        if script:
            browser.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.open()

    def open(self) -> None:
        self.browser.look_at(f"{self.shop}/pay/{self.purchase.reference}/")

    @property
    def order(self) -> Order:
        return order_behind(self.purchase)

    def turns(self, to: str) -> None:
        """Wait until the page shows this text, and nothing that says otherwise."""
        self.until(f"({SHOWN}).includes({to!r})")
        assert "Waiting for your payment" not in self.browser.run(SHOWN)

    def until(self, script: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.browser.run(script):
            assert time.monotonic() < deadline, self.browser.run("document.body.innerText")
            time.sleep(0.1)

    def is_clean(self) -> None:
        assert self.browser.run("window.violations") == []
        assert self.browser.complaints == []


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Page:
    return Page(browser, live_server.url)


def test_a_page_that_waits_turns_into_the_receipt(
    page: Page, wxpay_simulator: SimulatedWXPay
) -> None:
    assert "Waiting for your payment" in page.browser.run(SHOWN)
    page.until("/^1:59:|^119:/.test(document.querySelector('[data-wxpay-countdown]').innerText)")
    wxpay_simulator.pay(page.order)
    page.turns("Paid. Thank you!")
    page.until("location.pathname.startsWith('/receipt/')")
    page.is_clean()


@pytest.mark.long
def test_an_order_that_is_closed_under_an_open_page_offers_another(page: Page) -> None:
    services.close_order(page.order)
    page.turns("This order was closed, and nothing was taken.")
    page.browser.press("document.querySelector('[data-wxpay-when=closed] button').click()")
    assert "Waiting for your payment" in page.browser.run(SHOWN)
    assert Order.objects.count() == 2
    page.is_clean()


@pytest.mark.long
def test_a_code_that_expires_is_replaced_on_request(page: Page) -> None:
    page.order.prepays.update(expires_at=page.order.created_at)
    page.turns("the code has expired")
    page.browser.press("document.querySelector('[data-wxpay-when=expired] a').click()")
    assert "Waiting for your payment" in page.browser.run(SHOWN)
    assert Order.objects.count() == 1


@pytest.mark.long
def test_a_payment_that_arrives_after_its_code_expired_is_seen(
    page: Page, wxpay_simulator: SimulatedWXPay
) -> None:
    page.order.prepays.update(expires_at=page.order.created_at)
    page.turns("the code has expired")
    wxpay_simulator.pay(page.order)
    page.turns("Paid. Thank you!")


@pytest.mark.long
def test_a_shop_that_is_away_for_a_moment_is_asked_again(
    page: Page, wxpay_simulator: SimulatedWXPay, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.empty_urls"
    page.until(
        "performance.getEntriesByType('resource').filter(e => /state/.test(e.name)).length > 1"
    )
    settings.ROOT_URLCONF = "example_project.urls"
    wxpay_simulator.pay(page.order)
    page.turns("Paid. Thank you!")


@pytest.mark.long
@pytest.mark.parametrize("is_paid", [True, False])
def test_what_the_bridge_says_decides_nothing(
    browser: Browser, live_server: LiveServer, wxpay_simulator: SimulatedWXPay, is_paid: bool
) -> None:
    page = Page(browser, live_server.url, "JSAPI", BRIDGE % "ok")
    if is_paid:
        wxpay_simulator.pay(page.order)
    browser.run(PRESS)
    page.until("window.asked")
    assert browser.run("window.asked.name") == "getBrandWCPayRequest"
    asked = browser.run("window.asked.parameters")
    assert set(asked) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    if is_paid:
        page.turns("Paid. Thank you!")
    else:
        page.until("!document.querySelector('[data-wxpay-jsapi]').disabled")
        assert "Waiting for your payment" in browser.run(SHOWN)
    page.is_clean()


@pytest.mark.long
def test_a_customer_who_cancels_can_pay_again(
    browser: Browser, live_server: LiveServer, wxpay_simulator: SimulatedWXPay
) -> None:
    page = Page(browser, live_server.url, "JSAPI", BRIDGE % "cancel")
    browser.run(PRESS)
    page.turns("You have not paid yet.")
    # The shop says "waiting" every second, and the page keeps what it knows.
    time.sleep(1.5)
    page.turns("You have not paid yet.")
    wxpay_simulator.pay(page.order)
    page.turns("Paid. Thank you!")


@pytest.mark.long
def test_outside_of_wechat_the_button_says_where_to_open_the_page(
    browser: Browser, live_server: LiveServer
) -> None:
    page = Page(browser, live_server.url, "JSAPI")
    browser.run(PRESS)
    page.turns("This page is not open in WeChat.")


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "zh-hans")]
)
@pytest.mark.parametrize("way", ["NATIVE", "JSAPI", "MWEB"])
def test_every_way_to_pay_fits_its_screen(
    browser: Browser, live_server: LiveServer, way: str, width: int, scheme: str, language: str
) -> None:
    browser.appear(width=width, scheme=scheme, language=language)
    page = Page(browser, live_server.url, way)
    assert browser.run("document.documentElement.scrollWidth") == width
    page.is_clean()
