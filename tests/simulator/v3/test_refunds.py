"""Mainland refunds over v3: made, queried, refused, and sent elsewhere when they are abnormal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.v3.encryption import encrypt_field
from django_wxpay.simulator import DEMO_MERCHANTS, Options, Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import TEST_PUBLIC_KEY, TEST_PUBLIC_KEY_ID
from tests.simulator.conftest import START
from tests.simulator.v3.calling import MAINLAND, NUMBER, Answer, Caller, Receiver

REFUND = "R20260101000001"
URL = "https://shop.example/wxpay/notify/default/refund/"
HOME = "/v3/refund/domestic/refunds"
PARTNER, SUB_MCHID = "1900000119", "1900000120"
YEAR_S = 365 * 86_400
CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222020200112345", "real_name": "张三"}


def body(**members: Any) -> dict[str, Any]:
    """Return the body of a refund; None removes a member, ``amount`` changes single ones."""
    amount = {"refund": 40, "total": 100, "currency": "CNY", **members.pop("amount", {})}
    given = {
        "out_trade_no": NUMBER,
        "out_refund_no": REFUND,
        "amount": {name: value for name, value in amount.items() if value is not None},
        **members,
    }
    return {name: value for name, value in given.items() if value is not None}


def ask(caller: Caller, **members: Any) -> Answer:
    return caller.call("POST", HOME, body(**members))


def find(caller: Caller, number: str = REFUND, query: str = "") -> Answer:
    return caller.call("GET", f"{HOME}/{number}{query}")


def made(receiver: Receiver, **options: Any) -> Caller:
    app = create_app(clock=lambda: START, deliver=receiver, options=Options(**options))
    return pay(Caller(app))


def pay(caller: Caller, **how: Any) -> Caller:
    caller.place()
    caller.app.pay(caller.mch_id, NUMBER, **how)
    return caller


def refunds(app: Simulator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = app.ledger()["refunds"]
    return rows


@pytest.fixture
def paid(mainland: Caller, receiver: Receiver) -> Caller:
    pay(mainland)
    receiver.bodies.clear()
    receiver.urls.clear()
    return mainland


@pytest.fixture
def partner(receiver: Receiver) -> Caller:
    """A service provider of the mainland with a paid order of its sub-merchant."""
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    provider = replace(demo, alias="partner", mch_id=PARTNER, mode=Mode.INSTITUTIONAL)
    app = create_app([demo, provider], clock=lambda: START, deliver=receiver)
    caller = Caller(
        app,
        mch_id=PARTNER,
        home="/v3/pay/partner/transactions",
        sp_mchid=PARTNER,
        sub_mchid=SUB_MCHID,
    )
    return pay(caller)


def test_a_refund_is_accepted_and_in_process(paid: Caller) -> None:
    answer = ask(paid, reason="broken cup")
    assert answer == {
        "status": "PROCESSING",
        "refund_id": answer["refund_id"],
        "out_refund_no": REFUND,
        "transaction_id": paid.query()["transaction_id"],
        "out_trade_no": NUMBER,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": "2026-01-01T12:00:00+08:00",
        "funds_account": "UNSETTLED",
        "amount": {
            "total": 100,
            "refund": 40,
            "payer_total": 100,
            "payer_refund": 40,
            "from": [],
            "settlement_refund": 40,
            "settlement_total": 100,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    assert (len(answer["refund_id"]), paid.state()) == (29, "REFUND")
    assert find(paid) == answer


def test_it_is_paid_back_when_its_time_has_come_and_the_shop_is_notified(
    paid: Caller, receiver: Receiver
) -> None:
    answer = ask(paid, notify_url=URL)
    assert paid.app.advance(3) == 1
    assert receiver.urls == [URL]
    [envelope], [resource] = receiver.envelopes, receiver.resources
    assert envelope["event_type"] == "REFUND.SUCCESS"
    assert resource == {
        "mchid": MAINLAND,
        "out_trade_no": NUMBER,
        "transaction_id": answer["transaction_id"],
        "out_refund_no": REFUND,
        "refund_id": answer["refund_id"],
        "refund_status": "SUCCESS",
        "success_time": "2026-01-01T12:00:03+08:00",
        "user_received_account": "支付用户零钱",
        "amount": {"total": 100, "refund": 40, "payer_total": 100, "payer_refund": 40},
    }
    found = find(paid)
    assert (found["status"], found["success_time"]) == ("SUCCESS", "2026-01-01T12:00:03+08:00")


def test_the_same_number_is_the_same_refund(paid: Caller) -> None:
    first = ask(paid)
    assert ask(paid, reason="again", notify_url=URL) == first
    paid.app.advance(3)
    assert ask(paid)["status"] == "SUCCESS"
    assert len(refunds(paid.app)) == 1


@pytest.mark.parametrize(
    "members",
    [
        {"amount": {"refund": 41}},
        {"amount": {"total": 101}},
        {"out_trade_no": "T20260101000002"},
    ],
)
def test_the_same_number_with_other_data_is_refused(paid: Caller, members: dict[str, Any]) -> None:
    paid.place(out_trade_no="T20260101000002")
    paid.app.pay(MAINLAND, "T20260101000002")
    ask(paid)
    answer = paid.send("POST", HOME, body(**members))
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert len(refunds(paid.app)) == 1


def refusal(caller: Caller, given: object) -> tuple[int, str]:
    response = caller.send("POST", HOME, given)
    caller.trusted(response)
    return response.status_code, response.json()["code"]


def test_refunds_add_up_to_the_payment_and_no_further(paid: Caller) -> None:
    ask(paid, out_refund_no="R1", amount={"refund": 60})
    assert refusal(paid, body(amount={"refund": 41})) == (400, "INVALID_REQUEST")
    ask(paid, out_refund_no="R2", amount={"refund": 40})
    assert refusal(paid, body(amount={"refund": 1})) == (400, "INVALID_REQUEST")
    assert [row["out_refund_no"] for row in refunds(paid.app)] == ["R1", "R2"]


def test_an_order_is_refunded_at_most_fifty_times(paid: Caller) -> None:
    for number in range(50):
        ask(paid, out_refund_no=f"R{number}", amount={"refund": 1})
    over = body(out_refund_no="R50", amount={"refund": 1})
    assert refusal(paid, over) == (400, "INVALID_REQUEST")
    assert len(refunds(paid.app)) == 50


@pytest.mark.parametrize(("after_s", "over"), [(YEAR_S, False), (YEAR_S + 1, True)])
def test_a_payment_is_refunded_within_a_year(paid: Caller, *, after_s: int, over: bool) -> None:
    paid.app.advance(after_s)
    if over:
        assert refusal(paid, body()) == (403, "TRADE_OVERDUE")
    else:
        assert ask(paid)["status"] == "PROCESSING"


def test_what_the_merchant_does_not_have_is_not_refunded(receiver: Receiver) -> None:
    caller = made(receiver, refund_balance=39)
    assert refusal(caller, body()) == (403, "NOT_ENOUGH")
    assert (refunds(caller.app), caller.state()) == ([], "SUCCESS")
    caller.app.set_balance(MAINLAND, 40)
    assert ask(caller)["status"] == "PROCESSING"


def test_an_interval_between_two_refunds_is_an_option(receiver: Receiver) -> None:
    caller = made(receiver, refund_interval_s=60)
    ask(caller)
    assert refusal(caller, body(out_refund_no="R2")) == (429, "FREQUENCY_LIMITED")
    caller.app.advance(60)
    assert ask(caller, out_refund_no="R2")["out_refund_no"] == "R2"


def test_amounts_may_name_the_part_of_the_fee_that_comes_back(receiver: Receiver) -> None:
    pay_ = made(receiver, refunds_name_fee=True)
    assert ask(pay_)["amount"]["refund_fee"] == 0
    pay_.place(out_trade_no="T20260101000002", amount={"total": 10_000, "currency": "CNY"})
    pay_.app.pay(MAINLAND, "T20260101000002")
    answer = ask(
        pay_,
        out_trade_no="T20260101000002",
        out_refund_no="R2",
        amount={"total": 10_000, "refund": 5000},
    )
    assert (answer["amount"]["refund"], answer["amount"]["refund_fee"]) == (5000, 30)


def test_promotions_come_back_in_their_share(mainland: Caller) -> None:
    coupons = [
        {"coupon_id": "11", "coupon_type": "CASH", "coupon_fee": 20},
        {"coupon_id": "12", "coupon_type": "NO_CASH", "coupon_fee": 20},
    ]
    pay(mainland, coupons=coupons)
    answer = ask(mainland, amount={"refund": 50})
    amount = answer["amount"]
    assert (amount["payer_total"], amount["payer_refund"]) == (60, 30)
    assert (amount["discount_refund"], amount["settlement_refund"]) == (20, 40)
    assert amount["settlement_total"] == 80
    assert answer["promotion_detail"] == [
        {
            "promotion_id": "11",
            "scope": "GLOBAL",
            "type": "COUPON",
            "amount": 20,
            "refund_amount": 10,
        },
        {
            "promotion_id": "12",
            "scope": "GLOBAL",
            "type": "DISCOUNT",
            "amount": 20,
            "refund_amount": 10,
        },
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"out_trade_no": "T20260101000009"},
        {"out_trade_no": None, "transaction_id": "4200000000202601010000000009"},
    ],
)
def test_an_unknown_order_is_no_resource(paid: Caller, members: dict[str, Any]) -> None:
    assert refusal(paid, body(**members)) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "REVOKED", "PAYERROR"])
def test_an_order_that_is_not_paid_is_no_resource_either(mainland: Caller, state: str) -> None:
    mainland.place()
    mainland.app.set_state(MAINLAND, NUMBER, state)
    assert refusal(mainland, body()) == (404, "RESOURCE_NOT_EXISTS")
    assert (refunds(mainland.app), mainland.state()) == ([], state)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"mchid": MAINLAND}, "/mchid"),
        ({"appid": "wx8888888888888888"}, "/appid"),
        ({"sub_mchid": SUB_MCHID}, "/sub_mchid"),
        ({"refund_fee": 40}, "/refund_fee"),
        ({"out_refund_no": None}, "/out_refund_no"),
        ({"out_refund_no": "R" * 65}, "/out_refund_no"),
        ({"out_refund_no": "R 1"}, "/out_refund_no"),
        ({"out_refund_no": 1}, "/out_refund_no"),
        ({"out_trade_no": None}, "/transaction_id"),
        ({"amount": {"refund": 0}}, "/amount/refund"),
        ({"amount": {"refund": -1}}, "/amount/refund"),
        ({"amount": {"refund": 1.0}}, "/amount/refund"),
        ({"amount": {"refund": 40.5}}, "/amount/refund"),
        ({"amount": {"refund": "40"}}, "/amount/refund"),
        ({"amount": {"refund": True}}, "/amount/refund"),
        ({"amount": {"refund": None}}, "/amount/refund"),
        ({"amount": {"total": None}}, "/amount/total"),
        ({"amount": {"currency": None}}, "/amount/currency"),
        ({"amount": {"currency": "USD"}}, "/amount/currency"),
        ({"amount": {"from": []}}, "/amount/from"),
        ({"amount": {"from": [{"account": "MINE", "amount": 1}]}}, "/amount/from/0/account"),
        ({"reason": "x" * 81}, "/reason"),
        ({"reason": "🍵"}, "/reason"),
        ({"notify_url": "https://shop.example/?a=b"}, "/notify_url"),
        ({"funds_account": "MY_POCKET"}, "/funds_account"),
        ({"goods_detail": [{"merchant_goods_id": "1"}]}, "/goods_detail/0/unit_price"),
    ],
)
def test_a_body_that_is_wrong_is_named(paid: Caller, members: dict[str, Any], field: str) -> None:
    response = paid.send("POST", HOME, body(**members))
    assert (response.status_code, response.json()["code"]) == (400, "PARAM_ERROR")
    assert response.json()["detail"]["field"] == field
    assert (refunds(paid.app), paid.state()) == ([], "SUCCESS")


def test_every_documented_member_is_taken(paid: Caller) -> None:
    answer = ask(
        paid,
        transaction_id=paid.query()["transaction_id"],
        reason="杯子碎了",
        notify_url=URL,
        funds_account="AVAILABLE",
        amount={"from": [{"account": "AVAILABLE", "amount": 40}]},
        goods_detail=[
            {
                "merchant_goods_id": "P1001",
                "wechatpay_goods_id": "1001",
                "goods_name": "cup",
                "unit_price": 100,
                "refund_amount": 40,
                "refund_quantity": 1,
            }
        ],
    )
    assert answer["funds_account"] == "AVAILABLE"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (f"{HOME}/R9", 404, "RESOURCE_NOT_EXISTS"),
        (f"{HOME}/{REFUND}?mchid={MAINLAND}", 400, "PARAM_ERROR"),
        (f"{HOME}/{REFUND}?sub_mchid={SUB_MCHID}", 400, "PARAM_ERROR"),
        (f"{HOME}/R%201", 400, "PARAM_ERROR"),
        (f"{HOME}/{'R' * 65}", 400, "PARAM_ERROR"),
    ],
)
def test_a_query_that_is_wrong_is_refused(
    paid: Caller, target: str, status: int, code: str
) -> None:
    ask(paid)
    response = paid.send("GET", target)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_number_with_every_sign_is_found(paid: Caller) -> None:
    number = "R_-|*@1"
    ask(paid, out_refund_no=number)
    assert find(paid, "R_-%7C*%401")["out_refund_no"] == number


def test_a_refund_asks_for_accept_and_user_agent(paid: Caller) -> None:
    for name in ("Accept", "User-Agent"):
        response = paid.send("GET", f"{HOME}/{REFUND}", headers={name: None})
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")
    unsigned = paid.send("GET", f"{HOME}/{REFUND}", headers={"Authorization": None})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")
    assert unsigned.json()["message"].startswith("Http头Authorization值格式错误")
    assert "Request-ID" in unsigned.headers


def test_an_overseas_merchant_has_no_mainland_refunds(overseas: Caller) -> None:
    assert refusal(overseas, body()) == (403, "NO_AUTH")


def test_a_partner_refunds_for_its_sub_merchant(partner: Caller, receiver: Receiver) -> None:
    assert refusal(partner, body()) == (400, "PARAM_ERROR")
    answer = ask(partner, sub_mchid=SUB_MCHID, notify_url=URL)
    assert answer["status"] == "PROCESSING"
    assert find(partner, query=f"?sub_mchid={SUB_MCHID}") == answer
    partner.app.advance(3)
    resource = receiver.resources[-1]
    assert (resource["sp_mchid"], resource["sub_mchid"]) == (PARTNER, SUB_MCHID)
    other = body(out_refund_no="R2", sub_mchid="1900000121")
    assert refusal(partner, other) == (400, "INVALID_REQUEST")
    assert refusal(partner, body(sub_mchid="not-digits")) == (404, "MCH_NOT_EXISTS")
    missing = partner.send("GET", f"{HOME}/{REFUND}")
    assert (missing.status_code, missing.json()["code"]) == (400, "PARAM_ERROR")
    foreign = partner.send("GET", f"{HOME}/{REFUND}?sub_mchid=1900000121")
    assert (foreign.status_code, foreign.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.fixture
def abnormal(paid: Caller, receiver: Receiver) -> Answer:
    paid.app.inject("refund_abnormal", operation="refund")
    ask(paid, notify_url=URL)
    paid.app.advance(3)
    answer = find(paid)
    assert (answer["status"], "success_time" in answer) == ("ABNORMAL", False)
    assert receiver.envelopes[0]["event_type"] == "REFUND.ABNORMAL"
    return answer


def repair(
    caller: Caller,
    answer: Answer,
    *,
    serial: str | None = TEST_PUBLIC_KEY_ID,
    public_key: str = TEST_PUBLIC_KEY,
    **members: Any,
) -> requests.Response:
    sealed = {
        name: encrypt_field(text, public_key=public_key) if name != "bank_type" else text
        for name, text in CARD.items()
    }
    whole = {"out_refund_no": REFUND, "type": "USER_BANK_CARD", **sealed, **members}
    response = caller.send(
        "POST",
        f"{HOME}/{answer['refund_id']}/apply-abnormal-refund",
        {name: value for name, value in whole.items() if value is not None},
        headers={"Wechatpay-Serial": serial},
    )
    caller.trusted(response)
    return response


def test_an_abnormal_refund_goes_to_a_bank_card(
    paid: Caller, abnormal: Answer, receiver: Receiver
) -> None:
    answer = repair(paid, abnormal).json()
    assert (answer["status"], answer["channel"]) == ("PROCESSING", "OTHER_BANKCARD")
    assert answer["user_received_account"] == "ICBC_DEBIT2345"
    assert "6222020200112345" not in str(paid.app.ledger())
    paid.app.advance(3)
    assert find(paid)["status"] == "SUCCESS"
    assert [one["event_type"] for one in receiver.envelopes] == [
        "REFUND.ABNORMAL",
        "REFUND.SUCCESS",
    ]


def test_an_abnormal_refund_goes_to_the_merchants_own_account(
    paid: Caller, abnormal: Answer
) -> None:
    gone = dict.fromkeys(CARD)
    answer = repair(paid, abnormal, serial=None, type="MERCHANT_BANK_CARD", **gone).json()
    assert (answer["status"], answer["user_received_account"]) == ("PROCESSING", "商户银行账户")


def test_what_is_encrypted_for_a_platform_certificate_opens_too(
    paid: Caller, abnormal: Answer
) -> None:
    paid.app.set_key_mode("certificate")
    [certificate] = paid.app.keys()["certificates"]
    wrong = repair(paid, abnormal)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "PARAM_ERROR")
    response = repair(
        paid, abnormal, serial=certificate["serial_no"], public_key=certificate["pem"]
    )
    assert response.json()["status"] == "PROCESSING"


@pytest.mark.parametrize(
    "members",
    [
        {"serial": None},
        {"serial": "7F" * 20},
        {"serial": "PUB_KEY_ID_9"},
        {"bank_account": "6222020200112345"},
        {"real_name": "AAAA"},
        {"real_name": None},
        {"bank_type": None},
        {"type": "MY_POCKET"},
        {"type": None},
        {"out_refund_no": "R2"},
        {"mchid": MAINLAND},
    ],
)
def test_a_card_that_cannot_be_read_is_refused(
    paid: Caller, abnormal: Answer, members: dict[str, Any]
) -> None:
    response = repair(paid, abnormal, **members)
    assert (response.status_code, response.json()["code"]) == (400, "PARAM_ERROR")
    assert find(paid)["status"] == "ABNORMAL"


def test_only_an_abnormal_refund_goes_elsewhere(paid: Caller) -> None:
    answer = ask(paid)
    for _ in range(2):
        response = repair(paid, answer)
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")
        paid.app.advance(3)
    unknown = repair(paid, {"refund_id": "50300000000000000000000000009"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")


def test_a_repeated_notification_says_what_it_said_whatever_happened_since(
    paid: Caller, receiver: Receiver, abnormal: Answer
) -> None:
    paid.app.refund_notice(MAINLAND, NUMBER, REFUND, status="ABNORMAL")
    receiver.answers = [OSError("down")]
    paid.app.refund_notice(MAINLAND, NUMBER, REFUND, status="ABNORMAL")
    repair(paid, abnormal)
    paid.app.advance(15)
    said = [resource["refund_status"] for resource in receiver.resources]
    assert said == ["ABNORMAL", "ABNORMAL", "ABNORMAL", "SUCCESS", "ABNORMAL"]


@pytest.mark.parametrize("fault", ["rate_limited", "systemerror", "systemerror_after"])
def test_a_busy_answer_leaves_the_number_usable(paid: Caller, fault: str) -> None:
    paid.app.inject(fault, operation="refund")
    status, _ = refusal(paid, body())
    assert status == (429 if fault == "rate_limited" else 500)
    assert len(refunds(paid.app)) == (1 if fault == "systemerror_after" else 0)
    ask(paid)
    assert len(refunds(paid.app)) == 1


def test_an_unknown_status_can_be_scripted(paid: Caller) -> None:
    ask(paid)
    paid.app.inject("unknown_trade_state", operation="refundquery")
    assert find(paid)["status"] == "SOMETHING_NEW"
    assert find(paid)["status"] == "PROCESSING"


def test_a_lack_of_money_can_be_scripted(paid: Caller) -> None:
    paid.app.inject("not_enough")
    assert refusal(paid, body()) == (403, "NOT_ENOUGH")
    assert refunds(paid.app) == []
