"""v2 refunds: what is accepted, what is refused, how they end, and how they are queried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import Region
from django_wxpay.simulator import DEMO_MERCHANTS, Options, Simulator, create_app
from tests.simulator.calling import (
    INSTITUTION,
    INSTITUTION_KEY,
    KEY,
    MCH_ID,
    NUMBER,
    SUB_MCH_ID,
    Merchant,
    Shop,
)
from tests.simulator.conftest import START

REFUND = "R20260101000001"
URL = "https://shop.example/wxpay/notify/default/refund/"
YEAR_S = 365 * 86_400

Fields = dict[str, str]


def ask(merchant: Merchant, **fields: str | None) -> Fields:
    given: dict[str, str | None] = {
        "out_trade_no": NUMBER,
        "out_refund_no": REFUND,
        "total_fee": "100",
        "refund_fee": "40",
        **fields,
    }
    return merchant.call("/secapi/pay/refund", given)


def find(merchant: Merchant, **fields: str) -> Fields:
    return merchant.call("/pay/refundquery", fields or {"out_refund_no": REFUND})


def pay(merchant: Merchant, **how: Any) -> str:
    merchant.place()
    transaction_id: str = merchant.app.pay(merchant.identity["mch_id"], NUMBER, **how)[
        "transaction_id"
    ]
    return transaction_id


def made(shop: Shop, **options: Any) -> Merchant:
    return Merchant(create_app(clock=lambda: START, deliver=shop, options=Options(**options)))


@pytest.fixture
def paid(merchant: Merchant, shop: Shop) -> Merchant:
    pay(merchant)
    shop.bodies.clear()
    shop.urls.clear()
    return merchant


def refunds(app: Simulator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = app.ledger()["refunds"]
    return rows


def test_a_refund_is_accepted_and_not_yet_paid_back(paid: Merchant) -> None:
    answer = ask(paid)
    assert answer["result_code"] == "SUCCESS"
    assert {name: answer[name] for name in ("out_trade_no", "out_refund_no")} == {
        "out_trade_no": NUMBER,
        "out_refund_no": REFUND,
    }
    assert (answer["total_fee"], answer["refund_fee"], answer["fee_type"]) == ("100", "40", "CNY")
    assert (answer["cash_fee"], answer["cash_refund_fee"]) == ("100", "40")
    assert answer["settlement_refund_fee"] == "40"
    assert (len(answer["refund_id"]), answer["refund_id"][:3]) == (29, "503")
    assert not [name for name in answer if "status" in name]
    assert paid.state() == "REFUND"
    found = find(paid)
    assert found["refund_status_0"] == "PROCESSING"
    assert "refund_success_time_0" not in found
    assert found["refund_id_0"] == answer["refund_id"]


def test_it_is_paid_back_when_its_time_has_come_and_the_shop_is_notified(
    paid: Merchant, shop: Shop
) -> None:
    ask(paid, notify_url=URL)
    assert paid.app.advance(2.5) == 0
    assert (shop.urls, find(paid)["refund_status_0"]) == ([], "PROCESSING")
    assert paid.app.advance(1) == 1
    found = find(paid)
    assert (found["refund_status_0"], found["refund_success_time_0"]) == (
        "SUCCESS",
        "2026-01-01 12:00:03",
    )
    assert found["refund_recv_accout_0"] == "支付用户零钱"
    assert shop.urls == [URL]
    inner = v2.decrypt_req_info(v2.decode_xml(shop.bodies[0])["req_info"], KEY)
    assert (inner["refund_status"], inner["refund_fee"], inner["refund_id"]) == (
        "SUCCESS",
        "40",
        found["refund_id_0"],
    )
    assert (inner["success_time"], inner["refund_request_source"]) == ("2026-01-01 12:00:03", "API")
    assert paid.app.advance(86_400) == 0


def test_without_an_address_no_refund_is_notified(paid: Merchant, shop: Shop) -> None:
    ask(paid)
    assert paid.app.advance(3600) == 0
    assert (shop.urls, refunds(paid.app)[0]["notification"]) == ([], "")
    assert refunds(paid.app)[0]["refund_status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("fault", "word", "status"),
    [
        ("refund_abnormal", "CHANGE", "ABNORMAL"),
        ("refund_closed", "REFUNDCLOSE", "CLOSED"),
    ],
)
def test_a_refund_that_is_accepted_may_fail(
    paid: Merchant, shop: Shop, fault: str, word: str, status: str
) -> None:
    paid.app.inject(fault, operation="refund")
    assert ask(paid, notify_url=URL)["result_code"] == "SUCCESS"
    paid.app.advance(3)
    assert find(paid)["refund_status_0"] == word
    inner = v2.decrypt_req_info(v2.decode_xml(shop.bodies[0])["req_info"], KEY)
    assert (inner["refund_status"], inner.get("success_time")) == (word, None)
    assert refunds(paid.app)[0]["refund_status"] == status
    ask(paid, out_refund_no="R2", refund_fee="10")
    paid.app.advance(3)
    assert find(paid, out_refund_no="R2")["refund_status_0"] == "SUCCESS"


def test_what_was_closed_can_be_refunded_again_under_a_new_number(paid: Merchant) -> None:
    paid.app.inject("refund_closed")
    ask(paid, refund_fee="100")
    paid.app.advance(3)
    assert ask(paid, refund_fee="100")["result_code"] == "SUCCESS"
    assert find(paid)["refund_status_0"] == "REFUNDCLOSE"
    assert ask(paid, out_refund_no="R2", refund_fee="100")["result_code"] == "SUCCESS"
    assert ask(paid, out_refund_no="R3", refund_fee="1")["err_code"] == "ERROR"


def test_an_abnormal_refund_still_holds_its_part_of_the_order(paid: Merchant) -> None:
    paid.app.inject("refund_abnormal")
    ask(paid, refund_fee="100")
    paid.app.advance(3)
    assert ask(paid, out_refund_no="R2", refund_fee="1")["err_code"] == "ERROR"


def test_the_same_number_is_the_same_refund(paid: Merchant) -> None:
    first = ask(paid, notify_url=URL)
    again = ask(paid, refund_desc="again")
    assert {**first, "nonce_str": "", "sign": ""} == {**again, "nonce_str": "", "sign": ""}
    assert [row["refund_fee"] for row in refunds(paid.app)] == [40]
    paid.app.advance(3)
    assert ask(paid)["refund_id"] == first["refund_id"]
    assert find(paid)["refund_count"] == "1"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"refund_fee": "41"}, "PARAM_ERROR"),
        ({"total_fee": "101"}, "PARAM_ERROR"),
        ({"refund_fee_type": "USD"}, "PARAM_ERROR"),
        ({"out_trade_no": "T20260101000002"}, "OUT_REFUND_NO_USED"),
    ],
)
def test_the_same_number_with_other_data_is_refused(
    paid: Merchant, fields: dict[str, str], code: str
) -> None:
    paid.place(out_trade_no="T20260101000002")
    paid.app.pay(MCH_ID, "T20260101000002")
    ask(paid)
    answer = ask(paid, **fields)
    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL")
    assert answer["err_code"] == code
    assert len(refunds(paid.app)) == 1


def test_refunds_add_up_to_the_payment_and_no_further(paid: Merchant) -> None:
    for number, fee in (("R1", "40"), ("R2", "59"), ("R3", "1")):
        assert ask(paid, out_refund_no=number, refund_fee=fee)["result_code"] == "SUCCESS"
    over = ask(paid, out_refund_no="R4", refund_fee="1")
    assert (over["err_code"], over["err_code_des"]) == ("ERROR", "订单已全额退款")
    assert find(paid, out_trade_no=NUMBER)["refund_fee"] == "100"


def test_one_refund_is_not_more_than_the_payment(paid: Merchant) -> None:
    ask(paid, out_refund_no="R1", refund_fee="60")
    over = ask(paid, refund_fee="41")
    assert (over["err_code"], over["err_code_des"]) == ("ERROR", "累计退款金额大于支付金额")
    assert paid.app.ledger()["refunds"][-1]["out_refund_no"] == "R1"


def test_an_order_is_refunded_at_most_fifty_times(paid: Merchant) -> None:
    for number in range(50):
        assert ask(paid, out_refund_no=f"R{number}", refund_fee="1")["result_code"] == "SUCCESS"
    assert ask(paid, out_refund_no="R50", refund_fee="1")["err_code"] == "ERROR"
    assert ask(paid, out_refund_no="R49", refund_fee="1")["result_code"] == "SUCCESS"


@pytest.mark.parametrize(("after_s", "code"), [(YEAR_S, None), (YEAR_S + 1, "TRADE_OVERDUE")])
def test_a_payment_is_refunded_within_a_year(
    paid: Merchant, after_s: int, code: str | None
) -> None:
    paid.app.advance(after_s)
    assert ask(paid).get("err_code") == code


def test_an_interval_between_two_refunds_is_an_option(shop: Shop) -> None:
    merchant = made(shop, refund_interval_s=60)
    pay(merchant)
    ask(merchant)
    assert ask(merchant, out_refund_no="R2")["err_code"] == "FREQUENCY_LIMITED"
    assert ask(merchant)["result_code"] == "SUCCESS"
    merchant.app.advance(60)
    assert ask(merchant, out_refund_no="R2")["result_code"] == "SUCCESS"


def test_a_merchant_refunds_what_it_has(shop: Shop) -> None:
    merchant = made(shop, refund_balance=50)
    pay(merchant)
    assert ask(merchant)["result_code"] == "SUCCESS"
    poor = ask(merchant, out_refund_no="R2", refund_fee="11")
    assert poor["err_code"] == "NOTENOUGH"
    merchant.app.set_balance(MCH_ID, 11)
    assert ask(merchant, out_refund_no="R2", refund_fee="11")["result_code"] == "SUCCESS"
    merchant.app.set_balance(MCH_ID, None)
    assert ask(merchant, out_refund_no="R3", refund_fee="49")["result_code"] == "SUCCESS"


def test_overseas_the_lack_of_money_is_spelt_in_another_way(shop: Shop) -> None:
    overseas = replace(DEMO_MERCHANTS[0], region=Region.GLOBAL)
    app = create_app([overseas], clock=lambda: START, deliver=shop)
    merchant = Merchant(app)
    pay(merchant)
    app.set_balance(MCH_ID, 39)
    assert ask(merchant)["err_code"] == "NOT_ENOUGH"
    assert refunds(app) == []


def test_a_closed_refund_gives_the_money_back_to_the_merchant(shop: Shop) -> None:
    merchant = made(shop, refund_balance=50)
    pay(merchant)
    ask(merchant)
    merchant.app.settle_refund(MCH_ID, REFUND, "CLOSED")
    assert ask(merchant, out_refund_no="R2", refund_fee="50")["result_code"] == "SUCCESS"


def test_a_lack_of_money_can_be_scripted(paid: Merchant) -> None:
    paid.app.inject("not_enough", operation="refund")
    assert ask(paid)["err_code"] == "NOTENOUGH"
    assert (refunds(paid.app), paid.state()) == ([], "SUCCESS")
    assert ask(paid)["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"out_trade_no": "T20260101000009"}, "ORDERNOTEXIST"),
        ({"transaction_id": "4200000000202601010000000009"}, "INVALID_TRANSACTIONID"),
        ({"total_fee": "101"}, "PARAM_ERROR"),
        ({"refund_fee_type": "USD"}, "PARAM_ERROR"),
    ],
)
def test_a_refund_of_another_order_is_refused(
    paid: Merchant, fields: dict[str, str], code: str
) -> None:
    answer = ask(paid, **fields)
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", code)
    assert (refunds(paid.app), paid.state()) == ([], "SUCCESS")


@pytest.mark.parametrize("state", ["NOTPAY", "USERPAYING", "CLOSED", "REVOKED", "PAYERROR"])
def test_what_was_not_paid_is_not_refunded(merchant: Merchant, state: str) -> None:
    merchant.place()
    merchant.app.set_state(MCH_ID, NUMBER, state)
    assert ask(merchant)["err_code"] == "ORDERNOTEXIST"
    assert (refunds(merchant.app), merchant.state()) == ([], state)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"refund_fee": "0"}, "invalid refund_fee"),
        ({"refund_fee": "-1"}, "invalid refund_fee"),
        ({"refund_fee": "1.0"}, "invalid refund_fee"),
        ({"refund_fee": "1e2"}, "invalid refund_fee"),
        ({"refund_fee": "ten"}, "invalid refund_fee"),
        ({"refund_fee": "99999999999"}, "invalid refund_fee"),
        ({"refund_fee": None}, "缺少参数refund_fee"),
        ({"total_fee": None}, "缺少参数total_fee"),
        ({"out_refund_no": None}, "缺少参数out_refund_no"),
        ({"out_refund_no": "R" * 65}, "invalid out_refund_no"),
        ({"out_refund_no": "R 1"}, "invalid out_refund_no"),
        ({"out_trade_no": None}, "缺少参数out_trade_no"),
        ({"refund_fee_type": "RMB"}, "invalid refund_fee_type"),
        ({"refund_desc": "x" * 81}, "invalid refund_desc"),
        ({"refund_account": "MY_POCKET"}, "invalid refund_account"),
        ({"notify_url": "https://shop.example/?a=b"}, "invalid notify_url"),
        ({"notify_url": "shop.example"}, "invalid notify_url"),
    ],
)
def test_bad_input_is_refused_before_the_order_is_looked_at(
    paid: Merchant, fields: dict[str, str | None], message: str
) -> None:
    answer = ask(paid, **fields)
    assert answer["return_code"] == "FAIL"
    assert answer["return_msg"].startswith(message)
    assert (refunds(paid.app), paid.state()) == ([], "SUCCESS")


def test_a_refund_by_transaction_id_needs_no_order_number(merchant: Merchant) -> None:
    transaction_id = pay(merchant)
    answer = ask(merchant, out_trade_no=None, transaction_id=transaction_id)
    assert (answer["transaction_id"], answer["out_trade_no"]) == (transaction_id, NUMBER)


def test_the_longest_number_with_every_sign_is_taken(paid: Merchant) -> None:
    number = "R_-|*@" + "1" * 58
    assert ask(paid, out_refund_no=number)["out_refund_no"] == number
    assert find(paid, out_refund_no=number)["out_refund_no_0"] == number


def test_coupons_come_back_in_their_share(merchant: Merchant) -> None:
    coupons = [
        {"coupon_id": "11", "coupon_type": "CASH", "coupon_fee": 20},
        {"coupon_id": "12", "coupon_type": "NO_CASH", "coupon_fee": 13},
    ]
    pay(merchant, coupons=coupons)
    answer = ask(merchant, refund_fee="50")
    # 67 of 100 were cash, so 33.5 of 50 are, rounded up.
    assert (answer["cash_refund_fee"], answer["coupon_refund_fee"]) == ("34", "16")
    assert answer["coupon_refund_count"] == "2"
    assert (answer["coupon_refund_id_0"], answer["coupon_refund_fee_0"]) == ("11", "10")
    assert (answer["coupon_refund_id_1"], answer["coupon_refund_fee_1"]) == ("12", "6")
    assert (answer["coupon_type_0"], answer["coupon_type_1"]) == ("CASH", "NO_CASH")
    assert (answer["settlement_total_fee"], answer["settlement_refund_fee"]) == ("87", "44")
    ask(merchant, out_refund_no="R2", refund_fee="50")
    found = find(merchant, out_trade_no=NUMBER)
    assert found["refund_count"] == "2"
    assert (found["coupon_refund_fee_0"], found["coupon_refund_fee_0_0"]) == ("16", "10")
    assert (found["coupon_refund_id_1_1"], found["coupon_type_1_1"]) == ("12", "NO_CASH")
    assert (found["coupon_refund_count_0"], found["coupon_refund_count_1"]) == ("2", "2")
    # The last refund brings what is left, so that nothing is lost to rounding.
    assert (found["cash_refund_fee"], found["coupon_refund_fee"]) == ("67", "33")
    assert (found["refund_fee"], found["cash_fee"]) == ("100", "67")


def test_pages_hold_ten_refunds(paid: Merchant) -> None:
    for number in range(12):
        ask(paid, out_refund_no=f"R{number:02d}", refund_fee=str(number + 1))
    first = find(paid, out_trade_no=NUMBER)
    assert (first["refund_count"], first["total_refund_count"]) == ("10", "12")
    assert [first[f"out_refund_no_{n}"] for n in range(10)] == [f"R{n:02d}" for n in range(10)]
    assert "out_refund_no_10" not in first
    second = find(paid, out_trade_no=NUMBER, offset="10")
    assert (second["refund_count"], second["total_refund_count"]) == ("2", "12")
    assert [second["refund_fee_0"], second["refund_fee_1"]] == ["11", "12"]
    assert find(paid, out_trade_no=NUMBER, offset="12")["err_code"] == "REFUNDNOTEXIST"
    for wrong in ("-1", "1.5", "ten"):
        assert find(paid, out_trade_no=NUMBER, offset=wrong)["return_code"] == "FAIL"


def test_ten_refunds_are_one_page_that_counts_only_when_asked(paid: Merchant) -> None:
    for number in range(10):
        ask(paid, out_refund_no=f"R{number}", refund_fee="1")
    assert "total_refund_count" not in find(paid, out_trade_no=NUMBER)
    assert find(paid, out_trade_no=NUMBER, offset="0")["total_refund_count"] == "10"


def test_the_first_of_four_numbers_decides(paid: Merchant) -> None:
    one = ask(paid)
    two = ask(paid, out_refund_no="R2", refund_fee="1")
    transaction_id = one["transaction_id"]
    every = {
        "refund_id": one["refund_id"],
        "out_refund_no": "R2",
        "transaction_id": transaction_id,
        "out_trade_no": NUMBER,
    }
    assert find(paid, **every)["out_refund_no_0"] == REFUND
    del every["refund_id"]
    assert find(paid, **every)["refund_id_0"] == two["refund_id"]
    del every["out_refund_no"]
    assert find(paid, **every)["refund_count"] == "2"
    assert find(paid, transaction_id=transaction_id)["refund_count"] == "2"
    assert find(paid, out_trade_no=NUMBER)["refund_count"] == "2"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"refund_id": "50300000000000000000000000009"}, "REFUNDNOTEXIST"),
        ({"out_refund_no": "R9"}, "REFUNDNOTEXIST"),
        ({"out_trade_no": NUMBER}, "REFUNDNOTEXIST"),
        ({"out_trade_no": "T20260101000009"}, "REFUNDNOTEXIST"),
        ({"transaction_id": "4200000000202601010000000009"}, "INVALID_TRANSACTIONID"),
    ],
)
def test_a_refund_that_is_not_there(paid: Merchant, fields: dict[str, str], code: str) -> None:
    assert find(paid, **fields)["err_code"] == code


def test_a_query_names_a_refund_or_an_order(paid: Merchant) -> None:
    answer = find(paid, offset="0")
    assert (answer["return_code"], answer["return_msg"]) == ("FAIL", "缺少参数out_refund_no")


def test_an_institution_refunds_for_its_sub_merchant(institution: Merchant) -> None:
    pay(institution)
    answer = ask(institution)
    assert (answer["mch_id"], answer["sub_mch_id"]) == (INSTITUTION, SUB_MCH_ID)
    assert find(institution)["sub_mch_id"] == SUB_MCH_ID
    other = Merchant(
        institution.app, mch_id=INSTITUTION, key=INSTITUTION_KEY, sub_mch_id="1900000119"
    )
    assert ask(other, out_refund_no="R2")["err_code"] == "INVALID_REQUEST"
    assert find(other)["err_code"] == "INVALID_REQUEST"
    assert len(refunds(institution.app)) == 1


def test_one_merchant_does_not_see_the_refunds_of_another(
    paid: Merchant, institution: Merchant
) -> None:
    answer = ask(paid)
    assert find(institution, out_refund_no=REFUND)["err_code"] == "REFUNDNOTEXIST"
    assert find(institution, refund_id=answer["refund_id"])["err_code"] == "REFUNDNOTEXIST"
    assert ask(institution)["err_code"] == "ORDERNOTEXIST"


def test_a_refund_in_another_currency_is_paid_back_at_the_payments_rate(
    shop: Shop, merchant: Merchant
) -> None:
    merchant.place(fee_type="USD")
    merchant.app.pay(MCH_ID, NUMBER, rate_value=650_000_000)
    answer = ask(merchant, refund_fee="33", refund_fee_type="USD")
    assert (answer["fee_type"], answer["cash_fee"], answer["cash_fee_type"]) == (
        "USD",
        "650",
        "CNY",
    )
    assert answer["cash_refund_fee"] == "215"


@pytest.mark.parametrize("fault", ["reset_after", "systemerror_after", "answered_after_timeout"])
def test_an_answer_that_is_lost_leaves_a_refund_that_the_same_number_finds(
    paid: Merchant, fault: str
) -> None:
    paid.app.inject(fault, operation="refund")
    if fault == "systemerror_after":
        assert ask(paid)["err_code"] == "SYSTEMERROR"
    else:
        with pytest.raises(requests.RequestException):
            ask(paid)
    assert [row["refund_fee"] for row in refunds(paid.app)] == [40]
    assert ask(paid)["refund_id"] == refunds(paid.app)[0]["refund_id"]
    assert len(refunds(paid.app)) == 1


def test_the_ledger_shows_the_refund_and_its_calls(paid: Merchant) -> None:
    answer = ask(paid, refund_desc="broken cup", notify_url=URL)
    row = refunds(paid.app)[0]
    assert row == {
        "mch_id": MCH_ID,
        "out_trade_no": NUMBER,
        "out_refund_no": REFUND,
        "refund_id": answer["refund_id"],
        "api": "v2",
        "source": "API",
        "total_fee": 100,
        "refund_fee": 40,
        "payer_refund": 40,
        "fee_type": "CNY",
        "refund_status": "PROCESSING",
        "refund_desc": "broken cup",
        "notify_url": URL,
        "created_at": "2026-01-01T12:00:00.000+08:00",
        "settles_at": "2026-01-01T12:00:03.000+08:00",
        "success_time": "",
        "updated_at": "2026-01-01T12:00:00.000+08:00",
        "notification": "",
        "notification_attempts": 0,
    }
    paid.app.advance(3)
    row = refunds(paid.app)[0]
    assert (row["refund_status"], row["settles_at"]) == ("SUCCESS", "")
    assert row["success_time"] == row["updated_at"] == "2026-01-01T12:00:03.000+08:00"
    assert (row["notification"], row["notification_attempts"]) == ("accepted", 1)
    call = paid.app.ledger()["requests"][-1]
    assert (call["operation"], call["out_trade_no"], call["out_refund_no"]) == (
        "refund",
        NUMBER,
        REFUND,
    )


def test_every_field_of_a_refund_is_known(paid: Merchant) -> None:
    ask(paid, op_user_id=MCH_ID, device_info="1", refund_account="REFUND_SOURCE_RECHARGE_FUNDS")
    assert paid.app.ledger()["requests"][-1]["unknown_fields"] == ()
    assert find(paid)["refund_account_0"] == "REFUND_SOURCE_RECHARGE_FUNDS"


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [("lost", 0), ("duplicate", 2), ("late", 1), ("bad_signature", 1)],
)
def test_faults_of_notifications_befall_those_of_refunds(
    paid: Merchant, shop: Shop, fault: str, attempts: int
) -> None:
    paid.app.inject(fault, operation="notify")
    ask(paid, notify_url=URL)
    paid.app.advance(3)
    early = len(shop.urls)
    paid.app.advance(60)
    assert len(shop.urls) == attempts
    assert early == (0 if fault == "late" else attempts)
    assert find(paid)["refund_status_0"] == "SUCCESS"


def test_a_notification_waits_for_another_if_it_is_to_be_reordered(
    paid: Merchant, shop: Shop
) -> None:
    paid.app.inject("reordered")
    ask(paid, notify_url=f"{URL}1/")
    paid.app.advance(3)
    ask(paid, out_refund_no="R2", notify_url=f"{URL}2/")
    paid.app.advance(3)
    assert shop.urls == [f"{URL}2/", f"{URL}1/"]
