"""Querying and closing over v3, state by state (protocol-v3 sections 3.3, 3.4 and 4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import Options, Simulator, create_app
from tests.simulator.v3.calling import (
    APPID,
    GLOBAL,
    INSTITUTION,
    MAINLAND,
    NUMBER,
    OPENID,
    SUB_MCHID,
    SUB_OPENID,
    Caller,
    Receiver,
)

SINGLE = {
    "promotion_id": "109519",
    "name": "Single-item discount-6",
    "scope": "SINGLE",
    "type": "DISCOUNT",
    "amount": 5,
    "currency": "HKD",
    "activity_id": "931386",
    "wxpay_contribute_amount": 0,
    "merchant_contribute_amount": 0,
    "other_contribute_amount": 5,
    "goods_detail": [
        {
            "goods_id": "SKU-1_a",
            "goods_remark": "1001",
            "discount_amount": 100,
            "quantity": 1,
            "price": 528800,
        }
    ],
}


def test_an_unpaid_mainland_order_says_little(mainland: Caller) -> None:
    mainland.place()
    assert mainland.query() == {
        "status": 200,
        "appid": APPID,
        "mchid": MAINLAND,
        "out_trade_no": NUMBER,
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
        "amount": {"payer_currency": "CNY", "total": 100},
        "promotion_detail": [],
        "scene_info": {"device_id": ""},
    }


def test_an_unpaid_global_order_says_it_with_empty_members(overseas: Caller) -> None:
    overseas.place(attach="x")
    answer = overseas.query()
    assert (answer["trade_state"], answer["trade_type"], answer["attach"]) == (
        "NOTPAY",
        "NATIVE",
        "x",
    )
    assert (answer["id"], answer["bank_type"], answer["success_time"]) == ("", "", "")
    assert answer["payer"] == {}
    assert answer["amount"] == {
        "total": 100,
        "payer_total": 0,
        "currency": "USD",
        "payer_currency": "",
    }


def test_a_paid_mainland_order_tells_all(app: Simulator, mainland: Caller) -> None:
    scene = {"payer_client_ip": "127.0.0.1", "device_id": "POS1"}
    mainland.place("jsapi", attach="door 7", scene_info=scene)
    paid = app.pay(MAINLAND, NUMBER, bank_type="CMB_CREDIT")
    assert mainland.query() == {
        "status": 200,
        "appid": APPID,
        "mchid": MAINLAND,
        "out_trade_no": NUMBER,
        "transaction_id": paid["transaction_id"],
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "CMB_CREDIT",
        "attach": "door 7",
        "success_time": "2026-01-01T12:00:00+08:00",
        "payer": {"openid": OPENID},
        "amount": {"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"},
        "scene_info": {"device_id": "POS1"},
        "promotion_detail": [],
    }


def test_a_paid_mainland_order_without_attach_has_an_empty_one(
    app: Simulator, mainland: Caller, overseas: Caller, receiver: Receiver
) -> None:
    for caller in (mainland, overseas):
        caller.place()
    assert "attach" not in mainland.query()
    app.pay(MAINLAND, NUMBER)
    app.pay(GLOBAL, NUMBER)
    assert mainland.query()["attach"] == receiver.resources[0]["attach"] == ""
    assert not {"attach", "promotion_detail"} & {*overseas.query(), *receiver.resources[1]}
    assert "promotion_detail" not in receiver.resources[0]


def test_the_full_example_of_the_seed_in_common_mode(app: Simulator, overseas: Caller) -> None:
    amount = {"total": 888, "currency": "CNY"}
    overseas.place("jsapi", attach="Custom data", amount=amount)
    paid = app.pay(
        GLOBAL,
        NUMBER,
        bank_type="CMC",
        payer_total=888,
        payer_currency="HKD",
        exchange_rate={"type": "SETTLEMENT_RATE", "rate": 80000000},
        promotion_detail=[SINGLE],
    )
    assert overseas.query(headers={"Accept-Language": "en"}) == {
        "status": 200,
        "mchid": GLOBAL,
        "appid": APPID,
        "out_trade_no": NUMBER,
        "id": paid["transaction_id"],
        "attach": "Custom data",
        "trade_type": "JSAPI",
        "bank_type": "CMC",
        "success_time": "2026-01-01T12:00:00+08:00",
        "trade_state": "SUCCESS",
        "trade_state_desc": "Payment successful",
        "payer": {"openid": OPENID},
        "amount": {
            "total": 888,
            "payer_total": 888,
            "currency": "CNY",
            "payer_currency": "HKD",
            "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": 80000000},
        },
        "promotion_detail": [SINGLE],
    }


def test_the_full_example_of_the_seed_in_institutional_mode(
    app: Simulator, institution: Caller
) -> None:
    institution.place(
        "jsapi",
        sub_appid="wx9999999999999999",
        payer={"sp_openid": OPENID, "sub_openid": SUB_OPENID},
        amount={"total": 10000, "currency": "USD"},
    )
    app.pay(INSTITUTION, NUMBER, exchange_rate=650_000_000, promotion_detail=[SINGLE])
    answer = institution.query()
    assert (answer["sp_mchid"], answer["sub_mchid"]) == (INSTITUTION, SUB_MCHID)
    assert (answer["sp_appid"], answer["sub_appid"]) == (APPID, "wx9999999999999999")
    assert not {"mchid", "appid"} & answer.keys()
    assert answer["payer"] == {"sp_openid": OPENID, "sub_openid": SUB_OPENID}
    assert answer["amount"] == {
        "total": 10000,
        "payer_total": 65000,
        "currency": "USD",
        "payer_currency": "CNY",
        "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": 650_000_000},
    }


def test_an_institutions_payer_may_have_one_name(app: Simulator, institution: Caller) -> None:
    institution.place()
    app.pay(INSTITUTION, NUMBER, openid=OPENID)
    assert institution.query()["payer"] == {"sp_openid": OPENID}


def test_the_payers_second_name_can_be_chosen(app: Simulator, institution: Caller) -> None:
    institution.place(sub_appid="wx9999999999999999")
    app.pay(INSTITUTION, NUMBER, openid=OPENID, sub_openid=SUB_OPENID)
    assert institution.query()["payer"] == {"sp_openid": OPENID, "sub_openid": SUB_OPENID}


@pytest.mark.parametrize(
    ("how", "payer_total", "payer_currency"),
    [
        ({}, 100, "USD"),
        ({"exchange_rate": 650_000_000}, 650, "CNY"),
        ({"exchange_rate": 780_000_000, "payer_currency": "HKD"}, 780, "HKD"),
        ({"exchange_rate": 15_000_000_000, "payer_currency": "JPY"}, 150, "JPY"),
        ({"payer_total": 90}, 90, "USD"),
        ({"payer_total": 90, "cash_fee": 80, "payer_currency": "CNY"}, 90, "CNY"),
        ({"cash_fee": 80, "cash_fee_type": "CNY", "rate_value": 1}, 80, "CNY"),
    ],
)
def test_the_payer_may_pay_in_another_currency(
    app: Simulator,
    overseas: Caller,
    how: dict[str, Any],
    payer_total: int,
    payer_currency: str,
) -> None:
    overseas.place()
    app.pay(GLOBAL, NUMBER, **how)
    amount = overseas.query()["amount"]
    assert (amount["payer_total"], amount["payer_currency"]) == (payer_total, payer_currency)
    rated = bool(how.keys() & {"exchange_rate", "rate_value"})
    assert ("exchange_rate" in amount) is rated


def test_coupons_have_each_familys_names(
    app: Simulator, mainland: Caller, overseas: Caller
) -> None:
    coupons = [
        {"coupon_id": "1", "coupon_type": "CASH", "coupon_fee": 20},
        {"coupon_id": "2", "coupon_type": "NO_CASH", "coupon_fee": 10},
    ]
    for caller in (mainland, overseas):
        caller.place()
        app.pay(caller.mch_id, NUMBER, coupons=coupons)
    there = mainland.query()["promotion_detail"]
    assert there[0] == {
        "coupon_id": "1",
        "name": "coupon 1",
        "scope": "GLOBAL",
        "type": "CASH",
        "amount": 20,
        "currency": "CNY",
        "stock_id": "1",
        "wechatpay_contribute": 20,
        "merchant_contribute": 0,
        "other_contribute": 0,
    }
    assert there[1]["type"] == "NOCASH"
    here = overseas.query()["promotion_detail"]
    assert here[0].keys() == SINGLE.keys() - {"goods_detail"}
    assert (here[0]["type"], here[0]["currency"]) == ("COUPON", "USD")


def test_a_promotion_of_the_other_family_is_translated(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.pay(MAINLAND, NUMBER, promotion_detail=[SINGLE | {"colour": "red"}])
    [message] = mainland.query()["promotion_detail"]
    assert (message["coupon_id"], message["stock_id"], message["type"]) == (
        "109519",
        "931386",
        "NOCASH",
    )
    assert message["wechatpay_contribute"] == 0
    assert message["goods_detail"][0]["unit_price"] == 528800
    assert message["colour"] == "red"


def test_any_json_as_a_promotion_is_sent_unchanged(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    nonsense = {"promotion_id": 1, "type": ["x"], "goods_detail": [1], "amount": None}
    promotions = [nonsense, {"goods_detail": "all", "type": "NEW"}]
    app.pay(MAINLAND, NUMBER, promotion_detail=promotions)
    first, second = mainland.query()["promotion_detail"]
    assert (first["coupon_id"], first["type"], first["goods_detail"]) == (1, ["x"], [1])
    assert (second["goods_detail"], second["type"]) == ("all", "NEW")
    assert app.ledger()["trades"][0]["notification"] == "accepted"


def test_the_contribution_can_be_spelled_as_the_examples_do(receiver: Receiver) -> None:
    app = create_app(deliver=receiver, options=Options(contribution_spelling="wechatpay"))
    overseas = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    overseas.place()
    app.pay(GLOBAL, NUMBER, promotion_detail=[SINGLE])
    [message] = overseas.query()["promotion_detail"]
    assert message["wechatpay_contribute_amount"] == 0
    assert "wxpay_contribute_amount" not in message
    assert receiver.resources[0]["promotion_detail"] == [message]


def test_an_exchange_rate_of_another_type_is_refused(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    response = mainland.control(
        "pay",
        {
            "mch_id": MAINLAND,
            "out_trade_no": NUMBER,
            "exchange_rate": {"type": "USERPAYMENT_RATE", "rate": 1},
        },
    )
    assert response.status_code == 400
    assert "SETTLEMENT_RATE" in response.json()["detail"]
    assert mainland.state() == "NOTPAY"


@pytest.mark.parametrize(
    ("state", "message", "is_paid"),
    [
        ("NOTPAY", "NOTPAY", False),
        ("USERPAYING", "USERPAYING", False),
        ("ACCEPT", "USERPAYING", False),
        ("SUCCESS", "SUCCESS", True),
        ("REFUND", "REFUND", True),
        ("CLOSED", "CLOSED", False),
        ("REVOKED", "REVOKED", False),
        ("PAYERROR", "PAYERROR", False),
    ],
)
def test_every_state_is_answered(
    app: Simulator, anyone: Caller, state: str, message: str, is_paid: bool
) -> None:
    anyone.place()
    app.set_state(anyone.mch_id, NUMBER, state)
    answer = anyone.query()
    assert answer["trade_state"] == message
    assert answer["trade_state_desc"]
    assert bool(answer.get("success_time")) is is_paid


def test_an_order_is_found_by_either_number(app: Simulator, anyone: Caller) -> None:
    anyone.place()
    paid = app.pay(anyone.mch_id, NUMBER)
    assert anyone.query_id(paid["transaction_id"]) == anyone.query()


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [("T2026010199", 404, "ORDER_NOT_EXIST"), ("a b c d", 400, "PARAM_ERROR")],
)
def test_an_order_that_is_not_there(anyone: Caller, number: str, status: int, code: str) -> None:
    for answer in (anyone.query(number), anyone.close(number)):
        assert (answer["status"], answer["code"]) == (status, code)
    missing = anyone.query_id("4200")
    assert (missing["status"], missing["code"]) == (404, "ORDER_NOT_EXIST")
    assert anyone.query_id("4200!")["detail"]["location"] == "url"


def test_another_merchants_order_is_not_found(app: Simulator, mainland: Caller) -> None:
    other = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    mainland.place()
    paid = app.pay(MAINLAND, NUMBER)
    assert other.query()["code"] == "ORDER_NOT_EXIST"
    assert other.query_id(paid["transaction_id"])["code"] == "ORDER_NOT_EXIST"


def test_another_sub_merchants_order_is_a_mismatch(institution: Caller) -> None:
    institution.place()
    institution.whose["sub_mchid"] = "1900000333"
    for answer in (institution.query(), institution.close()):
        assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
        assert answer["message"] == "商户号与订单不匹配"
    institution.whose["sub_mchid"] = SUB_MCHID
    assert institution.state() == "NOTPAY"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", {"field": "mchid", "location": "query"}),
        ("mchid=", {"field": "mchid", "location": "query"}),
        (f"mchid={GLOBAL}", {"field": "mchid", "location": "query"}),
        (f"mchid={MAINLAND}&mchid={MAINLAND}", {"field": "mchid", "location": "query"}),
        (
            f"mchid={MAINLAND}&sub_mchid=1&a=",
            {"location": None, "value": ["/query/a", "/query/sub_mchid"]},
        ),
    ],
)
def test_a_query_says_whose_order_it_asks_for_and_nothing_else(
    mainland: Caller, query: str, detail: dict[str, Any]
) -> None:
    mainland.place()
    answer = mainland.call("GET", f"{mainland.home}/out-trade-no/{NUMBER}?{query}".rstrip("?"))
    assert (answer["status"], answer["code"]) == (400, "PARAM_ERROR")
    assert detail.items() <= answer["detail"].items()


def test_closing_is_204_and_can_be_repeated(app: Simulator, anyone: Caller) -> None:
    anyone.place()
    assert anyone.close() == anyone.close() == {"status": 204}
    assert anyone.state() == "CLOSED"


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("SUCCESS", 400, "ORDER_PAID"),
        ("REFUND", 400, "ORDER_PAID"),
        ("USERPAYING", 403, "TRADE_ERROR"),
        ("REVOKED", 403, "TRADE_ERROR"),
    ],
)
def test_what_cannot_be_closed_says_why(
    app: Simulator, anyone: Caller, state: str, status: int, code: str
) -> None:
    anyone.place()
    app.set_state(anyone.mch_id, NUMBER, state)
    answer = anyone.close()
    assert (answer["status"], answer["code"]) == (status, code)
    assert anyone.state() == state


def test_a_failed_payment_is_closed(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.set_state(MAINLAND, NUMBER, "PAYERROR")
    assert mainland.close()["status"] == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, ""), ({"mchid": GLOBAL}, "/mchid"), ({"mchid": MAINLAND, "x": 1}, "/x")],
)
def test_a_close_says_whose_order_it_is(mainland: Caller, body: dict[str, Any], field: str) -> None:
    mainland.place()
    answer = mainland.call("POST", f"{mainland.home}/out-trade-no/{NUMBER}/close", body)
    assert (answer["code"], answer["detail"]["field"]) == ("PARAM_ERROR", field)
    assert mainland.state() == "NOTPAY"


def test_a_global_order_may_be_closed_by_its_id(app: Simulator, overseas: Caller) -> None:
    overseas.place()
    paid = app.pay(GLOBAL, NUMBER)
    path = f"{overseas.home}/id/{paid['transaction_id']}/close"
    assert overseas.call("POST", path, overseas.whose)["code"] == "ORDER_PAID"


def test_the_five_minutes_before_closing_can_be_kept() -> None:
    app = create_app(options=Options(close_after_s=300, live=False))
    caller = Caller(app)
    caller.place()
    answer = caller.close()
    assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
    app.advance(300)
    assert caller.close()["status"] == 204


def test_seven_days_unpaid_are_closed(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.advance(7 * 86_400)
    assert mainland.state() == "CLOSED"
