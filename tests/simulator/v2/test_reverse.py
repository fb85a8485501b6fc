"""reverse: what becomes of an order by payment code that a shop takes back."""

from __future__ import annotations

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.calling import MCH_ID, SUB_MCH_ID, Merchant, Shop
from tests.simulator.v2.test_micropay import (
    CODE,
    NUMBER,
    OTHER,
    charges,
    sell,
    shop_of,
    state,
    trade,
)

REVERSE = "/secapi/pay/reverse"


def undo(merchant: Merchant, **fields: str | None) -> dict[str, str]:
    return merchant.call(REVERSE, fields or {"out_trade_no": NUMBER})


def test_a_paid_order_gives_its_money_back(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    transaction_id = sell(merchant)["transaction_id"]
    answer = undo(merchant, transaction_id=transaction_id)
    assert (answer["result_code"], answer["recall"]) == ("SUCCESS", "N")
    assert state(merchant) == "REVOKED"
    assert (trade(app)["charges"], trade(app)["reversals"]) == (1, 1)
    assert shop.received == []


@pytest.mark.parametrize(
    "fault",
    ["code_password_pays", "code_password_ignored", "code_bank_error_pays", "code_not_enough"],
)
def test_an_unpaid_order_can_never_be_paid_again(
    app: Simulator, merchant: Merchant, fault: str
) -> None:
    app.inject(fault)
    sell(merchant)
    assert undo(merchant)["recall"] == "N"
    app.advance(3600)
    assert state(merchant) == "REVOKED"
    assert sell(merchant)["err_code"] == "ORDERREVERSED"
    refused = merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    assert refused.json()["code"] == "closed"
    assert (trade(app)["charges"], trade(app)["reversals"]) == (0, 0)


def test_reversing_again_is_a_success_and_gives_nothing_twice(
    app: Simulator, merchant: Merchant
) -> None:
    sell(merchant)
    for _ in range(3):
        assert undo(merchant)["recall"] == "N"
    app.advance(8 * 86_400)
    assert undo(merchant)["recall"] == "N"
    assert trade(app)["reversals"] == 1


def test_a_reversal_can_ask_to_be_called_again(shop: Shop) -> None:
    app, merchant = shop_of(shop, recalls=2)
    sell(merchant)
    assert [undo(merchant)["recall"] for _ in range(2)] == ["Y", "Y"]
    assert (state(merchant), trade(app)["reversals"]) == ("SUCCESS", 0)
    assert [undo(merchant)["recall"] for _ in range(2)] == ["N", "N"]
    assert (state(merchant), trade(app)["reversals"]) == ("REVOKED", 1)


def test_a_fault_asks_for_another_call(app: Simulator, merchant: Merchant) -> None:
    app.inject("recall", times=2)
    sell(merchant)
    answers = [undo(merchant) for _ in range(3)]
    assert [one["recall"] for one in answers] == ["Y", "Y", "N"]
    assert {one["result_code"] for one in answers} == {"SUCCESS"}
    assert trade(app)["reversals"] == 1


def test_systemerror_says_nothing_of_what_was_done(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    app.inject("systemerror", operation="reverse")
    assert undo(merchant)["err_code"] == "SYSTEMERROR"
    assert state(merchant) == "SUCCESS"
    app.inject("systemerror_after", operation="reverse")
    assert undo(merchant)["err_code"] == "SYSTEMERROR"
    assert state(merchant) == "REVOKED"


def test_a_reversal_comes_within_seven_days(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    sell(merchant, out_trade_no=OTHER, auth_code="134567890123456780")
    app.advance(7 * 86_400 - 1)
    assert undo(merchant)["recall"] == "N"
    app.advance(1)
    assert undo(merchant, out_trade_no=OTHER)["err_code"] == "REVERSE_EXPIRE"
    assert state(merchant, OTHER) == "SUCCESS"


def test_a_reversal_can_have_to_wait(shop: Shop) -> None:
    app, merchant = shop_of(shop, reverse_after_s=15)
    sell(merchant)
    app.advance(14)
    assert undo(merchant)["err_code"] == "INVALID_REQUEST"
    assert state(merchant) == "SUCCESS"
    app.advance(1)
    assert undo(merchant)["recall"] == "N"


def test_other_orders_are_closed_or_refunded(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    assert undo(merchant, out_trade_no="T20260101000001")["err_code"] == "TRADE_ERROR"
    assert merchant.state() == "NOTPAY"
    sell(merchant)
    app.set_state(MCH_ID, NUMBER, "REFUND")
    assert undo(merchant)["err_code"] == "TRADE_ERROR"
    assert trade(app)["reversals"] == 0


def test_an_order_of_another_merchant_is_not_found(
    merchant: Merchant, institution: Merchant, app: Simulator
) -> None:
    transaction_id = sell(merchant)["transaction_id"]
    assert undo(institution)["err_code"] == "ORDERNOTEXIST"
    missing = undo(institution, transaction_id=transaction_id)
    assert missing["err_code"] == "INVALID_TRANSACTIONID"
    assert (state(merchant), charges(app)) == ("SUCCESS", 1)


def test_an_order_of_another_sub_merchant_is_refused(institution: Merchant) -> None:
    sell(institution)
    refused = undo(institution, out_trade_no=NUMBER, sub_mch_id="1900000333")
    assert refused["err_code"] == "INVALID_REQUEST"
    done = undo(institution, out_trade_no=NUMBER, sub_mch_id=SUB_MCH_ID)
    assert (done["recall"], done["sub_mch_id"]) == ("N", SUB_MCH_ID)


def test_a_reversal_names_its_order(merchant: Merchant) -> None:
    sell(merchant)
    assert undo(merchant, auth_code=CODE)["return_msg"] == "缺少参数out_trade_no"
    assert undo(merchant, out_trade_no="no good!")["return_code"] == "FAIL"
    assert state(merchant) == "SUCCESS"


def test_a_reversal_needs_the_client_certificate_where_one_is_asked_for(shop: Shop) -> None:
    app, merchant = shop_of(shop, requires_client_certificate=True)
    sell(merchant)
    refused = merchant.post(REVERSE, merchant.signed({"out_trade_no": NUMBER}))
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "text/html")
    assert (state(merchant), trade(app)["reversals"]) == ("SUCCESS", 0)
