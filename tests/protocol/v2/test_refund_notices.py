"""A v2 refund notice is ours if our key opens it, and proves nothing more than that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge, NotAuthentic
from django_wxpay.protocol.facts import RefundFact, RefundStatus
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2 import encode_xml, encrypt_req_info
from django_wxpay.protocol.v2.notices import read_refund

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
MERCHANT = Merchant(alias="default", mch_id="1900000109", appid="wx8888888888888888", api_key=KEY)

INNER: dict[str, Any] = {
    "out_refund_no": "R20260101000001",
    "out_trade_no": "T20260101000001",
    "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
    "refund_fee": 88,
    "refund_id": "50000000000000000000000000001",
    "refund_recv_accout": "用户零钱",
    "refund_request_source": "API",
    "refund_status": "SUCCESS",
    "settlement_refund_fee": 88,
    "settlement_total_fee": 100,
    "success_time": "2026-01-02 03:04:05",
    "total_fee": 100,
    "transaction_id": "4200000000202601010000000001",
}


def notice(*, key: str = KEY, outer: dict[str, str] | None = None, **changes: Any) -> bytes:
    inner = {name: value for name, value in {**INNER, **changes}.items() if value is not None}
    fields = {
        "return_code": "SUCCESS",
        "appid": MERCHANT.appid,
        "mch_id": MERCHANT.mch_id,
        "nonce_str": "nonce",
        "req_info": encrypt_req_info(inner, key),
    }
    return encode_xml(fields | (outer or {}))


def test_a_notice_that_our_key_opens_is_read_whole() -> None:
    read = read_refund(notice(), merchant=MERCHANT)
    assert not read.is_proven
    fact = read.fact
    assert isinstance(fact, RefundFact)

    assert (fact.source, fact.mch_id) == ("v2.refund-notice", MERCHANT.mch_id)
    assert (fact.out_trade_no, fact.out_refund_no) == ("T20260101000001", "R20260101000001")
    assert (fact.refund_fee, fact.total_fee, fact.fee_type) == (88, 100, "")
    assert fact.refund_status is RefundStatus.SUCCESS
    assert fact.success_time == datetime(2026, 1, 1, 19, 4, 5, tzinfo=UTC)
    assert fact.user_received_account == "用户零钱"
    assert fact.transaction_id == INNER["transaction_id"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("CHANGE", RefundStatus.ABNORMAL),
        ("REFUNDCLOSE", RefundStatus.CLOSED),
        ("PROCESSING", RefundStatus.PROCESSING),
    ],
)
def test_every_status_is_known_by_its_v2_word(word: str, status: RefundStatus) -> None:
    fact = read_refund(notice(refund_status=word, success_time=""), merchant=MERCHANT).fact
    assert isinstance(fact, RefundFact)

    assert (fact.refund_status, fact.success_time) == (status, None)


@pytest.mark.parametrize(
    "body",
    [
        notice(key="WRONGKEYwrongkeyWRONGKEYwrongkey"),
        notice(outer={"mch_id": "1900000999"}),
        notice(outer={"req_info": "AAAA"}),
        notice(outer={"req_info": "not base64"}),
    ],
)
def test_what_our_key_does_not_open_or_is_for_another_is_not_authentic(body: bytes) -> None:
    with pytest.raises(NotAuthentic):
        read_refund(body, merchant=MERCHANT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml/>",
        encode_xml({"return_code": "FAIL", "return_msg": "no"}),
        encode_xml({"return_code": "SUCCESS", "mch_id": MERCHANT.mch_id}),
        notice(refund_status="LOST"),
        notice(refund_status=None),
        notice(refund_fee="1.0"),
        notice(refund_fee=0),
        notice(refund_fee=None),
        notice(total_fee="-1"),
        notice(total_fee=2**31),
        notice(out_refund_no=None),
        notice(out_trade_no=None),
        notice(success_time="yesterday"),
    ],
)
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_refund(body, merchant=MERCHANT)


def test_a_notice_over_64_kib_is_too_large() -> None:
    with pytest.raises(MessageTooLarge):
        read_refund(b"x" * 65537, merchant=MERCHANT)


def test_a_repetition_is_known_again_and_other_news_is_not() -> None:
    first = read_refund(notice(), merchant=MERCHANT).fingerprint

    assert read_refund(notice(outer={"nonce_str": "n2"}), merchant=MERCHANT).fingerprint == first
    assert read_refund(notice(refund_fee=87), merchant=MERCHANT).fingerprint != first


def test_personal_data_stays_out_of_the_repr() -> None:
    assert "RECHARGE" not in repr(read_refund(notice(), merchant=MERCHANT))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises((MalformedMessage, NotAuthentic)):
        read_refund(body, merchant=MERCHANT)
