"""Refund objects become facts: callbacks and answers, both families, three words for closed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import CouponRefund, RefundFact, RefundPayout, RefundStatus
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v3.refunds import refund_fact
from tests.protocol.v3.samples import without

NOTICE: dict[str, Any] = {
    "sp_mchid": "1900000100",
    "sub_mchid": "1900000109",
    "out_trade_no": "DOM20240501A",
    "transaction_id": "4200002177202405011234567890",
    "out_refund_no": "RF20240501A",
    "refund_id": "50300708412024050112345678901",
    "refund_status": "SUCCESS",
    "success_time": "2024-05-01T16:59:55+08:00",
    "user_received_account": "支付用户零钱",
    "amount": {"total": 100, "refund": 50, "payer_total": 90, "payer_refund": 45},
}


def read(refund: dict[str, Any]) -> RefundFact:
    return refund_fact(refund, source="v3.notice")


def test_a_refund_is_read_member_by_member():
    assert read(NOTICE) == RefundFact(
        source="v3.notice",
        mch_id="1900000100",
        sub_mch_id="1900000109",
        out_trade_no="DOM20240501A",
        transaction_id="4200002177202405011234567890",
        out_refund_no="RF20240501A",
        refund_id="50300708412024050112345678901",
        refund_status=RefundStatus.SUCCESS,
        refund_fee=50,
        total_fee=100,
        fee_type="CNY",
        success_time=datetime(2024, 5, 1, 16, 59, 55, tzinfo=BEIJING),
        user_received_account="支付用户零钱",
        payout=RefundPayout(payer_refund=45),
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("PROCESSING", "PROCESSING"),
        ("SUCCESS", "SUCCESS"),
        ("CLOSED", "CLOSED"),
        ("CLOSE", "CLOSED"),
        ("REFUNDCLOSE", "CLOSED"),
        ("ABNORMAL", "ABNORMAL"),
    ],
)
@pytest.mark.parametrize("name", ["refund_status", "status"])
def test_every_word_for_a_status_is_one_of_four(name, said, meant):
    assert read(without(NOTICE, "refund_status") | {name: said}).refund_status == meant


def test_an_answers_names_say_the_same():
    answer = without(NOTICE, "refund_id", "refund_status", "user_received_account", "success_time")
    fact = read(answer | {"id": "502", "status": "ABNORMAL", "recv_account": "User balance"})

    assert (fact.refund_id, fact.user_received_account) == ("502", "User balance")
    assert fact.success_time is None


def test_the_currency_is_the_documents_where_it_names_one():
    assert read(NOTICE | {"amount": {"refund": 444, "currency": "HKD"}}).fee_type == "HKD"


@pytest.mark.parametrize(
    "changes",
    [
        {"refund_status": "DONE"},
        {"refund_status": None},
        {"refund_status": 1},
        {"refund_id": ""},
        {"out_refund_no": None},
        {"amount": None},
        {"amount": {}},
        {"amount": {"refund": 0}},
        {"amount": {"refund": 50.0}},
        {"amount": {"refund": True}},
        {"amount": {"refund": "50"}},
        {"amount": {"refund": 50, "total": "100"}},
        {"amount": []},
        {"out_trade_no": 5},
        {"out_trade_no": "T" * 33},
        {"out_refund_no": "R" * 65},
        {"out_refund_no": "R\ud83c"},
        {"refund_id": "5" * 33},
        {"transaction_id": "4\0"},
    ],
)
def test_a_refund_that_does_not_say_which_or_how_much_is_malformed(changes):
    with pytest.raises(MalformedMessage):
        read(NOTICE | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"success_time": "yesterday"},
        {"success_time": 5},
        {"recv_account": 5, "user_received_account": ""},
        {"user_received_account": []},
    ],
)
def test_what_only_describes_does_not_stand_in_a_refunds_way(changes):
    assert read(NOTICE | changes).refund_status is RefundStatus.SUCCESS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(changes=st.dictionaries(st.sampled_from(sorted(NOTICE)), JSON))
def test_no_refund_object_whatever_raises_anything_else(changes):
    content = json.loads(json.dumps(NOTICE | changes))
    try:
        fact = read(content)
    except MalformedMessage:
        return
    assert type(fact.refund_fee) is int


def test_how_it_is_paid_out_is_read_from_every_spelling():
    answer = {
        "id": "50300708412024050112345678901",
        "out_refund_no": "RF1",
        "status": "SUCCESS",
        "channel": "BALANCE",
        "fund_source": "REFUND_SOURCE_REchARGE_FUNDS",
        "amount": {"refund": 50, "currency": "HKD", "payer_refund": 45, "payer_currency": "CNY"},
    }
    row = {"promotion_id": "109", "type": "COUPON", "refund_amount": 3}
    coupons = (CouponRefund(coupon_refund_id="109", coupon_type="COUPON", coupon_refund_fee=3),)
    spellings = [
        {"promotion_detail": [row, "no object"]},
        {"detail": row},
        {"refund_detail": [row]},
    ]
    for spelling in spellings:
        payout = read(answer | spelling).payout
        assert payout == RefundPayout(
            channel="BALANCE",
            funds_account="REFUND_SOURCE_REchARGE_FUNDS",
            payer_refund=45,
            payer_currency="CNY",
            coupons=coupons,
        )
    assert read(answer | {"detail": "text"}).payout.coupons == ()


def test_only_the_answer_to_a_global_refund_may_name_no_status():
    answer = {"id": "503", "out_refund_no": "RF1", "amount": {"refund": 50, "currency": "HKD"}}
    with pytest.raises(MalformedMessage, match="refund_status"):
        read(answer)
    fact = refund_fact(answer, source="v3.refund", absent=RefundStatus.PROCESSING)
    assert fact.refund_status is RefundStatus.PROCESSING
    with pytest.raises(MalformedMessage):
        refund_fact(answer | {"status": "?"}, source="v3.refund", absent=RefundStatus.PROCESSING)
