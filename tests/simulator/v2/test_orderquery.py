"""orderquery and closeorder (protocol-v2 sections 5 and 6.1)."""

from __future__ import annotations

import json

import pytest

from django_wxpay.simulator import ControlError, Options, Simulator, create_app
from django_wxpay.simulator.v2.orders import DESCRIPTIONS
from tests.simulator.calling import MCH_ID, NUMBER, OPENID, Merchant

PROMISED = {"out_trade_no", "trade_state", "trade_state_desc"}
ENVELOPE = {"return_code", "return_msg", "appid", "mch_id", "nonce_str", "sign", "result_code"}


def test_an_order_that_was_not_placed_does_not_exist(merchant: Merchant) -> None:
    answer = merchant.query()
    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL")
    assert (answer["err_code"], answer["err_code_des"]) == ("ORDERNOTEXIST", "此交易订单号不存在")


def test_an_unpaid_order_tells_only_what_is_promised(merchant: Merchant) -> None:
    merchant.place(attach="x", device_info="WEB")
    answer = merchant.query()
    # The amount is not promised, and yet there in the answers of the real gateway.
    assert answer.keys() == ENVELOPE | PROMISED | {"attach", "device_info", "total_fee"}
    assert answer["total_fee"] == "100"
    assert (answer["trade_state"], answer["trade_state_desc"]) == ("NOTPAY", "订单未支付")
    assert (answer["attach"], answer["device_info"]) == ("x", "WEB")


def test_a_paid_order_tells_everything(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    answer = merchant.query()
    assert answer["trade_state"] == "SUCCESS"
    assert (answer["total_fee"], answer["cash_fee"], answer["fee_type"]) == ("100", "100", "CNY")
    assert answer["time_end"] == "20260101120000"
    assert answer["transaction_id"].isdigit()
    assert len(answer["transaction_id"]) == 28
    assert (answer["bank_type"], answer["is_subscribe"]) == ("OTHERS", "N")
    assert len(answer["openid"]) == 28
    assert "promotion_detail" not in answer


@pytest.mark.parametrize("state", sorted(DESCRIPTIONS))
def test_every_state_can_be_asked_for(app: Simulator, merchant: Merchant, state: str) -> None:
    merchant.place()
    assert app.set_state(MCH_ID, NUMBER, state)["trade_state"] == state
    answer = merchant.query()
    assert (answer["trade_state"], answer["trade_state_desc"]) == (state, DESCRIPTIONS[state])
    assert ("transaction_id" in answer) == (state in {"SUCCESS", "REFUND"})


def test_a_declared_state_sends_no_notification(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, "SUCCESS")
    app.advance(86_400)
    assert app.ledger()["notifications"] == []


def test_a_refund_keeps_the_payment_it_refunds(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    paid = app.pay(MCH_ID, NUMBER)["transaction_id"]
    app.set_state(MCH_ID, NUMBER, "REFUND")
    assert merchant.query()["transaction_id"] == paid


def test_a_word_that_is_no_state_is_refused(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    with pytest.raises(ControlError, match="trade_state is one of"):
        app.set_state(MCH_ID, NUMBER, "PAID")
    assert merchant.state() == "NOTPAY"


def test_the_transaction_id_wins(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    merchant.place(out_trade_no="T20260101000002")
    paid = app.pay(MCH_ID, NUMBER)
    answer = merchant.query(transaction_id=paid["transaction_id"], out_trade_no="T20260101000002")
    assert answer["out_trade_no"] == NUMBER
    assert merchant.query(transaction_id="4200")["err_code"] == "ORDERNOTEXIST"


def test_one_of_the_two_numbers_is_needed(merchant: Merchant) -> None:
    assert merchant.query(version="1.0")["return_msg"] == "缺少参数out_trade_no"


def test_promotions_are_answered_to_a_query_with_a_version(
    app: Simulator, merchant: Merchant
) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER, coupons=[{"coupon_id": "c1", "coupon_fee": 10}])
    assert "promotion_detail" not in merchant.query()
    message = merchant.query(out_trade_no=NUMBER, version="1.0")["promotion_detail"]
    assert json.loads(message)["promotion_detail"][0]["promotion_id"] == "c1"


def test_merchants_do_not_see_one_anothers_orders(
    app: Simulator, merchant: Merchant, institution: Merchant
) -> None:
    merchant.place()
    paid = app.pay(MCH_ID, NUMBER)
    assert institution.query()["err_code"] == "ORDERNOTEXIST"
    by_id = institution.query(transaction_id=paid["transaction_id"])
    assert by_id["err_code"] == "ORDERNOTEXIST"


def test_a_query_for_the_wrong_sub_merchant_is_refused(institution: Merchant) -> None:
    institution.place()
    answer = institution.query(out_trade_no=NUMBER, sub_mch_id="1900000300")
    assert answer["err_code"] == "INVALID_REQUEST"
    assert answer["err_code_des"].startswith("268447845")


def test_an_institution_gets_both_payers(app: Simulator, institution: Merchant) -> None:
    sub = {"sub_appid": "wx1111111111111111", "sub_openid": OPENID}
    institution.place(trade_type="JSAPI", **sub)
    app.pay(institution.identity["mch_id"], NUMBER)
    answer = institution.query()
    assert answer["sub_openid"] == OPENID
    assert answer["sub_is_subscribe"] == "N"
    assert answer["openid"] not in {"", OPENID}


def test_an_unpaid_order_is_closed(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    answer = merchant.close()
    assert (answer["result_code"], answer["result_msg"]) == ("SUCCESS", "OK")
    assert merchant.state() == "CLOSED"
    with pytest.raises(ControlError, match="closed"):
        app.pay(MCH_ID, NUMBER)


@pytest.mark.parametrize(
    ("state", "err_code"),
    [
        ("SUCCESS", "ORDERPAID"),
        ("REFUND", "ORDERPAID"),
        ("CLOSED", "ORDERCLOSED"),
        ("USERPAYING", "TRADE_STATE_ERROR"),
        ("ACCEPT", "TRADE_STATE_ERROR"),
        ("REVOKED", "TRADE_STATE_ERROR"),
    ],
)
def test_what_cannot_be_closed_says_why(
    app: Simulator, merchant: Merchant, state: str, err_code: str
) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, state)
    answer = merchant.close()
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", err_code)
    assert merchant.state() == state


def test_closing_needs_an_order(merchant: Merchant) -> None:
    assert merchant.close()["err_code"] == "ORDERNOTEXIST"
    assert merchant.close(transaction_id="4200")["return_msg"] == "缺少参数out_trade_no"


def test_a_failed_payment_is_closed(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, "PAYERROR")
    assert merchant.close()["result_code"] == "SUCCESS"


def test_closing_twice_can_be_a_success() -> None:
    merchant = Merchant(create_app(options=Options(close_again="SUCCESS")))
    merchant.place()
    assert [merchant.close()["result_code"] for _ in range(2)] == ["SUCCESS", "SUCCESS"]


def test_the_five_minutes_before_closing_can_be_kept() -> None:
    app = create_app(options=Options(close_after_s=300, live=False))
    merchant = Merchant(app)
    merchant.place()
    assert merchant.close()["err_code"] == "INVALID_REQUEST"
    assert merchant.state() == "NOTPAY"
    app.advance(300)
    assert merchant.close()["result_code"] == "SUCCESS"


def test_a_close_for_the_wrong_sub_merchant_closes_nothing(institution: Merchant) -> None:
    institution.place()
    answer = institution.close(out_trade_no=NUMBER, sub_mch_id="1900000300")
    assert answer["err_code"] == "INVALID_REQUEST"
    assert institution.state() == "NOTPAY"
