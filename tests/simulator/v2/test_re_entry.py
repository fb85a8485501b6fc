"""The same out_trade_no again (protocol-v2 section 3.8)."""

from __future__ import annotations

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.calling import MCH_ID, NUMBER, OPENID, Merchant


def test_the_same_order_again_gets_a_new_prepay_and_the_old_code_dies(
    app: Simulator, merchant: Merchant
) -> None:
    first, second = merchant.place(), merchant.place()
    assert second["result_code"] == "SUCCESS"
    assert first["prepay_id"] != second["prepay_id"]
    assert first["code_url"] != second["code_url"]
    [trade] = app.ledger()["trades"]
    assert [prepay["payable"] for prepay in trade["prepays"]] == [False, True]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_fee", "101"),
        ("body", "another cup"),
        ("trade_type", "APP"),
        ("time_expire", "20260101130000"),
        ("attach", "x"),
        ("fee_type", "HKD"),
        ("openid", OPENID),
        ("notify_url", "https://shop.example/elsewhere/"),
        ("goods_tag", "WXG"),
        ("product_id", "P1002"),
    ],
)
def test_another_order_under_the_same_number_is_refused(
    merchant: Merchant, name: str, value: str
) -> None:
    merchant.place()
    answer = merchant.place(**{name: value})
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", "INVALID_REQUEST")
    assert answer["err_code_des"] == f"201 商户订单号重复 ({name})"
    assert "prepay_id" not in answer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonce_str", "another"),
        ("spbill_create_ip", "127.0.0.2"),
        ("device_info", "WEB"),
        ("time_start", "20260101110000"),
        ("fee_type", "CNY"),
    ],
)
def test_circumstances_may_change(merchant: Merchant, name: str, value: str) -> None:
    merchant.place()
    assert merchant.place(**{name: value})["result_code"] == "SUCCESS"


def test_a_second_payer_cannot_take_over_an_order(merchant: Merchant) -> None:
    merchant.place(trade_type="JSAPI", openid=OPENID)
    answer = merchant.place(trade_type="JSAPI", openid=OPENID[:-1] + "x")
    assert answer["err_code"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("state", "err_code"),
    [
        ("SUCCESS", "ORDERPAID"),
        ("REFUND", "ORDERPAID"),
        ("CLOSED", "ORDERCLOSED"),
        ("REVOKED", "OUT_TRADE_NO_USED"),
    ],
)
def test_an_ended_order_is_not_entered_again(
    app: Simulator, merchant: Merchant, state: str, err_code: str
) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, state)
    answer = merchant.place()
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", err_code)
    assert len(app.ledger()["trades"][0]["prepays"]) == 1


@pytest.mark.parametrize("state", ["USERPAYING", "PAYERROR"])
def test_an_order_in_the_middle_is_entered_again(
    app: Simulator, merchant: Merchant, state: str
) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, state)
    assert merchant.place()["result_code"] == "SUCCESS"


def test_a_failed_payment_may_be_tried_again(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, "PAYERROR")
    merchant.place()
    assert merchant.state() == "NOTPAY"


def test_another_sub_merchant_cannot_use_the_number(institution: Merchant) -> None:
    institution.place()
    assert institution.place(sub_mch_id="1900000300")["err_code"] == "OUT_TRADE_NO_USED"


def test_two_merchants_may_use_the_same_number(merchant: Merchant, institution: Merchant) -> None:
    assert merchant.place()["result_code"] == "SUCCESS"
    assert institution.place()["result_code"] == "SUCCESS"


def test_time_expire_may_come_near_but_not_pass(app: Simulator, merchant: Merchant) -> None:
    merchant.place(time_expire="20260101121000")
    app.advance(9 * 60)
    assert merchant.place(time_expire="20260101121000")["result_code"] == "SUCCESS"
    app.advance(61)
    assert merchant.place(time_expire="20260101121000")["err_code"] == "ORDERCLOSED"
    assert merchant.state() == "NOTPAY"


def test_after_seven_days_the_order_is_closed(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.advance(7 * 86_400 - 1)
    assert merchant.state() == "NOTPAY"
    assert merchant.place()["result_code"] == "SUCCESS"
    app.advance(1)
    assert merchant.state() == "CLOSED"
    assert merchant.place()["err_code"] == "ORDERCLOSED"
