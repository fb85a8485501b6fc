"""What the pages say of a notification: delivered, or why not and when it is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from django_wxpay.simulator import Reply, Simulator
from tests.simulator.calling import MCH_ID, NOTIFY_URL, NUMBER, OPENID, Merchant, Shop
from tests.simulator.pages.test_pages import page

HOME = "/_simulator/"
ORDER = f"/_simulator/orders/{MCH_ID}/{NUMBER}"
REFUSED = f"connection refused at {NOTIFY_URL}"


@pytest.fixture
def says(merchant: Merchant) -> Callable[..., str]:
    """Return the text that home and the page of the order both show."""

    def both(language: str = "en") -> str:
        home = page(merchant, HOME, language=language)
        [on_home] = re.findall(r'<td class="notification[^"]*">(.*?)</td>', home)
        order = page(merchant, ORDER, language=language)
        on_order = re.findall(r'<p class="status[^"]*">.*?<span>(.*?)</span>', order)
        assert on_order == ([on_home] if on_home else [])
        return unescape(on_home)

    return both


def test_a_refused_connection_is_said_with_its_next_time(
    app: Simulator, merchant: Merchant, shop: Shop, says: Callable[..., str]
) -> None:
    merchant.place()
    assert says() == ""
    shop.answers = [ConnectionRefusedError() for _ in range(3)]
    app.pay(MCH_ID, NUMBER)
    assert says() == f"failed once: {REFUSED}; next try 12:00:15"
    app.advance(15)
    assert says() == f"failed twice: {REFUSED}; next try 12:00:30"
    assert says("zh") == f"失败 2 次：连接被拒绝（{NOTIFY_URL}）；下次尝试 12:00:30"
    app.advance(15)
    assert says() == f"failed 3 times: {REFUSED}; next try 12:01:00"
    app.advance(30)
    assert says() == "delivered"


@pytest.mark.parametrize(
    ("reply", "reason", "chinese"),
    [
        (Reply(200, b"OK"), "HTTP 200, not acknowledged in the body", "应答内容未确认收到"),
        (Reply(404, b""), "HTTP 404, not accepted", "未被接受"),
    ],
)
def test_an_answer_without_an_error_is_not_taken_for_done(
    app: Simulator,
    merchant: Merchant,
    shop: Shop,
    says: Callable[..., str],
    reply: Reply,
    reason: str,
    chinese: str,
) -> None:
    merchant.place()
    shop.answers = [reply]
    app.pay(MCH_ID, NUMBER)
    assert says() == f"failed once: {reason} at {NOTIFY_URL}; next try 12:00:15"
    assert chinese in says("zh")


def test_after_the_last_try_it_is_given_up(
    app: Simulator, merchant: Merchant, shop: Shop, says: Callable[..., str]
) -> None:
    merchant.place()
    shop.usually = Reply(500, b"")
    app.pay(MCH_ID, NUMBER)
    app.advance(timedelta(days=2).total_seconds())
    assert says() == f"given up, failed 16 times: HTTP 500, not accepted at {NOTIFY_URL}"


def test_one_that_is_late_or_lost_is_said(
    app: Simulator, merchant: Merchant, says: Callable[..., str]
) -> None:
    app.inject("late", seconds=3600 * 12)
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert says() == "waits until 01-02 00:00:00"
    app.inject("lost")
    app.notify(MCH_ID, NUMBER)
    assert says() == "lost, never sent"


def test_while_it_is_being_sent(
    app: Simulator, merchant: Merchant, shop: Shop, says: Callable[..., str]
) -> None:
    seen: list[str] = []
    answered = shop.__call__

    def looking(*message: Any) -> Reply:
        seen.append(says())
        return answered(*message)

    app._world.deliver = looking
    merchant.place()
    shop.answers = [ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    app.advance(15)
    assert seen == ["on its way", f"failed once: {REFUSED}; trying again now"]
    assert says() == "delivered"


def test_sent_again_it_is_the_last_one_that_counts(
    app: Simulator, merchant: Merchant, shop: Shop, says: Callable[..., str]
) -> None:
    merchant.place()
    shop.answers = [ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    app.notify(MCH_ID, NUMBER)
    assert says() == "delivered"


def test_a_refund_says_the_same_of_its_own(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    shop.usually = Reply(500, b"")
    app.refund(MCH_ID, NUMBER, notify_url="https://shop.example/refund/")
    app.advance(4)
    for path in (HOME, ORDER):
        text = page(merchant, path)
        assert "failed once: HTTP 500, not accepted at https://shop.example/refund/" in text
        assert "delivered" in text


def test_the_phone_says_how_the_shop_was_notified(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    granted = merchant.place(trade_type="JSAPI", openid=OPENID)
    shop.answers = [ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    text = page(merchant, f"/_simulator/phone/{granted['prepay_id']}")
    assert f"failed once: {REFUSED}; next try 12:00:15" in text


def test_an_address_is_shown_without_its_secrets(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    shop.usually = Reply(500, b"")
    address = "https://user:pass-word@shop.example/refund/?token=0123456789"
    app.refund_notice(MCH_ID, NUMBER, "R1", notify_url=address)
    for path in (HOME, ORDER):
        text = page(merchant, path)
        assert "at https://shop.example/refund/; next try" in text
        assert "pass-word" not in text
        assert "0123456789" not in text
