"""Combined orders: placed, paid, queried and closed at once, refunded one by one."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import ControlError, Options, Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import (
    APPID,
    INSTITUTION,
    MAINLAND,
    OPENID,
    Answer,
    Caller,
    Receiver,
)
from tests.simulator.v3.more.calling import code_of, post, sealed

HOME = "/v3/combine-transactions"
OTHER = "1900000109"


def sub(number: str = "S00001", mchid: str = MAINLAND, **changes: Any) -> dict[str, Any]:
    order = {
        "mchid": mchid,
        "out_trade_no": number,
        "attach": "a",
        "description": "tea",
        "amount": {"total_amount": 100, "currency": "CNY"},
    }
    return order | changes


BODY: dict[str, Any] = {
    "combine_appid": APPID,
    "combine_mchid": MAINLAND,
    "combine_out_trade_no": "C00001",
    "notify_url": "https://shop.example/combined",
    "sub_orders": [sub(), sub("S00002", OTHER)],
}
CLOSE = {
    "combine_appid": APPID,
    "sub_orders": [
        {"mchid": MAINLAND, "out_trade_no": "S00001"},
        {"mchid": OTHER, "out_trade_no": "S00002"},
    ],
}


def place(caller: Caller, kind: str = "native", **changes: Any) -> Answer:
    return post(caller, f"{HOME}/{kind}", BODY, **changes)


def query(caller: Caller, number: str = "C00001") -> Answer:
    return caller.call("GET", f"{HOME}/out-trade-no/{number}")


def close(caller: Caller, number: str = "C00001", **changes: Any) -> Answer:
    return post(caller, f"{HOME}/out-trade-no/{number}/close", CLOSE, **changes)


def states(answer: Answer) -> list[str]:
    return [one["trade_state"] for one in answer["sub_orders"]]


@pytest.mark.parametrize(
    ("kind", "member", "changes"),
    [
        ("native", "code_url", {}),
        ("app", "prepay_id", {}),
        ("jsapi", "prepay_id", {"combine_payer_info": {"openid": OPENID}}),
        (
            "h5",
            "h5_url",
            {"scene_info": {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}},
        ),
    ],
)
def test_a_combined_order_is_placed_and_paid_at_once(
    app: Simulator, mainland: Caller, kind: str, member: str, changes: dict[str, Any]
) -> None:
    placed = place(mainland, kind, **changes)
    assert (placed["status"], bool(placed[member])) == (200, True)
    assert place(mainland, kind, **changes)[member] != placed[member]
    assert states(query(mainland)) == ["NOTPAY", "NOTPAY"]
    paid = app.pay_combined(MAINLAND, "C00001")
    found = query(mainland)
    assert states(found) == ["SUCCESS", "SUCCESS"]
    assert found["combine_transaction_id"] == paid["combine_transaction_id"]
    assert [one["transaction_id"] for one in found["sub_orders"]] == paid["transaction_ids"]
    assert [one["amount"]["payer_amount"] for one in found["sub_orders"]] == [100, 100]
    assert code_of(place(mainland, kind, **changes)) == (400, "ORDER_PAID")
    assert code_of(close(mainland)) == (400, "ORDER_PAID")


def test_a_sub_order_is_refunded_like_any_other(app: Simulator, mainland: Caller) -> None:
    place(mainland)
    app.pay_combined(MAINLAND, "C00001")
    body = {
        "out_trade_no": "S00001",
        "out_refund_no": "R1",
        "amount": {"refund": 40, "total": 100, "currency": "CNY"},
    }
    refunded = mainland.call("POST", "/v3/refund/domestic/refunds", body)
    assert refunded["status"] == "PROCESSING"
    assert states(query(mainland)) == ["REFUND", "SUCCESS"]


def test_a_combined_order_is_closed_whole(app: Simulator, mainland: Caller) -> None:
    place(mainland)
    assert code_of(close(mainland, sub_orders=CLOSE["sub_orders"] * 2)) == (204, "")
    assert close(mainland)["status"] == 204
    assert states(query(mainland)) == ["CLOSED", "CLOSED"]
    assert code_of(place(mainland)) == (400, "ORDER_CLOSED")
    with pytest.raises(ControlError, match="the trade is closed"):
        app.pay_combined(MAINLAND, "C00001")
    with pytest.raises(ControlError, match="no combined order"):
        app.pay_combined(MAINLAND, "C00002")


def test_only_what_was_placed_is_closed(mainland: Caller) -> None:
    place(mainland)
    others = [{"mchid": MAINLAND, "out_trade_no": f"S0000{n}"} for n in (1, 3)]
    assert code_of(close(mainland, sub_orders=others)) == (400, "INVALID_REQUEST")
    assert code_of(close(mainland, combine_appid="wx1")) == (400, "INVALID_REQUEST")
    assert code_of(close(mainland, "C00002")) == (404, "ORDER_NOT_EXIST")
    assert code_of(query(mainland, "C00002")) == (404, "ORDER_NOT_EXIST")
    assert states(query(mainland)) == ["NOTPAY", "NOTPAY"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"combine_mchid": OTHER}, (400, "PARAM_ERROR")),
        ({"time_expire": "tomorrow"}, (400, "PARAM_ERROR")),
        ({"time_start": "20260101120000"}, (400, "PARAM_ERROR")),
        ({"time_expire": "2026-01-01T12:00:59+08:00"}, (400, "PARAM_ERROR")),
        ({"sub_orders": [sub(), sub("S00002", OTHER, sub_mchid="1")]}, (400, "PARAM_ERROR")),
        (
            {"sub_orders": [sub(), sub("S00002", "1900000100", sub_mchid="x")]},
            (400, "MCH_NOT_EXISTS"),
        ),
        ({"combine_appid": "wx1"}, (400, "APPID_MCHID_NOT_MATCH")),
        ({"sub_orders": [sub()]}, (400, "PARAM_ERROR")),
        ({"sub_orders": [sub(), sub()]}, (403, "OUT_TRADE_NO_USED")),
        ({"sub_orders": [sub(f"S{n:05d}") for n in range(51)]}, (400, "PARAM_ERROR")),
        ({"sub_orders": [sub(), sub("S00002", "1900000999")]}, (400, "MCH_NOT_EXISTS")),
        ({"sub_orders": [sub(), sub("S00002", "1900000100")]}, (400, "PARAM_ERROR")),
        ({"sub_orders": [sub(), sub("S00002", amount={"total": 1})]}, (400, "PARAM_ERROR")),
        ({"sub_orders": [sub(), sub("S00002", attach=None)]}, (400, "PARAM_ERROR")),
        ({"notify_url": None}, (400, "PARAM_ERROR")),
        ({"amount": {}}, (400, "PARAM_ERROR")),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(
    mainland: Caller, changes: dict[str, Any], code: tuple[int, str]
) -> None:
    assert code_of(place(mainland, **changes)) == code
    assert code_of(query(mainland)) == (404, "ORDER_NOT_EXIST")


def test_a_jsapi_order_names_its_payer_and_h5_its_scene(mainland: Caller) -> None:
    assert code_of(place(mainland, "jsapi")) == (400, "PARAM_ERROR")
    nobody = {"identity": {"type": "IDCARD", "number": "eHh4", "name": "eHh4"}}
    answer = place(mainland, "jsapi", combine_payer_info=nobody)
    assert code_of(answer) == (400, "PARAM_ERROR")
    assert code_of(place(mainland, "h5")) == (400, "PARAM_ERROR")
    assert place(mainland)["status"] == 200
    assert code_of(place(mainland, "app")) == (403, "OUT_TRADE_NO_USED")
    another = [sub(), sub("S00003", OTHER)]
    assert code_of(place(mainland, sub_orders=another)) == (400, "INVALID_REQUEST")


IDENTITY = {"type": "IDCARD"}


def payer(name: str = "张三") -> dict[str, Any]:
    """Return a payer whose identity is encrypted anew."""
    identity = IDENTITY | {"number": sealed("11010119900101001X"), "name": sealed(name)}
    return {"openid": OPENID, "identity": identity}


def test_an_identity_is_opened_and_compared_in_plain_text(mainland: Caller) -> None:
    assert place(mainland, "jsapi", combine_payer_info=payer())["status"] == 200
    assert place(mainland, "jsapi", combine_payer_info=payer())["status"] == 200
    another = place(mainland, "jsapi", combine_payer_info=payer("李四"))
    assert code_of(another) == (400, "INVALID_REQUEST")
    assert query(mainland)["combine_payer_info"] == {"openid": OPENID}


@pytest.mark.parametrize("member", ["number", "name"])
def test_an_identity_that_is_not_encrypted_is_refused(mainland: Caller, member: str) -> None:
    plain = payer()
    plain["identity"][member] = "eHh4"
    answer = place(mainland, "jsapi", combine_payer_info=plain)
    assert code_of(answer) == (400, "PARAM_ERROR")
    assert answer["detail"]["field"] == f"/combine_payer_info/identity/{member}"
    nameless = BODY | {"combine_payer_info": payer()}
    assert code_of(mainland.call("POST", f"{HOME}/jsapi", nameless)) == (400, "PARAM_ERROR")
    assert code_of(query(mainland)) == (404, "ORDER_NOT_EXIST")


def test_a_customer_may_come_again_from_another_address(mainland: Caller) -> None:
    scene: dict[str, Any] = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    assert place(mainland, "h5", scene_info=scene)["status"] == 200
    moved = scene | {"payer_client_ip": "203.0.113.8", "device_id": "d"}
    assert place(mainland, "h5", scene_info=moved)["status"] == 200
    other = scene | {"h5_info": {"type": "iOS"}}
    assert code_of(place(mainland, "h5", scene_info=other)) == (400, "INVALID_REQUEST")


EXPIRE = "2026-01-01T12:10:00+08:00"


def test_a_combined_order_is_paid_until_it_expires(app: Simulator, mainland: Caller) -> None:
    start = "2026-01-01T12:00:00+08:00"
    assert place(mainland, time_start=start, time_expire=EXPIRE)["status"] == 200
    assert place(mainland, time_expire=EXPIRE)["status"] == 200
    later = place(mainland, time_expire="2026-01-01T12:20:00+08:00")
    assert code_of(later) == (400, "INVALID_REQUEST")
    app.advance(601)
    assert code_of(place(mainland, time_expire=EXPIRE)) == (400, "ORDER_CLOSED")
    with pytest.raises(ControlError) as refused:
        app.pay_combined(MAINLAND, "C00001")
    assert refused.value.code == "expired"
    assert states(query(mainland)) == ["NOTPAY", "NOTPAY"]


def test_a_combined_order_is_paid_in_its_last_second(app: Simulator, mainland: Caller) -> None:
    place(mainland, time_expire=EXPIRE)
    app.advance(600)
    assert app.pay_combined(MAINLAND, "C00001")["combine_transaction_id"]


def test_a_combined_order_is_closed_after_seven_days(app: Simulator, mainland: Caller) -> None:
    place(mainland)
    app.advance(7 * 86_400)
    with pytest.raises(ControlError) as refused:
        app.pay_combined(MAINLAND, "C00001")
    assert refused.value.code == "closed"
    assert states(query(mainland)) == ["CLOSED", "CLOSED"]
    assert code_of(place(mainland)) == (400, "ORDER_CLOSED")


def test_a_prepay_of_a_combined_order_ends_too(app: Simulator, mainland: Caller) -> None:
    place(mainland)
    app.advance(2 * 3600)
    with pytest.raises(ControlError) as refused:
        app.pay_combined(MAINLAND, "C00001")
    assert refused.value.code == "prepay_expired"
    place(mainland)
    assert app.pay_combined(MAINLAND, "C00001")["combine_transaction_id"]


def test_a_sub_order_has_no_calls_of_an_order(app: Simulator, mainland: Caller) -> None:
    place(mainland)
    assert code_of(mainland.query("S00001")) == (404, "ORDER_NOT_EXIST")
    assert code_of(mainland.close("S00001")) == (404, "ORDER_NOT_EXIST")
    assert code_of(mainland.place(out_trade_no="S00001")) == (403, "OUT_TRADE_NO_USED")
    assert states(query(mainland)) == ["NOTPAY", "NOTPAY"]
    transaction_id = app.pay_combined(MAINLAND, "C00001")["transaction_ids"][0]
    assert code_of(mainland.query_id(transaction_id)) == (404, "ORDER_NOT_EXIST")


def test_a_partner_has_the_sub_merchants_that_it_has(receiver: Receiver) -> None:
    options = Options(sub_mch_ids=frozenset({"1900000113"}))
    app = create_app(clock=lambda: START, deliver=receiver, options=options)
    caller = Caller(app)
    orders = [sub(), sub("S00002", INSTITUTION, sub_mchid="1900000114")]
    assert code_of(place(caller, sub_orders=orders)) == (400, "MCH_NOT_EXISTS")
    orders[1]["sub_mchid"] = "1900000113"
    assert place(caller, sub_orders=orders)["status"] == 200
    named = [
        {"mchid": one["mchid"], "out_trade_no": one["out_trade_no"], "sub_mchid": "1900000114"}
        for one in orders
    ]
    assert code_of(close(caller, sub_orders=named)) == (400, "INVALID_REQUEST")
    del named[0]["sub_mchid"]
    named[1]["sub_mchid"] = "1900000113"
    assert close(caller, sub_orders=named)["status"] == 204


def test_numbers_that_are_used_are_used(mainland: Caller) -> None:
    mainland.place(out_trade_no="S00001")
    assert code_of(place(mainland)) == (403, "OUT_TRADE_NO_USED")
    partner = [sub("S00004"), sub("S00002", INSTITUTION, sub_mchid="1900000113")]
    assert place(mainland, sub_orders=partner)["status"] == 200
    assert query(mainland)["sub_orders"][1]["sub_mchid"] == "1900000113"
    answer = mainland.control("combined", {"mch_id": MAINLAND, "combine_out_trade_no": "C00001"})
    assert len(answer.json()["transaction_ids"]) == 2
