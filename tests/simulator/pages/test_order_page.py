"""The page of one order: its buttons, what they do, and what it lists."""

from __future__ import annotations

import re

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.calling import HOST, MCH_ID, NOTIFY_URL, NUMBER, Merchant, Shop
from tests.simulator.pages.test_pages import page
from tests.simulator.v2.test_micropay import sell

ORDER = f"/_simulator/orders/{MCH_ID}/{NUMBER}"


def buttons(text: str) -> dict[str, bool]:
    """Return the buttons of the row, and whether they can be pressed."""
    [row] = re.findall(
        r'<form method="post" action="[^"]+" class="buttons">(.*?)</form>', text, re.DOTALL
    )
    found = re.findall(r'<button type="submit" name="action" value="(\w+)" (\w*)>', row)
    return {action: disabled == "" for action, disabled in found}


def press(merchant: Merchant, action: str, *, path: str = ORDER) -> None:
    answer = merchant.session.post(HOST + path, data={"action": action}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, path)


def test_the_home_page_leads_to_the_page_of_an_order(merchant: Merchant) -> None:
    merchant.place()
    assert f'<a href="{ORDER}"><code>{NUMBER}</code></a>' in page(merchant, "/_simulator/")


def test_pay_notify_again_and_refund_stand_in_a_row(merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    first = page(merchant, ORDER)
    assert buttons(first) == {"pay": True, "notify": False, "refund": False}
    assert first.count("This order has not been paid.") == 2
    press(merchant, "pay")
    assert (merchant.state(), len(shop.received)) == ("SUCCESS", 1)
    assert buttons(page(merchant, ORDER)) == {"pay": False, "notify": True, "refund": True}
    press(merchant, "notify")
    assert len(shop.received) == 2
    assert shop.received[0]["transaction_id"] == shop.received[1]["transaction_id"]
    press(merchant, "refund")
    done = page(merchant, ORDER)
    assert (merchant.state(), len(shop.received)) == ("REFUND", 2)
    assert buttons(done) == {"pay": False, "notify": True, "refund": False}
    assert "This order has been refunded in full." in done
    assert done.count("PROCESSING") == 2


def test_it_lists_each_attempt(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    merchant.place(out_trade_no="T20260101000002")
    shop.answers = [ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    app.advance(20)
    app.pay(MCH_ID, "T20260101000002")
    text = page(merchant, ORDER)
    rows = re.findall(r'<td class="time">(\S+)</td>.*?notification (\w+)">([^<]+)<', text)
    assert rows == [("12:00:15", "good", "delivered"), ("12:00:00", "bad", "connection refused")]
    assert text.count(f"<code>{NOTIFY_URL}</code>") == 2


def test_a_refusal_is_shown_on_the_page(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    app.inject("not_enough")
    for language, sentence in (("en", "has not enough money"), ("zh", "商户余额不足")):
        answer = merchant.session.post(
            HOST + ORDER, data={"action": "refund"}, headers={"Accept-Language": language}
        )
        assert answer.status_code == 400
        assert '<p class="problem wide" role="alert">' in answer.text
        assert sentence in answer.text
        app.inject("not_enough")
    assert app.ledger()["refunds"] == []


def test_pressed_twice_it_pays_once(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    press(merchant, "pay")
    again = merchant.session.post(HOST + ORDER, data={"action": "pay"})
    assert again.status_code == 400
    assert "This order has been paid already." in again.text
    assert (len(shop.received), app.ledger()["trades"][0]["charges"]) == (1, 1)


def test_of_a_payment_by_code_nothing_is_notified(merchant: Merchant) -> None:
    sell(merchant, auth_code="134567890123456789", out_trade_no=NUMBER)
    text = page(merchant, ORDER)
    assert buttons(text) == {"pay": False, "notify": False, "refund": True}
    assert "Nothing is notified of a payment by code." in text


@pytest.mark.parametrize("path", ["/_simulator/orders/", "/_simulator/orders/1/2", f"{ORDER}/x"])
def test_an_order_that_there_is_not(merchant: Merchant, path: str) -> None:
    assert "No such order" in page(merchant, path, status=404)
    assert "订单不存在" in page(merchant, path, status=404, language="zh")


def test_it_takes_nothing_else(merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    for data in ({}, {"action": "close"}, {"action": "pay", "force": "1"}):
        assert merchant.session.post(HOST + ORDER, data=data).status_code == 400
    assert merchant.session.put(HOST + ORDER).status_code == 405
    other = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    stranger = merchant.session.post(HOST + ORDER, data={"action": "pay"}, headers=other)
    assert (stranger.status_code, stranger.json()["code"]) == (403, "cross_origin")
    assert (merchant.state(), shop.received) == ("NOTPAY", [])


def test_odd_numbers_have_a_page_too(merchant: Merchant) -> None:
    merchant.place(out_trade_no="a|b*c_d-e")
    [address] = re.findall(r'<a href="(/_simulator/orders/[^"]+)">', page(merchant, "/_simulator/"))
    text = page(merchant, address)
    assert "<code>a|b*c_d-e</code>" in text
    press(merchant, "pay", path=address)
    assert "SUCCESS" in page(merchant, address)
