"""What a clerk does in a real browser: find by six digits, replay, resolve, read the first page."""

from __future__ import annotations

import pytest
from pytest_django.live_server_helper import LiveServer

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent
from tests import factories
from tests.admin.conftest import ADMIN
from tests.browser import Browser
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.django_db(transaction=True)
SCREENS = [(1280, "light", "en"), (390, "dark", "zh-hans")]
WORDS = {"en": ("Paid", "Conflict"), "zh-hans": ("已支付", "不一致")}


def is_well(browser: Browser, width: int) -> None:
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("window.violations") == []
    assert browser.complaints == []


@pytest.mark.parametrize(("width", "scheme", "language"), SCREENS)
def test_an_order_is_found_by_the_last_six_digits_of_its_number(
    browser: Browser, live_server: LiveServer, width: int, scheme: str, language: str
) -> None:
    _other, order = factories.OrderFactory(paid=True), factories.OrderFactory(paid=True)
    browser.appear(width=width, scheme=scheme, language=language)
    browser.look_at(f"{live_server.url}{ADMIN}/order/")
    end = order.out_trade_no[-6:]
    browser.run(f"document.querySelector('#searchbar').value = '{end}'")
    browser.press("document.querySelector('#changelist-search').submit()")
    links = "[...document.querySelectorAll('#result_list .field-out_trade_no a')]"
    assert browser.run(f"{links}.map((link) => link.innerText)") == [order.out_trade_no]
    is_well(browser, width)
    browser.press(f"{links}[0].click()")
    assert order.out_trade_no in browser.run("document.body.innerText")
    is_well(browser, width)


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme", "language"), SCREENS)
def test_a_notification_that_came_too_early_is_replayed(
    browser: Browser,
    live_server: LiveServer,
    gateway: ScriptedTransport,
    width: int,
    scheme: str,
    language: str,
) -> None:
    number = "CLERK20260101"
    early = services.receive_notification(
        "default", "payment", {}, payment_notice(number, total_fee="100")
    )
    assert not early.accepted
    order = services.create_order(
        out_trade_no=number, trade_type="NATIVE", body="Tea", total_fee=100, product_id="tea"
    )
    # Its creation has looked for it; a clerk meets one that was left.
    notification = Notification.objects.get()
    Notification.objects.update(outcome="FAILED", order=None)
    Order.objects.filter(pk=order.pk).update(trade_state="NOTPAY", transaction_id=None)
    browser.appear(width=width, scheme=scheme, language=language)
    browser.look_at(f"{live_server.url}{ADMIN}/notification/{notification.pk}/change/")
    is_well(browser, width)
    browser.press("document.querySelector('button[formaction$=\"/replay/\"]').click()")
    is_well(browser, width)
    notification.refresh_from_db()
    order.refresh_from_db()
    assert (notification.outcome, order.trade_state) == ("APPLIED", "SUCCESS")
    browser.look_at(f"{live_server.url}{ADMIN}/order/{order.pk}/change/")
    assert WORDS[language][0] in browser.run("document.querySelector('.field-state').innerText")


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme", "language"), SCREENS)
def test_a_conflict_is_on_the_first_page_until_it_is_resolved_with_a_note(
    browser: Browser, live_server: LiveServer, width: int, scheme: str, language: str
) -> None:
    event = factories.OrderEventFactory(conflict=True)
    browser.appear(width=width, scheme=scheme, language=language)
    browser.look_at(f"{live_server.url}{ADMIN}/")
    is_well(browser, width)
    browser.look_at(f"{live_server.url}{ADMIN}/order/?attention=CONFLICT")
    row = "document.querySelector('#result_list tbody').innerText"
    assert WORDS[language][1] in browser.run(row)
    browser.press("document.querySelector('#result_list .field-out_trade_no a').click()")
    assert WORDS[language][1] in browser.run("document.querySelector('.wxpay-banner').innerText")
    is_well(browser, width)
    browser.press("document.querySelector('.wxpay-banner a[href*=\"/orderevent/\"]').click()")
    browser.press("document.querySelector('a[href$=\"/resolve/\"]').click()")
    is_well(browser, width)
    browser.run("document.querySelector('textarea[name=note]').value = 'Asked the payer.'")
    browser.press("document.querySelector('textarea[name=note]').form.requestSubmit()")
    is_well(browser, width)
    resolved = OrderEvent.objects.get(pk=event.pk)
    assert (resolved.note, resolved.resolved_by) == ("Asked the payer.", "ada")
    browser.look_at(f"{live_server.url}{ADMIN}/order/{event.order_id}/change/")
    assert browser.run("document.querySelector('.wxpay-banner')") is None
