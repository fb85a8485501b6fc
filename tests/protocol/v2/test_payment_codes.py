"""Payments by code in v2: what is checked, what is sent, and what an answer says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import BadAnswer, BadSignature, InvalidOrder
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.rules import PaymentCode
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2.fields import (
    AUTHCODETOOPENID_RULES,
    MICROPAY_RULES,
    REVERSE_RULES,
    check_authcodetoopenid,
    check_micropay,
    check_reverse,
)
from django_wxpay.protocol.v2.replies import read_micropay, read_reverse
from django_wxpay.protocol.v2.requests import check_code_terms, micropay, reverse
from tests.protocol.samples import DETAIL, KEY, NONCE, NOW, PAID, REF, STORE, changed
from tests.protocol.samples import TERMS as NATIVE

CODE = Secret("134567890123456789")
TERMS = replace(NATIVE, trade_type="MICROPAY", notify_url="", product_id="")
ALL = replace(
    TERMS,
    device_info="till 1",
    version="1.0",
    detail=DETAIL,
    attach="table 7",
    fee_type="HKD",
    time_start=NOW,
    time_expire=NOW + timedelta(minutes=2),
    goods_tag="WXG",
    limit_pay="no_credit",
    receipt="Y",
    profit_sharing="N",
    scene_info=STORE,
)


def check(terms: OrderTerms = TERMS, code: str = "134567890123456789") -> None:
    check_code_terms(terms, Secret(code), mode=Mode.COMMON, now=NOW)


@pytest.mark.parametrize("terms", [TERMS, ALL], ids=["required", "every option"])
def test_a_payment_by_code_is_accepted(terms: OrderTerms) -> None:
    check(terms)


@pytest.mark.parametrize("prefix", ["10", "11", "12", "13", "14", "15", "160"])
def test_every_prefix_of_a_wallet_is_accepted(prefix: str) -> None:
    assert PaymentCode().problem(prefix.ljust(18, "7")) == ""


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("1345678901234567", "16 digits long"),
        ("13456789012345678", "17 digits long"),
        ("1345678901234567890", "19 digits long"),
        ("13456789012345678X", "a character that is not a digit"),
        (" 34567890123456789", "a character that is not a digit"),
        ("134567890123456789\n", "a character that is not a digit"),
        ("٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩٠", "a character that is not a digit"),
        ("161567890123456789", "not the beginning of a payment code"),
        ("284567890123456789", "not the beginning of a payment code"),
        ("004567890123456789", "not the beginning of a payment code"),
    ],
)
def test_what_is_no_payment_code_is_refused_without_being_quoted(code: str, problem: str) -> None:
    with pytest.raises(InvalidOrder) as caught:
        check(code=code)
    assert (caught.value.field, caught.value.problem) == ("auth_code", problem)
    assert code.strip() not in str(caught.value)


@given(st.text() | st.from_regex("[0-9]{17,19}", fullmatch=True))
def test_a_code_is_eighteen_digits_or_none(text: str) -> None:
    if not PaymentCode().problem(text):
        assert text.isascii()
        assert text.isdecimal()
        assert len(text) == 18


def test_no_code_at_all_is_missing() -> None:
    with pytest.raises(InvalidOrder, match="auth_code: missing"):
        check(code="")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body", ""),
        ("body", "x" * 128),
        ("total_fee", 0),
        ("spbill_create_ip", ""),
        ("fee_type", "XXX"),
        ("out_trade_no", "T1"),
        ("limit_pay", "no_debit"),
        ("sub_mch_id", "1900000200"),
        ("time_expire", NOW + timedelta(seconds=119)),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidOrder) as caught:
        check(replace(TERMS, **{field: value}))
    assert caught.value.field == field


def test_the_required_fields_are_those_of_the_sheet() -> None:
    required = {name for name, row in MICROPAY_RULES.items() if row.required}
    assert required == {
        *("appid", "mch_id", "sub_mch_id", "nonce_str", "sign", "body", "out_trade_no"),
        *("total_fee", "spbill_create_ip", "auth_code"),
    }
    assert {"notify_url", "trade_type", "openid"} & MICROPAY_RULES.keys() == set()
    assert {name for name, row in REVERSE_RULES.items() if row.required} == {
        *("appid", "mch_id", "sub_mch_id", "nonce_str", "sign"),
    }
    assert "auth_code" in AUTHCODETOOPENID_RULES


def test_micropay_sends_every_field_under_its_wire_name_and_nothing_else() -> None:
    sent = micropay(ALL, CODE, sign_type=SignType.HMAC_SHA256, key=Secret(KEY), nonce=NONCE)
    assert sent == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "device_info": "till 1",
        "version": "1.0",
        "body": "test",
        "detail": DETAIL,
        "attach": "table 7",
        "out_trade_no": "T20260101000001",
        "total_fee": "100",
        "fee_type": "HKD",
        "spbill_create_ip": "127.0.0.1",
        "time_start": "20260101080000",
        "time_expire": "20260101080200",
        "goods_tag": "WXG",
        "limit_pay": "no_credit",
        "receipt": "Y",
        "profit_sharing": "N",
        "scene_info": STORE,
        "auth_code": "134567890123456789",
        "nonce_str": NONCE,
        "sign_type": "HMAC-SHA256",
        "sign": sent["sign"],
    }
    assert v2.verify(sent, KEY)
    check_micropay(sent, mode=Mode.COMMON)


def test_reverse_names_the_order_by_our_number() -> None:
    sent = reverse(REF, sign_type=SignType.MD5, key=Secret(KEY), nonce=NONCE)
    assert sent.keys() == {
        *("appid", "mch_id", "out_trade_no", "nonce_str", "sign_type", "sign"),
    }
    assert v2.verify(sent, KEY)
    check_reverse(sent, mode=Mode.COMMON)


def test_a_reversal_of_nothing_is_refused() -> None:
    sent = reverse(REF, sign_type=SignType.MD5, key=Secret(KEY), nonce=NONCE)
    del sent["out_trade_no"]
    with pytest.raises(InvalidOrder, match="transaction_id or out_trade_no"):
        check_reverse(sent, mode=Mode.COMMON)
    check_reverse(sent | {"transaction_id": "4200000000202601010000000001"}, mode=Mode.COMMON)


def test_the_openid_behind_a_code_is_asked_for_with_the_code() -> None:
    asked = reverse(REF, sign_type=SignType.MD5, key=Secret(KEY), nonce=NONCE)
    with pytest.raises(InvalidOrder, match="auth_code: missing"):
        check_authcodetoopenid(asked, mode=Mode.COMMON)
    check_authcodetoopenid(asked | {"auth_code": CODE.reveal()}, mode=Mode.COMMON)


def test_an_answer_is_a_payment() -> None:
    fact = read_micropay(PAID | {"trade_type": "MICROPAY"}, TERMS)
    assert (fact.trade_state, fact.source) == (TradeState.SUCCESS, "v2.micropay")
    assert (fact.total_fee, fact.transaction_id) == (100, PAID["transaction_id"])
    assert fact.payment is not None
    assert fact.payment.openid == PAID["openid"]


@pytest.mark.parametrize("number", ["T20260101000002", "t20260101000001", None])
def test_an_answer_about_another_order_is_not_ours(number: str | None) -> None:
    with pytest.raises(BadSignature, match="another order"):
        read_micropay(changed(PAID, out_trade_no=number), TERMS)


@pytest.mark.parametrize("name", ["total_fee", "transaction_id"])
def test_a_success_without_what_proves_it_is_none(name: str) -> None:
    with pytest.raises(BadAnswer, match="without total_fee or transaction_id"):
        read_micropay(changed(PAID, **{name: None}), TERMS)


def test_recall_decides_whether_to_reverse_again() -> None:
    assert read_reverse({"recall": "Y"}) is True
    assert read_reverse({"recall": "N"}) is False


@pytest.mark.parametrize("fields", [{}, {"recall": ""}, {"recall": "n"}, {"recall": "YES"}])
def test_any_other_recall_is_no_answer(fields: dict[str, str]) -> None:
    with pytest.raises(BadAnswer, match="neither Y nor N"):
        read_reverse(fields)
