"""The payment code on the customer's phone, as a browser gets it."""

from __future__ import annotations

import re

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.calling import HOST, MCH_ID, Merchant
from tests.simulator.pages.test_pages import page
from tests.simulator.v2.test_micropay import CODE, NUMBER, charges, sell, state

SCREEN = "/_simulator/phone/code"


def shown(merchant: Merchant) -> str:
    """Return the digits on the screen."""
    [digits] = re.findall('class="digits">([0-9 ]+)<', page(merchant, SCREEN))
    return str(digits).replace(" ", "")


def post(merchant: Merchant, path: str, **form: str) -> str:
    response = merchant.session.post(HOST + path, data=form, allow_redirects=False)
    assert response.status_code == 303
    return response.headers["Location"]


def asked(merchant: Merchant) -> str:
    """Let the code on the screen be scanned for an amount with a password; return its page."""
    code = shown(merchant)
    assert sell(merchant, auth_code=code, total_fee="350000")["err_code"] == "USERPAYING"
    return f"/_simulator/phone/{code}"


def test_the_phone_shows_a_code_as_digits_and_as_a_picture(merchant: Merchant) -> None:
    text = page(merchant, SCREEN)
    assert len(shown(merchant)) == 18
    assert "Payment code" in text
    assert "<path" in text
    assert '<meta http-equiv="refresh" content="5">' in text


def test_the_phone_speaks_chinese(merchant: Merchant) -> None:
    text = page(merchant, SCREEN, language="zh-CN")
    assert "付款码" in text
    assert "刷新付款码" in text
    path = asked(merchant)
    assert "取消支付" in page(merchant, path, language="zh-CN")


def test_a_code_stays_for_a_minute(app: Simulator, merchant: Merchant) -> None:
    first = shown(merchant)
    app.advance(59)
    assert shown(merchant) == first
    app.advance(1)
    assert shown(merchant) != first
    assert "This code has expired" in page(merchant, f"/_simulator/phone/{first}")


def test_a_person_can_ask_for_a_new_code(merchant: Merchant) -> None:
    first = shown(merchant)
    assert post(merchant, SCREEN) == SCREEN
    assert shown(merchant) != first
    assert len(re.findall('class="digits"', page(merchant, f"/_simulator/phone/{first}"))) == 1


def test_a_small_amount_is_paid_as_it_is_scanned(app: Simulator, merchant: Merchant) -> None:
    code = shown(merchant)
    assert sell(merchant, auth_code=code)["result_code"] == "SUCCESS"
    response = merchant.get(SCREEN)
    assert (response.status_code, response.headers["Location"]) == (
        303,
        f"/_simulator/phone/{code}",
    )
    text = page(merchant, response.headers["Location"])
    for word in ("Payment successful", "¥1.00", NUMBER, f'action="{SCREEN}"'):
        assert word in text
    post(merchant, SCREEN)
    assert shown(merchant) != code
    assert charges(app) == 1


def test_the_person_confirms_with_a_password(app: Simulator, merchant: Merchant) -> None:
    path = asked(merchant)
    text = page(merchant, path)
    assert "Confirm with your password" in text
    assert "Pay ¥3,500.00" in text
    app.advance(3600)
    assert state(merchant) == "USERPAYING"
    assert post(merchant, path, answer="pay") == path
    assert (state(merchant), charges(app)) == ("SUCCESS", 1)
    post(merchant, path, answer="pay")
    post(merchant, path, answer="refuse")
    assert (state(merchant), charges(app)) == ("SUCCESS", 1)


def test_the_person_refuses(app: Simulator, merchant: Merchant) -> None:
    path = asked(merchant)
    post(merchant, path, answer="refuse")
    post(merchant, path, answer="pay")
    assert (state(merchant), charges(app)) == ("PAYERROR", 0)
    assert "Not paid" in page(merchant, path)


def test_after_a_reversal_there_is_nothing_to_confirm(app: Simulator, merchant: Merchant) -> None:
    path = asked(merchant)
    merchant.call("/secapi/pay/reverse", {"out_trade_no": NUMBER})
    assert "The shop has reversed this order" in page(merchant, path)
    post(merchant, path, answer="pay")
    assert (state(merchant), charges(app)) == ("REVOKED", 0)


def test_too_little_money_is_said(app: Simulator, merchant: Merchant) -> None:
    code = app.payment_code("not_enough")["auth_code"]
    sell(merchant, auth_code=code)
    assert "Not enough money" in page(merchant, f"/_simulator/phone/{code}")


def test_a_password_that_is_too_late_is_not_taken(app: Simulator, merchant: Merchant) -> None:
    code = shown(merchant)
    sell(merchant, auth_code=code, total_fee="350000", time_expire="20260101120100")
    app.advance(61)
    post(merchant, f"/_simulator/phone/{code}", answer="pay")
    assert (state(merchant), charges(app)) == ("USERPAYING", 0)
    assert "Not paid" in page(merchant, f"/_simulator/phone/{code}")


@pytest.mark.parametrize("form", [{}, {"answer": "perhaps"}, {"answer": "pay", "more": "x"}])
def test_an_answer_is_pay_or_refuse(
    app: Simulator, merchant: Merchant, form: dict[str, str]
) -> None:
    path = asked(merchant)
    response = merchant.session.post(HOST + path, data=form, allow_redirects=False)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert (state(merchant), charges(app)) == ("USERPAYING", 0)


def test_a_code_that_was_not_scanned_takes_no_answer(merchant: Merchant) -> None:
    path = f"/_simulator/phone/{shown(merchant)}"
    response = merchant.session.post(HOST + path, data={"answer": "pay"}, allow_redirects=False)
    assert response.status_code == 400


def test_another_sites_page_cannot_confirm(app: Simulator, merchant: Merchant) -> None:
    path = asked(merchant)
    headers = {"Origin": "https://evil.example"}
    response = merchant.session.post(HOST + path, data={"answer": "pay"}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "cross_origin")
    assert (state(merchant), charges(app)) == ("USERPAYING", 0)


def test_an_unknown_code(merchant: Merchant) -> None:
    assert "No such code" in page(merchant, f"/_simulator/phone/{CODE}", status=404)


@pytest.mark.parametrize("path", [SCREEN, f"/_simulator/phone/{CODE}"])
def test_the_pages_have_few_methods(merchant: Merchant, path: str) -> None:
    response = merchant.session.put(HOST + path)
    assert (response.status_code, response.json()["code"]) == (405, "not_allowed")


def test_what_a_shop_sends_is_text_and_never_markup(app: Simulator, merchant: Merchant) -> None:
    app.inject("code_password_ignored")
    sell(merchant, body='<script>alert("1")</script>')
    for path in (f"/_simulator/phone/{CODE}", "/_simulator/"):
        assert "&lt;script&gt;" in page(merchant, path)


def test_the_home_page_leads_to_the_code_and_to_a_trade_by_code(
    app: Simulator, merchant: Merchant
) -> None:
    sell(merchant)
    text = page(merchant, "/_simulator/")
    assert f'href="{SCREEN}"' in text
    assert f'href="/_simulator/phone/{CODE}"' in text
    [trade] = app.ledger()["trades"]
    assert (trade["mch_id"], trade["page"]) == (MCH_ID, f"/_simulator/phone/{CODE}")
    assert trade["prepays"] == []
