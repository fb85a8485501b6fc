"""Callbacks: what they announce, how they are known again, and what is no callback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import (
    ConfigurationError,
    MalformedMessage,
    MessageTooLarge,
)
from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.v3.documents import LARGEST_BODY
from django_wxpay.protocol.v3.encryption import TagMismatch
from django_wxpay.protocol.v3.notices import SUCCESS_REPLY, failure_reply, read_notice
from tests.protocol.samples import MERCHANT
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import OPENID, envelope, sealed, text, without
from tests.protocol.v3.test_refunds import NOTICE as REFUND
from tests.protocol.v3.test_trades import COMMON, DOMESTIC, INSTITUTIONAL

PAID = "TRANSACTION.SUCCESS"


def read(body: bytes, *, alias: str = "default", api_v3_key: str = keys.API_V3_KEY) -> Notice:
    return read_notice(body, merchant=replace(MERCHANT, alias=alias, api_v3_key=api_v3_key))


@pytest.mark.parametrize("resource", [COMMON, INSTITUTIONAL, DOMESTIC])
def test_a_payment_becomes_a_fact(resource):
    notice = read(envelope(PAID, resource))

    assert (notice.fact.source, notice.fact.trade_state) == ("v3.notice", TradeState.SUCCESS)
    assert notice.fact.out_trade_no == resource["out_trade_no"]
    assert isinstance(notice.fact, TradeFact)
    assert (notice.api, notice.is_proven) == (Api.V3, True)
    assert (notice.event_type, notice.event_id) == (PAID, ENVELOPE["id"])
    assert (notice.out_trade_no, notice.transaction_id) == (
        resource["out_trade_no"],
        notice.fact.transaction_id,
    )


@pytest.mark.parametrize(
    ("event_type", "word", "status"),
    [
        ("REFUND.SUCCESS", "SUCCESS", RefundStatus.SUCCESS),
        ("REFUND.ABNORMAL", "ABNORMAL", RefundStatus.ABNORMAL),
        ("REFUND.CLOSED", "CLOSED", RefundStatus.CLOSED),
        ("REFUND.CLOSED", "REFUNDCLOSE", RefundStatus.CLOSED),
    ],
)
def test_a_refund_becomes_a_fact(event_type, word, status):
    notice = read(envelope(event_type, REFUND | {"refund_status": word}))

    assert isinstance(notice.fact, RefundFact)
    assert (notice.fact.source, notice.fact.refund_status) == ("v3.notice", status)
    assert notice.is_proven


@pytest.mark.parametrize("event_type", ["COUPON.USE", "TRANSACTION.PAY_BACK", "REFUNDS", "x"])
def test_another_products_event_is_neither_and_is_no_error(event_type):
    notice = read(envelope(event_type, {"anything": 1}))

    assert (notice.event_type, notice.fact) == (event_type, None)
    assert (notice.out_trade_no, notice.transaction_id) == ("", "")


def test_personal_data_stays_out_of_the_repr():
    assert OPENID not in repr(replace(read(envelope(PAID, COMMON)), fact=None))


def test_the_same_notice_has_the_same_fingerprint_however_it_is_wrapped():
    first = read(envelope(PAID, COMMON))
    again = read(envelope(PAID, COMMON | {"attach": "other"}, id="another-envelope"))

    assert first.event_id != again.event_id
    assert first.fingerprint == again.fingerprint
    assert len(first.fingerprint) == 64


def test_the_same_statement_to_another_alias_has_another_fingerprint():
    body = envelope(PAID, COMMON)

    assert read(body).fingerprint != read(body, alias="other").fingerprint


def test_a_refund_that_names_no_order_is_malformed():
    with pytest.raises(MalformedMessage):
        read(envelope("REFUND.SUCCESS", REFUND | {"out_trade_no": ""}))


@pytest.mark.parametrize(
    ("event_type", "resource"),
    [
        (PAID, COMMON | {"id": "4200"}),
        (PAID, COMMON | {"mchid": "1900000108"}),
        (PAID, COMMON | {"trade_state": "REFUND"}),
        ("REFUND.SUCCESS", REFUND),
        ("REFUND.SUCCESS", REFUND | {"refund_id": "503"}),
        ("REFUND.CLOSED", REFUND | {"refund_status": "CLOSED"}),
        ("OTHER", COMMON),
    ],
)
def test_another_notice_has_another_fingerprint(event_type, resource):
    others = [envelope(PAID, COMMON), envelope("REFUND.SUCCESS", REFUND | {"sp_mchid": "1"})]

    here = read(envelope(event_type, resource)).fingerprint
    assert here not in {read(body).fingerprint for body in others}


def test_every_word_for_closed_is_the_same_notice():
    word = [
        read(envelope("REFUND.CLOSED", REFUND | {"refund_status": closed})).fingerprint
        for closed in ("CLOSED", "CLOSE", "REFUNDCLOSE")
    ]

    assert len(set(word)) == 1


def test_a_notice_without_a_number_of_its_own_is_known_by_its_envelope():
    unpaid = {"mchid": "1", "out_trade_no": "ORDER1", "trade_state": "CLOSED"}
    one, two = envelope("OTHER", {}), envelope("OTHER", {}, id="two")

    assert read(one).fingerprint == read(one).fingerprint != read(two).fingerprint
    assert read(envelope(PAID, unpaid)).fingerprint == read(one).fingerprint


@pytest.mark.parametrize("create_time", [None, "", "yesterday", 5])
def test_nothing_hangs_on_the_envelopes_time(create_time):
    notice = read(envelope(PAID, COMMON, create_time=create_time))

    assert notice.fact.total_fee == 888


def test_what_may_be_missing_may_be_missing():
    bare = without(json.loads(envelope(PAID, COMMON)), "create_time", "resource_type")
    bare["resource"] = without(bare["resource"], "original_type")

    assert read(text(bare).encode()).fact.total_fee == 888


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<xml></xml>",
        b"\xff\xfe",
        b'{"id":NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}",
        envelope(PAID, COMMON, id=""),
        envelope(PAID, COMMON, id=5),
        envelope("", COMMON),
        envelope(None, COMMON),
        envelope(PAID, COMMON, resource=None),
        envelope(PAID, COMMON, resource="x"),
        envelope(PAID, COMMON, resource=[]),
        envelope(PAID, COMMON, resource=sealed(COMMON) | {"algorithm": "AEAD_SM4_128_GCM"}),
        envelope(PAID, COMMON, resource=sealed(COMMON) | {"nonce": "short"}),
        envelope(PAID, COMMON, resource=sealed(b"[]")),
        envelope(PAID, COMMON, resource=sealed(b'{"a":NaN}')),
        envelope(PAID, COMMON, resource=sealed(b"[" * 100_000)),
        envelope(PAID, without(COMMON, "trade_state")),
        envelope(PAID, COMMON | {"amount": {"total": 888.0, "currency": "CNY"}}),
        envelope("REFUND.SUCCESS", COMMON),
        envelope("REFUND.BRAND_NEW", REFUND | {"refund_status": "BRAND_NEW"}),
        envelope(PAID, COMMON).replace(b'{"id"', b'{"id":"twice","id"', 1),
    ],
)
def test_what_is_no_notice_is_malformed_and_nothing_else(body):
    with pytest.raises(MalformedMessage) as caught:
        read(body)

    assert type(caught.value) is MalformedMessage


def test_one_octet_more_than_a_mebibyte_is_too_large():
    padding = LARGEST_BODY - len(envelope(PAID, COMMON, summary=""))
    whole = envelope(PAID, COMMON, summary="x" * padding)

    assert len(whole) == LARGEST_BODY == 1024 * 1024
    assert read(whole).fact.total_fee == 888
    with pytest.raises(MessageTooLarge):
        read(whole + b" ")


def test_a_key_that_does_not_open_it_is_no_forgery():
    with pytest.raises(TagMismatch):
        read(envelope(PAID, COMMON), api_v3_key=keys.API_V3_KEY[::-1])
    with pytest.raises(ConfigurationError):
        read(envelope(PAID, COMMON), api_v3_key="")


def test_success_is_said_in_exactly_these_octets():
    assert SUCCESS_REPLY == b'{"code": "SUCCESS", "message": "OK"}'


def test_failure_is_said_with_its_reason():
    assert json.loads(failure_reply("no such order")) == {
        "code": "FAIL",
        "message": "no such order",
    }


@given(st.binary())
def test_no_octets_whatever_raise_anything_else(body):
    with pytest.raises(MalformedMessage):
        read(body)
    with pytest.raises(MalformedMessage):
        read(envelope(PAID, body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
ENVELOPE = json.loads(envelope(PAID, COMMON))


@given(st.dictionaries(st.sampled_from(sorted(ENVELOPE)), JSON))
def test_no_envelope_whatever_raises_anything_else(changes):
    try:
        notice = read(json.dumps(ENVELOPE | changes).encode())
    except MalformedMessage:
        return
    assert len(notice.fingerprint) == 64
