"""Notifications of refunds, in the protocol of their order.

Sources: protocol-v3 section 6.3 and protocol-v2 section 7.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import RefundFact, RefundStatus
from django_wxpay.protocol.v2.notices import read_notice as read_notice_v2
from django_wxpay.protocol.v3.notices import read_notice
from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    ControlError,
    Options,
    Reply,
    Simulator,
    create_app,
)
from django_wxpay.simulator.v3.demo_keys import TEST_API_V3_KEY
from tests.simulator.calling import ACKNOWLEDGED as XML_HEARD
from tests.simulator.calling import INSTITUTION as OLD_INSTITUTION
from tests.simulator.calling import INSTITUTION_KEY, KEY, Merchant
from tests.simulator.calling import MCH_ID as OLD
from tests.simulator.v3.calling import (
    INSTITUTION,
    MAINLAND,
    NOTIFY_URL,
    NUMBER,
    SUB_MCHID,
    Caller,
    Receiver,
    signed_by,
)

REFUND_URL = "https://shop.example/wxpay/notify/default/refund/"
REFUND = "R20260101000001"


@pytest.fixture
def old(app: Simulator, receiver: Receiver) -> Merchant:
    """A v2 merchant with a paid order."""
    merchant = Merchant(app)
    merchant.place()
    receiver.usually = Reply(200, XML_HEARD)
    app.pay(OLD, NUMBER)
    return merchant


def paid(app: Simulator, caller: Caller, receiver: Receiver, **how: Any) -> str:
    caller.place()
    transaction_id: str = app.pay(caller.mch_id, NUMBER, **how)["transaction_id"]
    receiver.bodies.clear()
    receiver.headers.clear()
    receiver.urls.clear()
    return transaction_id


def test_a_mainland_refund_is_notified(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    transaction_id = paid(app, mainland, receiver, payer_total=90)
    message = app.refund_notice(MAINLAND, NUMBER, REFUND, refund_fee=50, notify_url=REFUND_URL)
    assert message["notification"] == "accepted"
    assert receiver.urls == [REFUND_URL]
    [envelope], [resource] = receiver.envelopes, receiver.resources
    assert (envelope["event_type"], envelope["summary"]) == ("REFUND.SUCCESS", "退款成功")
    assert envelope["resource"]["associated_data"] == "refund"
    assert envelope["resource"]["original_type"] == "refund"
    assert resource == {
        "mchid": MAINLAND,
        "out_trade_no": NUMBER,
        "transaction_id": transaction_id,
        "out_refund_no": REFUND,
        "refund_id": message["refund_id"],
        "refund_status": "SUCCESS",
        "success_time": "2026-01-01T12:00:00+08:00",
        "user_received_account": "支付用户零钱",
        "amount": {"total": 100, "refund": 50, "payer_total": 90, "payer_refund": 45},
    }
    assert len(message["refund_id"]) == 29
    assert message["refund_id"].startswith("50320260101")
    assert signed_by(app, receiver.headers[0], receiver.bodies[0])
    assert mainland.state() == "REFUND"


def test_a_global_refund_is_notified_with_its_currencies(
    app: Simulator, institution: Caller, receiver: Receiver
) -> None:
    paid(app, institution, receiver, exchange_rate=650_000_000)
    app.refund_notice(INSTITUTION, NUMBER, REFUND, refund_fee=33)
    assert receiver.urls == [NOTIFY_URL]
    [resource] = receiver.resources
    assert (resource["sp_mchid"], resource["sub_mchid"]) == (INSTITUTION, SUB_MCHID)
    assert resource["fund_source"] == "REFUND_SOURCE_UNSETTLED_FUNDS"
    assert resource["recv_account"]
    assert resource["amount"] == {
        "total": 100,
        "currency": "USD",
        "refund": 33,
        "payer_total": 650,
        "payer_refund": 215,
        "payer_currency": "CNY",
        "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": 650_000_000},
    }
    assert receiver.envelopes[0]["summary"] == "Refund success"


@pytest.mark.parametrize(
    ("status", "here", "there", "fact"),
    [
        ("SUCCESS", "SUCCESS", "SUCCESS", RefundStatus.SUCCESS),
        ("ABNORMAL", "ABNORMAL", "ABNORMAL", RefundStatus.ABNORMAL),
        ("CLOSED", "CLOSED", "REFUNDCLOSE", RefundStatus.CLOSED),
    ],
)
def test_a_refund_ends_in_one_of_three_ways(
    app: Simulator,
    mainland: Caller,
    overseas: Caller,
    receiver: Receiver,
    status: str,
    here: str,
    there: str,
    fact: RefundStatus,
) -> None:
    for caller, word in ((mainland, here), (overseas, there)):
        paid(app, caller, receiver)
        app.refund_notice(caller.mch_id, NUMBER, REFUND, status=status)
        assert receiver.envelopes[0]["event_type"] == f"REFUND.{status}"
        assert receiver.resources[0]["refund_status"] == word
        assert ("success_time" in receiver.resources[0]) is (status == "SUCCESS")
        notice = read_notice(
            receiver.bodies[0], merchant=replace(DEMO_MERCHANTS[0], api_v3_key=TEST_API_V3_KEY)
        )
        assert isinstance(notice.fact, RefundFact)
        assert (notice.fact.refund_status, notice.fact.refund_fee) == (fact, 100)


@pytest.mark.parametrize(
    ("status", "word", "fact"),
    [
        ("SUCCESS", "SUCCESS", RefundStatus.SUCCESS),
        ("ABNORMAL", "CHANGE", RefundStatus.ABNORMAL),
        ("CLOSED", "REFUNDCLOSE", RefundStatus.CLOSED),
    ],
)
def test_a_refund_of_a_v2_order_is_notified_in_v2(
    app: Simulator, old: Merchant, receiver: Receiver, status: str, word: str, fact: RefundStatus
) -> None:
    message = app.refund_notice(
        OLD, NUMBER, REFUND, refund_fee=40, status=status, notify_url=REFUND_URL
    )
    assert message["notification"] == "accepted"
    assert receiver.urls[-1] == REFUND_URL
    outer = v2.decode_xml(receiver.bodies[-1])
    assert outer.keys() == {"return_code", "appid", "mch_id", "nonce_str", "req_info"}
    inner = v2.decrypt_req_info(outer["req_info"], KEY)
    assert (inner["refund_status"], inner["refund_fee"]) == (word, "40")
    assert inner.get("success_time") == ("2026-01-01 12:00:00" if word == "SUCCESS" else None)
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == OLD]
    notice = read_notice_v2(receiver.bodies[-1], merchant=demo)
    assert isinstance(notice.fact, RefundFact)
    assert (notice.fact.refund_status, notice.fact.refund_id) == (fact, message["refund_id"])
    assert old.state() == "REFUND"


def test_an_institutions_v2_refund_names_the_sub_merchant(
    app: Simulator, receiver: Receiver
) -> None:
    merchant = Merchant(app, mch_id=OLD_INSTITUTION, key=INSTITUTION_KEY, sub_mch_id=OLD)
    merchant.place()
    app.pay(OLD_INSTITUTION, NUMBER)
    app.refund_notice(OLD_INSTITUTION, NUMBER, REFUND)
    assert v2.decode_xml(receiver.bodies[-1])["sub_mch_id"] == OLD


def test_the_same_refund_may_end_twice(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    paid(app, mainland, receiver)
    first = app.refund_notice(MAINLAND, NUMBER, REFUND, refund_fee=60, status="ABNORMAL")
    app.advance(60)
    second = app.refund_notice(MAINLAND, NUMBER, REFUND)
    assert first["refund_id"] == second["refund_id"]
    assert (second["refund_fee"], second["refund_status"]) == (60, "SUCCESS")
    assert [message["amount"]["refund"] for message in receiver.resources] == [60, 60]
    assert receiver.resources[1]["success_time"] == "2026-01-01T12:01:00+08:00"
    assert app.ledger()["refunds"] == [second]


def test_two_refunds_are_two(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    paid(app, mainland, receiver)
    app.refund_notice(MAINLAND, NUMBER, REFUND, refund_fee=10)
    app.refund_notice(MAINLAND, NUMBER, "R2", refund_fee=20)
    assert len({message["refund_id"] for message in receiver.resources}) == 2
    rows = app.ledger()["notifications"][1:]
    assert [row["out_refund_no"] for row in rows] == [REFUND, "R2"]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"status": "PROCESSING"}, "invalid"),
        ({"refund_fee": 0}, "invalid"),
        ({"refund_fee": 101}, "invalid"),
        ({"colour": "red"}, "invalid"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(
    app: Simulator, mainland: Caller, receiver: Receiver, how: dict[str, Any], code: str
) -> None:
    paid(app, mainland, receiver)
    with pytest.raises(ControlError) as error:
        app.refund_notice(MAINLAND, NUMBER, REFUND, **how)
    assert error.value.code == code
    assert (receiver.bodies, app.ledger()["refunds"]) == ([], [])
    assert mainland.state() == "SUCCESS"


def test_one_number_is_one_refund(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    paid(app, mainland, receiver)
    mainland.place(out_trade_no="T20260101000002")
    app.pay(MAINLAND, "T20260101000002")
    app.refund_notice(MAINLAND, NUMBER, REFUND, refund_fee=10)
    with pytest.raises(ControlError, match="another refund"):
        app.refund_notice(MAINLAND, NUMBER, REFUND, refund_fee=11)
    with pytest.raises(ControlError, match="another refund"):
        app.refund_notice(MAINLAND, "T20260101000002", REFUND, refund_fee=10)


def test_what_was_not_paid_is_not_refunded(mainland: Caller) -> None:
    mainland.place()
    body = {"mch_id": MAINLAND, "out_trade_no": NUMBER, "out_refund_no": REFUND}
    response = mainland.control("refund-notice", body)
    assert (response.status_code, response.json()["code"]) == (400, "not_paid")
    missing = mainland.control("refund-notice", {**body, "out_trade_no": "T2"})
    assert missing.status_code == 404


def test_the_control_plane_sends_a_refund_notice(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    paid(app, mainland, receiver)
    body = {"mch_id": MAINLAND, "out_trade_no": NUMBER, "out_refund_no": REFUND, "refund_fee": 1}
    response = mainland.control("refund-notice", body)
    assert response.json()["notification"] == "accepted"
    assert len(receiver.bodies) == 1


def test_a_refund_notice_is_repeated_in_the_same_rhythm(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    paid(app, mainland, receiver)
    receiver.usually = Reply(500, b"")
    assert app.refund_notice(MAINLAND, NUMBER, REFUND)["notification"] == "pending"
    assert app.advance(86_640) == 15
    assert app.ledger()["refunds"][0]["notification"] == "exhausted"
    assert app.ledger()["trades"][0]["notification"] == "accepted"


@pytest.mark.parametrize("fault", ["bad_signature", "unsigned", "wrong_mch_id", "wrong_amount"])
def test_faults_befall_a_v2_refund_notice(
    app: Simulator, old: Merchant, receiver: Receiver, fault: str
) -> None:
    app.inject(fault, operation="notify")
    app.refund_notice(OLD, NUMBER, REFUND, notify_url=REFUND_URL)
    outer = v2.decode_xml(receiver.bodies[-1])
    if fault == "bad_signature":
        with pytest.raises(MalformedMessage):
            v2.decrypt_req_info(outer["req_info"], KEY)
    elif fault == "unsigned":
        assert "req_info" not in outer
    else:
        inner = v2.decrypt_req_info(outer["req_info"], KEY)
        message = (outer["mch_id"], inner["total_fee"])
        assert message == ((OLD, "101") if fault == "wrong_amount" else ("1900009999", "100"))
    failures = [row["fault"] for row in app.ledger()["client_failures"]]
    assert failures == ([fault] if fault in {"bad_signature", "unsigned"} else [])


def test_a_wrong_currency_says_nothing_in_a_v2_refund_notice(
    app: Simulator, old: Merchant, receiver: Receiver
) -> None:
    app.inject("wrong_currency")
    app.refund_notice(OLD, NUMBER, REFUND)
    assert "fee_type" not in v2.decode_xml(receiver.bodies[-1])


def test_a_lost_refund_notice_is_lost(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    paid(app, mainland, receiver)
    app.inject("lost")
    assert app.refund_notice(MAINLAND, NUMBER, REFUND)["notification"] == "lost"
    assert receiver.bodies == []


def test_a_live_simulator_tells_of_refunds_too(receiver: Receiver) -> None:
    app = create_app(deliver=receiver, options=Options(live=True))
    caller = Caller(app)
    caller.place()
    app.pay(MAINLAND, NUMBER)
    app.refund_notice(MAINLAND, NUMBER, REFUND)
    app.advance(0.001)
    assert {envelope["event_type"] for envelope in receiver.envelopes} == {
        *("TRANSACTION.SUCCESS", "REFUND.SUCCESS")
    }
