"""Global refunds over v3: the answer without a status, the queries, and the list of an order."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import Options, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import (
    APPID,
    GLOBAL,
    INSTITUTION,
    NUMBER,
    SUB_MCHID,
    Answer,
    Caller,
    Receiver,
)
from tests.simulator.v3.test_refunds import refunds

REFUND = "R20260101000001"
URL = "https://shop.example/wxpay/notify/default/refund/"
HOME = "/v3/global/refunds"
RATE = 650_000_000
COUPONS = [{"coupon_id": "11", "coupon_type": "NO_CASH", "coupon_fee": 20}]


def body(caller: Caller, **members: Any) -> dict[str, Any]:
    appid = "appid" if "mchid" in caller.whose else "sp_appid"
    given = {
        appid: APPID,
        **caller.whose,
        "out_trade_no": NUMBER,
        "out_refund_no": REFUND,
        **members,
        "amount": {"refund": 40, "total": 100, "currency": "USD", **members.get("amount", {})},
    }
    return {name: value for name, value in given.items() if value is not None}


def ask(caller: Caller, **members: Any) -> Answer:
    return caller.call("POST", HOME, body(caller, **members))


def find(caller: Caller, path: str = f"out-refund-no/{REFUND}") -> Answer:
    return caller.call("GET", f"{HOME}/{path}?{caller.asking()}")


def listed(caller: Caller, query: str = f"out_trade_no={NUMBER}&offset=0&count=20") -> Answer:
    return caller.call("GET", f"{HOME}?{query}&{caller.asking()}")


def pay(caller: Caller, **how: Any) -> Caller:
    caller.place()
    caller.app.pay(caller.mch_id, NUMBER, **how)
    return caller


def refused(caller: Caller, given: object) -> tuple[int, str]:
    response = caller.send("POST", HOME, given)
    caller.trusted(response)
    return response.status_code, response.json()["code"]


@pytest.fixture(params=["overseas", "institution"])
def paid(request: pytest.FixtureRequest) -> Caller:
    caller: Caller = request.getfixturevalue(request.param)
    return pay(caller, exchange_rate=RATE)


AMOUNT = {
    "refund": 40,
    "payer_refund": 260,
    "currency": "USD",
    "payer_currency": "CNY",
    "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": RATE},
}


def test_an_answer_to_a_refund_has_no_status(paid: Caller) -> None:
    answer = ask(paid, reason="broken cup")
    assert answer == {
        # Of HTTP: these tests put it there.
        "status": 200,
        "id": answer["id"],
        "out_refund_no": REFUND,
        "create_time": "2026-01-01T12:00:00+08:00",
        "amount": AMOUNT,
    }
    assert paid.state() == "REFUND"
    assert ask(paid) == answer
    assert len(refunds(paid.app)) == 1


def test_a_refund_is_found_by_either_number(paid: Caller) -> None:
    made = ask(paid)
    found = find(paid)
    assert found == {
        "id": made["id"],
        "out_refund_no": REFUND,
        "transaction_id": paid.query()["id"],
        "out_trade_no": NUMBER,
        "channel": "ORIGINAL",
        "recv_account": "User balance",
        "fund_source": "REFUND_SOURCE_UNSETTLED_FUNDS",
        "create_time": "2026-01-01T12:00:00+08:00",
        "status": "PROCESSING",
        "amount": AMOUNT,
    }
    assert find(paid, f"id/{made['id']}") == found
    paid.app.advance(3)
    settled = find(paid)
    assert settled == found | {"status": "SUCCESS", "success_time": "2026-01-01T12:00:03+08:00"}


@pytest.mark.parametrize(
    ("fault", "status"), [("refund_closed", "REFUNDCLOSE"), ("refund_abnormal", "ABNORMAL")]
)
def test_a_closed_refund_has_a_word_of_its_own(
    paid: Caller, receiver: Receiver, fault: str, status: str
) -> None:
    paid.app.inject(fault)
    ask(paid, notify_url=URL)
    paid.app.advance(3)
    assert find(paid)["status"] == status
    assert listed(paid)["data"][0]["status"] == status
    assert receiver.urls[-1] == URL
    assert receiver.resources[-1]["refund_status"] == status


def test_the_list_has_the_refunds_of_one_order(paid: Caller) -> None:
    for number in range(25):
        ask(paid, out_refund_no=f"R{number:02d}", amount={"refund": 1})
    first = listed(paid)
    assert (first["total_num"], first["current_total_num"]) == (25, 20)
    assert [row["out_refund_no"] for row in first["data"]] == [f"R{n:02d}" for n in range(20)]
    assert not [row for row in first["data"] if {"out_trade_no", "transaction_id"} & row.keys()]
    assert (first["id"], first["out_trade_no"]) == (paid.query()["id"], NUMBER)
    assert {name: first[name] for name in paid.whose} == paid.whose
    assert first["amount"] == {
        "total": 100,
        "currency": "USD",
        "payer_total": 650,
        "payer_currency": "CNY",
    }
    second = listed(paid, f"transaction_id={first['id']}&offset=20&count=20")
    assert (second["total_num"], second["current_total_num"]) == (25, 5)
    assert [row["out_refund_no"] for row in second["data"]] == [f"R{n}" for n in range(20, 25)]
    behind = listed(paid, f"out_trade_no={NUMBER}&offset=25&count=20")
    assert (behind["data"], behind["total_num"], behind["current_total_num"]) == ([], 25, 0)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (f"out_trade_no={NUMBER}&count=20", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=0", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=0&count=0", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=0&count=21", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=-1&count=1", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=a&count=1", 400, "PARAM_ERROR"),
        ("offset=0&count=1", 400, "PARAM_ERROR"),
        (f"out_trade_no={NUMBER}&offset=0&count=1&limit=1", 400, "PARAM_ERROR"),
        ("out_trade_no=T20260101000009&offset=0&count=1", 404, "RESOURCE_NOT_EXISTS"),
    ],
)
def test_a_list_that_is_asked_for_wrongly_is_refused(
    paid: Caller, query: str, status: int, code: str
) -> None:
    ask(paid)
    response = paid.send("GET", f"{HOME}?{query}&{paid.asking()}")
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_an_order_without_refunds_has_no_list(paid: Caller) -> None:
    response = paid.send("GET", f"{HOME}?out_trade_no={NUMBER}&offset=0&count=1&{paid.asking()}")
    assert (response.status_code, response.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"amount": {"refund": 41}}, 400, "INVALID_REQUEST"),
        ({"amount": {"total": 99}}, 400, "INVALID_REQUEST"),
        ({"amount": {"currency": "HKD"}}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "R2", "amount": {"refund": 61}}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "R2", "amount": {"total": 99}}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "R2", "amount": {"currency": "HKD"}}, 400, "INVALID_REQUEST"),
        ({"out_refund_no": "R2", "out_trade_no": "T9"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"amount": {"refund": 0}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 1.5}}, 400, "PARAM_ERROR"),
        ({"amount": {"currency": "XXX"}}, 400, "PARAM_ERROR"),
        ({"amount": {"from": []}}, 400, "PARAM_ERROR"),
        ({"funds_account": "AVAILABLE"}, 400, "PARAM_ERROR"),
        ({"id": "4200000000202601010000000009"}, 400, "PARAM_ERROR"),
        ({"out_trade_no": None}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R?"}, 400, "PARAM_ERROR"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(
    paid: Caller, members: dict[str, Any], status: int, code: str
) -> None:
    ask(paid)
    assert refused(paid, body(paid, **members)) == (status, code)
    assert [row["refund_fee"] for row in refunds(paid.app)] == [40]


def test_the_merchant_is_named_as_its_mode_wants_it(overseas: Caller, institution: Caller) -> None:
    for caller in (overseas, institution):
        pay(caller)
        given = body(caller)
        for name in set(given) & {"appid", "sp_appid", "mchid", "sp_mchid", "sub_mchid"}:
            rest = {key: value for key, value in given.items() if key != name}
            assert refused(caller, rest) == (400, "PARAM_ERROR")
    assert refused(overseas, body(overseas, mchid=INSTITUTION)) == (400, "PARAM_ERROR")
    assert refused(overseas, body(overseas, sub_mchid=SUB_MCHID)) == (400, "PARAM_ERROR")
    assert refused(overseas, body(overseas, appid="wx9")) == (400, "APPID_MCHID_NOT_MATCH")
    foreign = body(institution, sub_mchid="1900000114")
    assert refused(institution, foreign) == (400, "INVALID_REQUEST")
    assert refused(institution, body(institution, sub_mchid="x")) == (404, "MCH_NOT_EXISTS")
    assert refunds(overseas.app) == []
    assert ask(institution, sub_appid="wx7777777777777777")["id"]


@pytest.mark.parametrize("path", [f"out-refund-no/{REFUND}", "id/50300000000000000000000000009"])
def test_an_unknown_refund_is_no_resource(paid: Caller, path: str) -> None:
    response = paid.send("GET", f"{HOME}/{path}?{paid.asking()}")
    assert (response.status_code, response.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")
    unnamed = paid.send("GET", f"{HOME}/{path}")
    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "PARAM_ERROR")


def test_a_mainland_merchant_has_no_global_refunds(mainland: Caller) -> None:
    assert refused(mainland, body(mainland)) == (403, "NO_AUTH")


@pytest.mark.parametrize("spelling", ["promotion_detail", "refund_detail", "detail"])
def test_promotions_have_several_spellings(receiver: Receiver, spelling: Any) -> None:
    options = Options(refund_promotions=spelling)
    app = create_app(clock=lambda: START, deliver=receiver, options=options)
    caller = pay(Caller(app, mch_id=GLOBAL, home="/v3/global/transactions"), coupons=COUPONS)
    promotion = {
        "promotion_id": "11",
        "scope": "GLOBAL",
        "type": "DISCOUNT",
        "amount": 20,
        "refund_amount": 8,
        "currency": "USD",
    }
    shown: Any = promotion if spelling == "detail" else [promotion]
    assert ask(caller)["promotions"] == {spelling: shown}
    assert find(caller)["promotions"] == {spelling: shown}
    assert listed(caller)["data"][0]["promotions"] == {"refund_detail": [promotion]}
    assert find(caller)["amount"]["payer_refund"] == 32


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/refund/domestic/refunds"),
        ("PUT", HOME),
        ("POST", f"{HOME}/id/1"),
        ("POST", f"{HOME}/out-refund-no/{REFUND}"),
        ("GET", "/v3/refund/domestic/refunds/1/apply-abnormal-refund"),
    ],
)
def test_another_method_is_405(overseas: Caller, method: str, path: str) -> None:
    response = overseas.session.request(method, overseas.host + path)
    assert (response.status_code, response.content) == (405, b"")


def test_the_overseas_path_with_another_prefix_is_unknown(overseas: Caller) -> None:
    response = overseas.session.get(f"{overseas.host}/v3/global/refund")
    assert (response.status_code, response.content) == (404, b"")
