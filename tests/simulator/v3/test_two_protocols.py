"""One ledger under both protocols: what one has placed, the other can see and close."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import Merchant as Account
from django_wxpay.simulator import DEMO_MERCHANTS, Reply, Simulator, create_app
from tests.simulator.calling import KEY, Merchant
from tests.simulator.conftest import START
from tests.simulator.v3.calling import MAINLAND, NUMBER, OPENID, Caller, Receiver


@pytest.fixture
def app(receiver: Receiver) -> Simulator:
    """A gateway whose v3 merchant has a v2 key as well."""
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    return create_app([replace(demo, api_key=KEY)], clock=lambda: START, deliver=receiver)


@pytest.fixture
def old(app: Simulator) -> Merchant:
    return Merchant(app, mch_id=MAINLAND)


def test_what_v2_placed_v3_queries(app: Simulator, old: Merchant, mainland: Caller) -> None:
    old.place(attach="x", version="1.0", device_info="WEB")
    assert mainland.state() == "NOTPAY"
    coupon = {"coupon_id": "9", "coupon_type": "NO_CASH", "coupon_fee": 10}
    paid = app.pay(MAINLAND, NUMBER, openid=OPENID, coupons=[coupon])
    answer = mainland.query_id(paid["transaction_id"])
    assert (answer["trade_state"], answer["attach"]) == ("SUCCESS", "x")
    assert (answer["payer"], answer["trade_type"]) == ({"openid": OPENID}, "NATIVE")
    assert answer["amount"]["payer_total"] == 90
    assert answer["scene_info"] == {"device_id": "WEB"}
    [promotion] = answer["promotion_detail"]
    assert (promotion["coupon_id"], promotion["type"]) == ("9", "NOCASH")


def test_what_v2_placed_v3_closes(old: Merchant, mainland: Caller) -> None:
    old.place()
    assert mainland.close()["status"] == 204
    assert old.state() == "CLOSED"


def test_what_v3_placed_v2_queries_and_closes(
    app: Simulator, old: Merchant, mainland: Caller
) -> None:
    mainland.place("jsapi", attach="x")
    answer = old.query()
    assert (answer["trade_state"], answer["attach"]) == ("NOTPAY", "x")
    assert old.close()["result_code"] == "SUCCESS"
    assert mainland.state() == "CLOSED"
    mainland.place(out_trade_no="T20260101000002")
    app.pay(MAINLAND, "T20260101000002")
    paid = old.query(out_trade_no="T20260101000002")
    assert (paid["total_fee"], paid["fee_type"], paid["cash_fee"]) == ("100", "CNY", "100")


def test_neither_enters_the_others_order_again(old: Merchant, mainland: Caller) -> None:
    old.place()
    answer = mainland.place()
    assert (answer["status"], answer["code"]) == (403, "OUT_TRADE_NO_USED")
    mainland.place(out_trade_no="T20260101000002")
    answer = old.place(out_trade_no="T20260101000002", product_id="P1")
    assert answer["err_code"] == "OUT_TRADE_NO_USED"


def test_each_order_is_notified_in_the_protocol_that_placed_it(
    app: Simulator, old: Merchant, mainland: Caller, receiver: Receiver
) -> None:
    old.place()
    mainland.place(out_trade_no="T20260101000002")
    receiver.answers = [Reply(200, b"<xml><return_code>SUCCESS</return_code></xml>")]
    app.pay(MAINLAND, NUMBER)
    app.pay(MAINLAND, "T20260101000002")
    assert v2.verify(v2.decode_xml(receiver.bodies[0]), KEY)
    assert receiver.bodies[1].startswith(b'{"id":')
    states = [trade["notification"] for trade in app.ledger()["trades"]]
    assert states == ["accepted", "accepted"]


def test_an_xml_success_is_no_answer_to_json_nor_the_other_way_round(
    app: Simulator, old: Merchant, mainland: Caller, receiver: Receiver
) -> None:
    old.place()
    mainland.place(out_trade_no="T20260101000002")
    receiver.answers = [
        Reply(200, b'{"code": "SUCCESS"}'),
        Reply(200, b"<xml><return_code>SUCCESS</return_code></xml>"),
    ]
    app.pay(MAINLAND, NUMBER)
    app.pay(MAINLAND, "T20260101000002")
    states = [trade["notification"] for trade in app.ledger()["trades"]]
    assert states == ["pending", "pending"]


def test_a_merchant_without_an_api_key_cannot_speak_v2() -> None:
    old = Merchant(create_app(), mch_id=MAINLAND)
    response = old.post("/pay/unifiedorder", old.signed({"body": "x"}))
    assert v2.decode_xml(response.content)["return_msg"] == "签名错误"


def test_two_aliases_of_one_merchant_share_the_ledger(receiver: Receiver) -> None:
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    old = Account(alias="old", mch_id=MAINLAND, appid=demo.appid, api_key=KEY)
    app = create_app([old, demo], clock=lambda: START, deliver=receiver)
    Merchant(app, mch_id=MAINLAND).place()
    caller = Caller(app)
    assert caller.state() == "NOTPAY"
    assert caller.certificates()["code"] == "RESOURCE_NOT_EXISTS"
