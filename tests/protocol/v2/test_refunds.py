"""Refunds of v2: requests field by field, and answers with every indexed field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import BadAnswer, BadSignature, InvalidRefund
from django_wxpay.protocol.facts import CouponRefund, RefundFact, RefundPayout, RefundStatus
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.refunds import RefundRef, RefundTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v2 import refunds, verify
from django_wxpay.protocol.v2.fields import check_refund, check_refundquery

KEY = Secret("TESTKEYtestkeyTESTKEYtestkey0000")
ORDER = OrderRef(appid="wx8888888888888888", mch_id="1900000109", out_trade_no="T20260101000001")
TERMS = RefundTerms(order=ORDER, out_refund_no="R@1", refund_fee=45, total_fee=100, fee_type="USD")
REF = RefundRef(order=ORDER, out_refund_no="R@1")
ACCEPTED = {
    "mch_id": "1900000109",
    "out_trade_no": "T20260101000001",
    "transaction_id": "4200000000202601010000000001",
    "out_refund_no": "R@1",
    "refund_id": "50300000000000000000000000001",
    "refund_fee": "45",
    "settlement_refund_fee": "44",
    "total_fee": "100",
    "fee_type": "USD",
    "cash_fee": "700",
    "cash_fee_type": "CNY",
    "cash_refund_fee": "315",
    "coupon_refund_fee": "5",
    "coupon_refund_count": "2",
    "coupon_refund_id_0": "c0",
    "coupon_type_0": "CASH",
    "coupon_refund_fee_0": "3",
    "coupon_refund_id_1": "c1",
    "coupon_refund_fee_1": "2",
    "refund_channel": "",
}


def queried(*rows: dict[str, str], **order: str) -> dict[str, str]:
    fields = {
        "mch_id": "1900000109",
        "out_trade_no": "T20260101000001",
        "transaction_id": "4200000000202601010000000001",
        "total_fee": "100",
        "cash_fee": "100",
        "refund_count": str(len(rows)),
    } | order
    for index, row in enumerate(rows):
        fields |= {name.replace("$n", str(index)): value for name, value in row.items()}
    return fields


def row(number: str, **changes: str) -> dict[str, str]:
    return {
        "out_refund_no_$n": number,
        "refund_id_$n": f"50{number.encode().hex()}",
        "refund_fee_$n": "10",
        "refund_status_$n": "PROCESSING",
        "refund_recv_accout_$n": "零钱",
    } | changes


def test_a_request_is_signed_over_every_field_and_names_the_order_once() -> None:
    sent = refunds.refund(TERMS, sign_type=SignType.MD5, key=KEY, nonce="n")
    assert verify(sent, KEY)
    assert {name for name in sent if name.endswith("_no") or name == "transaction_id"} == {
        "out_trade_no",
        "out_refund_no",
    }
    assert (sent["total_fee"], sent["refund_fee"], sent["refund_fee_type"]) == ("100", "45", "USD")
    refunds.check_refund_terms(TERMS, mode=Mode.COMMON)


def test_a_page_of_an_orders_refunds_is_asked_for_by_its_offset() -> None:
    sent = refunds.refundquery_of_order(
        ORDER, offset=10, sign_type=SignType.MD5, key=KEY, nonce="n"
    )
    assert (sent["offset"], sent["out_trade_no"]) == ("10", ORDER.out_trade_no)
    check_refundquery(sent, mode=Mode.COMMON)


@pytest.mark.parametrize(
    "missing", ["out_refund_no", "total_fee", "refund_fee", "out_trade_no", "appid", "sign"]
)
def test_what_is_missing_is_named(missing: str) -> None:
    sent = refunds.refund(TERMS, sign_type=SignType.MD5, key=KEY, nonce="n") | {missing: ""}
    with pytest.raises(InvalidRefund) as caught:
        check_refund(sent, mode=Mode.COMMON)
    assert caught.value.field == missing


def test_a_query_names_one_number_at_least() -> None:
    sent = refunds.refundquery(REF, sign_type=SignType.MD5, key=KEY, nonce="n")
    check_refundquery(sent, mode=Mode.COMMON)
    with pytest.raises(InvalidRefund, match="refund_id, out_refund_no"):
        check_refundquery(sent | {"out_refund_no": ""}, mode=Mode.COMMON)


def test_an_accepted_refund_is_not_paid_back_yet() -> None:
    assert refunds.read_refund(ACCEPTED, TERMS) == RefundFact(
        source="v2.refund",
        mch_id="1900000109",
        out_trade_no="T20260101000001",
        transaction_id="4200000000202601010000000001",
        out_refund_no="R@1",
        refund_id="50300000000000000000000000001",
        refund_status=RefundStatus.PROCESSING,
        refund_fee=45,
        total_fee=100,
        fee_type="USD",
        payout=RefundPayout(
            settlement_refund_fee=44,
            payer_refund=315,
            payer_currency="CNY",
            coupon_refund_fee=5,
            coupons=(
                CouponRefund(coupon_refund_id="c0", coupon_type="CASH", coupon_refund_fee=3),
                CouponRefund(coupon_refund_id="c1", coupon_refund_fee=2),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"out_refund_no": "R2"}, BadSignature),
        ({"out_trade_no": "T20260101000002"}, BadSignature),
        ({"refund_fee": ""}, BadAnswer),
        ({"refund_fee": "0"}, BadAnswer),
        ({"refund_fee": "4.5"}, BadAnswer),
        ({"refund_fee": "-1"}, BadAnswer),
        ({"refund_id": ""}, BadAnswer),
        ({"refund_id": "5" * 33}, BadAnswer),
        ({"out_refund_no": "R" * 65}, BadAnswer),
        ({"total_fee": "x"}, BadAnswer),
    ],
)
def test_an_answer_that_names_no_refund_of_ours_is_none(
    changes: dict[str, str], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        refunds.read_refund(ACCEPTED | changes, TERMS)


def test_every_indexed_field_is_its_own_refunds() -> None:
    """coupon_refund_fee_0 is all of refund 0, coupon_refund_fee_0_0 one coupon of it."""
    first = row(
        "R1",
        **{
            "refund_status_$n": "SUCCESS",
            "refund_success_time_$n": "2026-01-02 03:04:05",
            "refund_channel_$n": "ORIGINAL",
            "refund_account_$n": "REFUND_SOURCE_RECHARGE_FUNDS",
            "settlement_refund_fee_$n": "9",
            "coupon_refund_fee_$n": "7",
            "coupon_refund_count_$n": "2",
            "coupon_refund_id_$n_0": "a",
            "coupon_type_$n_0": "CASH",
            "coupon_refund_fee_$n_0": "4",
            "coupon_refund_id_$n_1": "b",
            "coupon_refund_fee_$n_1": "3",
        },
    )
    second = row("R@1", **{"refund_status_$n": "CHANGE", "coupon_refund_id_$n_0": "c"})
    # The order's own totals have the same names without an index.
    fields = queried(first, second, refund_fee="20", coupon_refund_fee="7", cash_refund_fee="13")
    one, two = refunds.read_refunds_of_order(fields, ORDER)

    assert (one.out_refund_no, one.refund_fee) == ("R1", 10)
    assert one.refund_status is RefundStatus.SUCCESS
    assert one.success_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=BEIJING)
    assert (one.user_received_account, one.payout.channel) == ("零钱", "ORIGINAL")
    assert one.payout.funds_account == "REFUND_SOURCE_RECHARGE_FUNDS"
    assert (one.payout.settlement_refund_fee, one.payout.coupon_refund_fee) == (9, 7)
    assert one.payout.coupons == (
        CouponRefund(coupon_refund_id="a", coupon_type="CASH", coupon_refund_fee=4),
        CouponRefund(coupon_refund_id="b", coupon_refund_fee=3),
    )
    assert two.refund_status is RefundStatus.ABNORMAL
    assert two.payout.coupons == (CouponRefund(coupon_refund_id="c"),)
    assert refunds.read_refundquery(fields, REF) == two


@given(st.integers(0, 10))
def test_a_page_holds_as_many_as_it_says(count: int) -> None:
    rows = [row(f"R{number}") for number in range(count)]
    facts = refunds.read_refunds_of_order(queried(*rows), ORDER)
    assert [fact.out_refund_no for fact in facts] == [f"R{number}" for number in range(count)]


@pytest.mark.parametrize("total", [None, 23])
def test_the_number_on_all_pages_may_be_said(total: int | None) -> None:
    said = {} if total is None else {"total_refund_count": str(total)}
    assert refunds.total_refund_count(queried(**said)) == total


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (queried(row("R2")), BadSignature),
        (queried(), BadSignature),
        (queried(row("R@1", **{"refund_status_$n": "FAIL"})), BadAnswer),
        (queried(row("R@1", **{"refund_status_$n": ""})), BadAnswer),
        (queried(row("R@1"), refund_count="2"), BadAnswer),
        (queried(row("R@1"), refund_count="11"), BadAnswer),
        (queried(row("R@1"), refund_count="many"), BadAnswer),
        (queried(row("R@1"), out_trade_no="T20260101000002"), BadSignature),
    ],
)
def test_a_page_that_does_not_hold_the_refund_asked_for_is_no_answer(
    fields: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        refunds.read_refundquery(fields, REF)
