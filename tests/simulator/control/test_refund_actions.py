"""Refunds by the control plane: made as on the platform, ended at once, and paid for."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.protocol import v2
from django_wxpay.simulator import ControlError, Simulator, create_app
from tests.simulator.calling import KEY, MCH_ID, NUMBER, Merchant, Shop
from tests.simulator.pages.test_pages import page
from tests.simulator.v2.test_refunds import REFUND, URL, ask, find, refunds
from tests.simulator.v3.calling import MAINLAND, Caller

ORDER = {"mch_id": MCH_ID, "out_trade_no": NUMBER}


@pytest.fixture
def paid(merchant: Merchant, shop: Shop) -> Merchant:
    merchant.place()
    merchant.app.pay(MCH_ID, NUMBER)
    shop.bodies.clear()
    shop.urls.clear()
    return merchant


@pytest.mark.parametrize(
    ("status", "word"), [("SUCCESS", "SUCCESS"), ("ABNORMAL", "CHANGE"), ("CLOSED", "REFUNDCLOSE")]
)
def test_a_refund_is_ended_at_once(paid: Merchant, shop: Shop, status: str, word: str) -> None:
    ask(paid, notify_url=URL)
    given = {"mch_id": MCH_ID, "out_refund_no": REFUND, "status": status}
    response = paid.control("refunds", given)
    assert response.status_code == 200
    assert (response.json()["refund_status"], response.json()["notification"]) == (
        status,
        "accepted",
    )
    assert find(paid)["refund_status_0"] == word
    assert shop.urls == [URL]
    assert paid.app.advance(3600) == 0
    assert find(paid)["refund_status_0"] == word


@pytest.mark.parametrize("status", ["SUCCESS", "CLOSED"])
def test_what_has_ended_does_not_end_again(paid: Merchant, status: str) -> None:
    ask(paid)
    paid.app.settle_refund(MCH_ID, REFUND, status)
    with pytest.raises(ControlError) as error:
        paid.app.settle_refund(MCH_ID, REFUND, "ABNORMAL")
    assert error.value.code == "settled"
    assert refunds(paid.app)[0]["refund_status"] == status


def test_what_was_abnormal_can_still_end(paid: Merchant) -> None:
    ask(paid)
    paid.app.settle_refund(MCH_ID, REFUND, "ABNORMAL")
    assert paid.app.settle_refund(MCH_ID, REFUND)["refund_status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"out_refund_no": "R9", "status": "SUCCESS"}, 404, "unknown_refund"),
        ({"out_refund_no": REFUND, "status": "PROCESSING"}, 400, "invalid"),
        ({"out_refund_no": REFUND, "status": "DONE"}, 400, "invalid"),
        ({"out_refund_no": REFUND}, 400, "invalid"),
        ({"status": "SUCCESS"}, 400, "invalid"),
        ({"out_refund_no": REFUND, "status": "SUCCESS", "now": True}, 400, "invalid"),
    ],
)
def test_an_end_that_cannot_be_is_refused(
    paid: Merchant, given: dict[str, Any], status: int, code: str
) -> None:
    ask(paid)
    response = paid.control("refunds", {"mch_id": MCH_ID, **given})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert refunds(paid.app)[0]["refund_status"] == "PROCESSING"


def test_a_refund_of_the_platform_is_one_that_the_shop_did_not_ask_for(
    paid: Merchant, shop: Shop
) -> None:
    made = paid.control("refund", {**ORDER, "refund_fee": 30, "notify_url": URL}).json()
    assert (made["refund_fee"], made["source"], made["refund_status"]) == (
        30,
        "VENDOR_PLATFORM",
        "PROCESSING",
    )
    assert paid.state() == "REFUND"
    assert find(paid, out_trade_no=NUMBER)["refund_id_0"] == made["refund_id"]
    paid.app.advance(3)
    inner = v2.decrypt_req_info(v2.decode_xml(shop.bodies[0])["req_info"], KEY)
    assert inner["refund_request_source"] == "VENDOR_PLATFORM"
    rest = paid.app.refund(MCH_ID, NUMBER, out_refund_no="R2")
    assert (rest["refund_fee"], rest["notify_url"]) == (70, "")
    paid.app.advance(3)
    assert len(shop.bodies) == 1


def test_the_platform_notifies_in_v2_if_the_merchant_has_an_api_key(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    caller = Caller(app)
    caller.place()
    app.pay(MAINLAND, NUMBER)
    assert app.refund(MAINLAND, NUMBER)["api"] == "v3"
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert app.refund(MCH_ID, NUMBER)["api"] == "v2"


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"out_trade_no": "T20260101000009"}, 404, "unknown_trade"),
        ({"refund_fee": 0}, 400, "invalid"),
        ({"refund_fee": -1}, 400, "invalid"),
        ({"refund_fee": 1.5}, 400, "invalid"),
        ({"refund_fee": "40"}, 400, "invalid"),
        ({"refund_fee": 101}, 400, "too_much"),
        ({"mood": "generous"}, 400, "invalid"),
    ],
)
def test_a_refund_of_the_platform_that_cannot_be_is_refused(
    paid: Merchant, given: dict[str, Any], status: int, code: str
) -> None:
    response = paid.control("refund", {**ORDER, **given})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (refunds(paid.app), paid.state()) == ([], "SUCCESS")


def test_what_was_refunded_in_full_has_nothing_left(paid: Merchant) -> None:
    paid.app.refund(MCH_ID, NUMBER)
    response = paid.control("refund", ORDER)
    assert (response.status_code, response.json()["code"]) == (400, "nothing_left")
    assert len(refunds(paid.app)) == 1


def test_what_was_not_paid_is_not_refunded(merchant: Merchant) -> None:
    merchant.place()
    response = merchant.control("refund", ORDER)
    assert (response.status_code, response.json()["code"]) == (400, "unpaid")


def test_a_balance_is_set_and_lifted(paid: Merchant) -> None:
    poor = paid.control("balance", {"mch_id": MCH_ID, "balance": 5})
    assert poor.json() == {"mch_id": MCH_ID, "balance": 5}
    assert ask(paid)["err_code"] == "NOTENOUGH"
    assert paid.control("refund", ORDER).json()["code"] == "not_enough"
    assert paid.control("balance", {"mch_id": MCH_ID}).json()["balance"] is None
    assert ask(paid)["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"mch_id": "1900009999", "balance": 5}, 404),
        ({"mch_id": MCH_ID, "balance": -1}, 400),
        ({"mch_id": MCH_ID, "balance": "5"}, 400),
        ({"balance": 5}, 400),
    ],
)
def test_a_balance_that_cannot_be_is_refused(
    paid: Merchant, given: dict[str, Any], status: int
) -> None:
    assert paid.control("balance", given).status_code == status
    assert ask(paid)["result_code"] == "SUCCESS"


def test_a_reset_forgets_refunds_and_balances(paid: Merchant) -> None:
    paid.app.set_balance(MCH_ID, 50)
    ask(paid)
    paid.app.reset()
    assert refunds(paid.app) == []
    paid.place()
    paid.app.pay(MCH_ID, NUMBER)
    assert ask(paid, refund_fee="100")["result_code"] == "SUCCESS"


def test_a_live_simulator_ends_a_refund_by_itself(shop: Shop) -> None:
    merchant = Merchant(create_app(deliver=shop, options=None))
    merchant.place()
    merchant.app.pay(MCH_ID, NUMBER)
    ask(merchant, notify_url=URL)
    merchant.app.advance(3)
    assert find(merchant)["refund_status_0"] == "SUCCESS"
    assert shop.urls[-1] == URL


def test_the_page_lists_refunds_and_ends_one(paid: Merchant) -> None:
    assert "No refunds yet." in page(paid, "/_simulator/")
    ask(paid)
    text = page(paid, "/_simulator/")
    assert f"<code>{REFUND}</code>" in text
    assert '<span class="badge PROCESSING">PROCESSING</span>' in text
    assert "¥0.40" in text
    assert text.count('action="/_simulator/refunds"') == 1
    form = {"mch_id": MCH_ID, "out_refund_no": REFUND, "status": "ABNORMAL"}
    address = f"{paid.host}/_simulator/refunds"
    response = paid.session.post(address, data=form, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/_simulator/")
    text = page(paid, "/_simulator/", language="zh")
    assert '<span class="badge ABNORMAL">ABNORMAL</span>' in text
    assert 'value="ABNORMAL"' not in text
    assert "退款单号" in text
    paid.session.post(address, data=form | {"status": "SUCCESS"})
    assert 'action="/_simulator/refunds"' not in page(paid, "/_simulator/")
