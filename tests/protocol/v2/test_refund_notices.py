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
from django_wxpay.protocol.v2.encryption import seal
from django_wxpay.protocol.v2.notices import read_notice

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
    read = read_notice(notice(), merchant=MERCHANT)
    assert read.doubt
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
    fact = read_notice(notice(refund_status=word, success_time=""), merchant=MERCHANT).fact
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
        read_notice(body, merchant=MERCHANT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml/>",
        encode_xml({"return_code": "FAIL", "return_msg": "no"}),
        encode_xml({"return_code": "SUCCESS", "mch_id": MERCHANT.mch_id}),
    ],
)
def test_what_has_neither_seal_nor_signature_is_refused(body: bytes) -> None:
    with pytest.raises((MalformedMessage, NotAuthentic)):
        read_notice(body, merchant=MERCHANT)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"refund_fee": "1.0"}, "refund_fee is not a number in plain digits"),
        ({"refund_fee": 0}, "a refund without refund_fee"),
        ({"refund_fee": None}, "a refund without refund_fee"),
        ({"total_fee": "-1"}, "total_fee is not a number in plain digits"),
        ({"total_fee": 2**31}, "total_fee is more than 2147483647"),
        ({"out_refund_no": None}, "a refund without out_refund_no or out_trade_no"),
        ({"out_refund_no": "R" * 65}, "out_refund_no is longer than 64 characters"),
        ({"out_trade_no": None}, "a refund without out_refund_no or out_trade_no"),
        ({"out_trade_no": "T" * 33}, "out_trade_no is longer than 32 characters"),
        ({"refund_id": "5" * 33}, "refund_id is longer than 32 characters"),
        ({"transaction_id": "4" * 33}, "transaction_id is longer than 32 characters"),
    ],
)
def test_what_is_ours_and_cannot_be_read_says_which_member_it_is(
    changes: dict[str, Any], why: str
) -> None:
    read = read_notice(notice(**changes), merchant=MERCHANT)

    assert (read.fact, read.unreadable, read.kind) == (None, why, "refund")
    number = changes.get("out_trade_no", INNER["out_trade_no"])
    # A part of a number would be the number of another order.
    assert read.out_trade_no == ("" if number is None or len(number) > 32 else number)


@pytest.mark.parametrize(
    "changes",
    [
        {"refund_status": "LOST"},
        {"refund_status": None},
        {"success_time": "20260102030405"},
        {"success_time": "0"},
        {"success_time": "yesterday"},
        {"success_time": "0001-01-01 00:00:00"},
        {"refund_recv_accout": "x" * 500},
        {"settlement_refund_fee": "a lot"},
        {"total_fee": None},
    ],
)
def test_what_a_hint_is_not_believed_for_does_not_stand_in_its_way(
    changes: dict[str, Any],
) -> None:
    fact = read_notice(notice(**changes), merchant=MERCHANT).fact

    assert isinstance(fact, RefundFact)
    assert (fact.out_refund_no, fact.refund_fee) == (INNER["out_refund_no"], 88)


def test_both_forms_of_a_time_are_read() -> None:
    first = read_notice(notice(), merchant=MERCHANT).fact
    again = read_notice(notice(success_time="20260102030405"), merchant=MERCHANT).fact
    assert isinstance(first, RefundFact)
    assert isinstance(again, RefundFact)

    assert first.success_time == again.success_time is not None


def sealed(document: bytes, key: str = KEY) -> bytes:
    fields = {"return_code": "SUCCESS", "mch_id": MERCHANT.mch_id}
    return encode_xml({**fields, "req_info": seal(document, key)})


@pytest.mark.parametrize(
    "document",
    [
        b"<root><a><b>1</b></a></root>",
        b"<root><a>1</a><a>2</a></root>",
        b"<root><a>1</a>",
        b"<?xml version='1.0'?><other/>",
        b"\xef\xbb\xbf\n<xml></xml>",
        "<root><refund_recv_accout>零钱</refund_recv_accout></root>".encode("gbk"),
    ],
)
def test_a_sealed_document_that_cannot_be_read_is_ours_all_the_same(document: bytes) -> None:
    first = read_notice(sealed(document), merchant=MERCHANT)

    assert first.fact is None
    assert first.unreadable
    assert read_notice(sealed(document), merchant=MERCHANT).fingerprint == first.fingerprint
    # Blocks of seen notices can be put together to any number of these; they make one row.
    other = read_notice(sealed(document + b"\n"), merchant=MERCHANT)
    assert other.fingerprint == first.fingerprint


@pytest.mark.parametrize("document", [b"", b"x" * 64, b"{}", b"<html></html>"])
def test_what_only_happens_to_open_is_not_ours(document: bytes) -> None:
    with pytest.raises(NotAuthentic):
        read_notice(sealed(document), merchant=MERCHANT)


def test_a_notice_over_64_kib_is_too_large() -> None:
    with pytest.raises(MessageTooLarge):
        read_notice(b"x" * 65537, merchant=MERCHANT)


def test_a_repetition_is_known_again_and_other_news_is_not() -> None:
    first = read_notice(notice(), merchant=MERCHANT).fingerprint

    assert read_notice(notice(outer={"nonce_str": "n2"}), merchant=MERCHANT).fingerprint == first
    # Nobody has signed what else it says, so that it tells nothing apart.
    unsigned = {"refund_fee": 87, "refund_id": "51", "transaction_id": "43", "total_fee": 1}
    assert read_notice(notice(**unsigned), merchant=MERCHANT).fingerprint == first
    for news in ({"out_refund_no": "R2"}, {"out_trade_no": "T2"}, {"refund_status": "CHANGE"}):
        assert read_notice(notice(**news), merchant=MERCHANT).fingerprint != first


def test_personal_data_stays_out_of_the_repr() -> None:
    assert "RECHARGE" not in repr(read_notice(notice(), merchant=MERCHANT))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises((MalformedMessage, NotAuthentic)):
        read_notice(body, merchant=MERCHANT)
