"""Requests: every field by its rule, refusals by name, and signed fields that hold on the wire."""

from __future__ import annotations

from collections import UserDict
from dataclasses import fields as fields_of
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.money import CURRENCIES
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v2 import decode_xml, encode_xml, verify
from django_wxpay.protocol.v2.fields import (
    check_closeorder,
    check_orderquery,
    check_unifiedorder,
)
from django_wxpay.protocol.v2.requests import (
    CLOSEORDER_RULES,
    ORDERQUERY_RULES,
    UNIFIEDORDER_RULES,
    check_terms,
    closeorder,
    json_text,
    orderquery,
    unifiedorder,
)
from tests.protocol.samples import (
    DETAIL,
    EVERY_OPTION,
    H5,
    KEY,
    NONCE,
    NOW,
    REF,
    STORE,
    TERMS,
)
from tests.protocol.v2.vectors import K1

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SUB = {"sub_mch_id": "10000200"}
JSAPI = replace(TERMS, trade_type="JSAPI", openid=OPENID, product_id="")
MWEB = replace(TERMS, trade_type="MWEB", scene_info=H5, product_id="")
APP = replace(TERMS, trade_type="APP", product_id="")
HUGE = {"a": "x"}
NESTED: dict = {}
NESTED["self"] = NESTED


def check(terms: OrderTerms = TERMS, *, mode: Mode = Mode.COMMON, **changes) -> None:
    check_terms(replace(terms, **changes), mode=mode, now=NOW)


def refusal(terms: OrderTerms = TERMS, *, mode: Mode = Mode.COMMON, **changes) -> InvalidOrder:
    with pytest.raises(InvalidOrder) as caught:
        check(terms, mode=mode, **changes)
    return caught.value


@pytest.mark.parametrize("terms", [TERMS, JSAPI, MWEB, APP], ids=lambda terms: terms.trade_type)
def test_every_trade_type_is_accepted_in_both_modes_and_with_every_option(terms):
    # The optional scene of a browser payment is its h5_info, of all others the store.
    options = EVERY_OPTION | {"scene_info": terms.scene_info or STORE}

    check(terms)
    check(terms, **options)
    check(terms, mode=Mode.INSTITUTIONAL, **SUB)
    check(terms, mode=Mode.INSTITUTIONAL, sub_appid="wx1111111111111111", **SUB, **options)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("appid", "ww" + "0" * 16),
        ("device_info", "013467007045764"),
        ("body", "微" * 42),
        ("body", " leading and trailing "),
        ("body", "x" * 127),
        ("attach", "深圳分店" * 10),
        ("attach", "\U0001f600 tab\t"),
        ("out_trade_no", "T12345"),
        ("out_trade_no", "a" * 32),
        ("out_trade_no", "A-b_c|d*1"),
        ("total_fee", 1),
        ("total_fee", 2**31 - 1),
        ("fee_type", "JPY"),
        ("fee_type", ""),
        ("spbill_create_ip", "::1"),
        ("spbill_create_ip", "2001:db8:0000:0000:0000:ff00:0042:8329"),
        ("time_expire", NOW + timedelta(minutes=6)),
        ("time_expire", (NOW + timedelta(minutes=6)).astimezone(timezone(timedelta(hours=-5)))),
        ("notify_url", "http://127.0.0.1:9100/notify"),
        ("detail", DETAIL),
        ("scene_info", STORE),
        ("profit_sharing", "Y"),
        ("user_type", "OVERSEA_PASSPORT"),
    ],
)
def test_a_value_within_its_rule_is_accepted(field, value):
    check(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("appid", "", "missing"),
        ("appid", "w" * 33, "33 chars long"),
        ("appid", "wx 1", "a character that is not allowed"),
        ("mch_id", "", "missing"),
        ("sub_appid", "wx1", "only for institutional mode"),
        ("sub_mch_id", "10000200", "only for institutional mode"),
        ("sub_openid", OPENID, "only for institutional mode"),
        ("device_info", "d" * 33, "33 chars long"),
        ("version", "1.1", "not one of the words known"),
        ("body", "", "missing"),
        ("body", "x" * 128, "128 bytes long"),
        ("body", "微" * 43, "129 bytes long"),
        ("body", "a\nb", "a character that is not allowed"),
        ("body", "a\x07b", "a character that is not allowed"),
        ("body", "\x85", "a character that is not allowed"),
        ("body", "nice \U0001f600", "a character that is not allowed"),
        ("body", "\ud83d", "a character that is not allowed"),
        ("attach", "微" * 43, "129 bytes long"),
        ("attach", "\x00", "a character that is not allowed"),
        ("out_trade_no", "", "missing"),
        ("out_trade_no", "T1234", "5 chars long"),
        ("out_trade_no", "T" * 33, "33 chars long"),
        ("out_trade_no", "T12345@", "a character that is not allowed"),
        ("out_trade_no", "T12345 ", "a character that is not allowed"),
        ("out_trade_no", "T123456\n", "a character that is not allowed"),
        ("out_trade_no", "订单号一二三四", "a character that is not allowed"),
        ("out_trade_no", "１２３４５６", "a character that is not allowed"),
        ("fee_type", "cny", "not one of the words known"),
        ("fee_type", "XXX", "not one of the words known"),
        ("fee_type", "RMB", "not one of the words known"),
        ("total_fee", 0, "an amount is at least 1"),
        ("total_fee", -1, "an amount is at least 1"),
        ("total_fee", 2**31, "an amount is at most 2147483647"),
        ("total_fee", True, "bool is not a whole number of minor units"),
        ("total_fee", 1.0, "float is not a whole number of minor units"),
        ("total_fee", "100", "str is not a whole number of minor units"),
        ("total_fee", None, "NoneType is not a whole number of minor units"),
        ("spbill_create_ip", "", "missing"),
        ("spbill_create_ip", "localhost", "not an IP address"),
        ("spbill_create_ip", "999.1.1.1", "not an IP address"),
        ("time_start", "20260101000000", "str is not a time"),
        ("time_start", datetime(2026, 1, 1), "a time without a zone is a guess"),  # noqa: DTZ001
        ("time_start", datetime.max.replace(tzinfo=UTC), "outside the calendar of 1001 to 9998"),
        ("time_expire", NOW - timedelta(hours=1), "too soon"),
        ("time_expire", NOW + timedelta(minutes=5, seconds=59), "too soon"),
        ("goods_tag", "g" * 33, "33 chars long"),
        ("notify_url", "", "missing"),
        ("notify_url", "/notify", "not an absolute http(s) address"),
        ("notify_url", "https://example.com/?a=1", "it has a query string or a fragment"),
        ("notify_url", "https://example.com/" + "a" * 237, "257 characters long"),
        ("trade_type", "", "missing"),
        ("trade_type", "native", "not one of the words known"),
        ("trade_type", "MICROPAY", "not one of the words known"),
        ("product_id", "", "missing"),
        ("product_id", "p" * 33, "33 chars long"),
        ("limit_pay", "no_debit", "not one of the words known"),
        ("openid", "o" * 129, "129 chars long"),
        ("openid", "o<1", "a character that is not allowed"),
        ("receipt", "N", "not one of the words known"),
        ("profit_sharing", "y", "not one of the words known"),
        ("scene_info", '{"store_info":{}}', "store_info has no id"),
        ("scene_info", "store", "not a JSON object"),
        ("scene_info", '{"a":"' + "x" * 249 + '"}', "257 characters long"),
        ("detail", "[]", "not a JSON object"),
        ("detail", "{}", "goods_detail is not a list of at least one line"),
        ("detail", " " * 5999 + "{}", "6001 characters long"),
        ("fingerprint", "f" * 129, "129 chars long"),
        ("user_type", "PASSPORT", "not one of the words known"),
        ("user_creid", "c" * 33, "33 chars long"),
        ("user_truename", "n" * 65, "65 chars long"),
        ("attach", 5, "int is not text"),
        ("body", None, "NoneType is not text"),
        ("detail", {"goods_detail": []}, "dict is not text"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_by_name(field, value, problem):
    error = refusal(**{field: value})

    assert (error.field, error.problem) == (field, problem)
    assert str(error).startswith(f"{field}: {problem}")


def test_a_refusal_carries_the_rule():
    assert refusal(body="x" * 128).rule == (
        "1 to 127 bytes of UTF-8: no control characters, no characters outside the basic plane "
        "(emoji)"
    )
    assert refusal(time_expire=NOW).rule == "at least 6 minutes from now"
    assert refusal(total_fee=0).rule == "a whole number from 1 to 2147483647, in digits only"


def test_a_refusal_does_not_quote_the_value():
    assert "张三" not in str(refusal(user_truename="张三" * 33))
    assert OPENID not in str(refusal(openid=OPENID * 5))


def test_jsapi_needs_the_payers_openid():
    error = refusal(JSAPI, openid="")

    assert (error.field, error.problem) == ("openid", "missing")


def test_jsapi_of_an_institution_takes_openid_or_sub_openid():
    check(JSAPI, mode=Mode.INSTITUTIONAL, **SUB)
    check(
        JSAPI,
        mode=Mode.INSTITUTIONAL,
        openid="",
        sub_openid=OPENID,
        sub_appid="wx1111111111111111",
        **SUB,
    )
    error = refusal(JSAPI, mode=Mode.INSTITUTIONAL, openid="", **SUB)
    assert (error.field, error.rule) == ("openid", "JSAPI needs the payer's openid or sub_openid")


def test_sub_openid_needs_the_sub_appid_it_belongs_to():
    error = refusal(JSAPI, mode=Mode.INSTITUTIONAL, openid="", sub_openid=OPENID, **SUB)

    assert (error.field, error.problem) == ("sub_appid", "missing")


def test_an_institution_has_to_name_its_sub_merchant():
    error = refusal(mode=Mode.INSTITUTIONAL)

    assert (error.field, error.problem) == ("sub_mch_id", "missing")


@pytest.mark.parametrize("scene", ["", STORE])
def test_a_browser_payment_needs_its_h5_info(scene):
    error = refusal(MWEB, scene_info=scene)

    assert (error.field, error.problem) == ("scene_info", "no h5_info")


def test_an_order_that_expires_before_it_starts_is_refused():
    error = refusal(time_start=NOW + timedelta(hours=2), time_expire=NOW + timedelta(hours=2))
    assert (error.field, error.problem) == ("time_expire", "before time_start")

    check(time_start=NOW + timedelta(hours=2), time_expire=NOW + timedelta(hours=3))


def test_every_parameter_of_an_order_has_a_rule_and_every_rule_a_parameter():
    names = {field.name for field in fields_of(OrderTerms)}

    assert set(UNIFIEDORDER_RULES) == names | {"nonce_str", "sign", "sign_type"}


def test_the_required_fields_are_those_of_the_sheet():
    def required(rules):
        return {name for name, row in rules.items() if row.required}

    every = {"appid", "mch_id", "sub_mch_id", "nonce_str", "sign"}
    assert required(UNIFIEDORDER_RULES) == every | {
        "body",
        "out_trade_no",
        "total_fee",
        "spbill_create_ip",
        "notify_url",
        "trade_type",
    }
    assert required(CLOSEORDER_RULES) == every | {"out_trade_no"}
    assert required(ORDERQUERY_RULES) == every
    assert {n for n, row in UNIFIEDORDER_RULES.items() if row.institutional} == {
        "sub_appid",
        "sub_mch_id",
        "sub_openid",
    }


# What goes on the wire


def test_unifiedorder_sends_every_parameter_under_its_wire_name():
    terms = replace(TERMS, **EVERY_OPTION)

    wire = unifiedorder(terms, sign_type=SignType.HMAC_SHA256, key=KEY, nonce=NONCE)

    assert wire.pop("sign")
    assert wire == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "trade_type": "NATIVE",
        "body": "test",
        "out_trade_no": "T20260101000001",
        "total_fee": "100",
        "spbill_create_ip": "127.0.0.1",
        "notify_url": "https://example.com/notify",
        "product_id": "P1001",
        "device_info": "WEB",
        "version": "1.0",
        "detail": DETAIL,
        "attach": "Shenzhen branch\nsecond line",
        "fee_type": "HKD",
        "time_start": "20260101080000",
        "time_expire": "20260101090000",
        "goods_tag": "WXG",
        "limit_pay": "no_credit",
        "openid": OPENID,
        "receipt": "Y",
        "profit_sharing": "N",
        "scene_info": STORE,
        "fingerprint": "f" * 128,
        "user_type": "IDCARD",
        "user_creid": "C" * 32,
        "user_truename": "张三",
        "nonce_str": NONCE,
        "sign_type": "HMAC-SHA256",
    }


@pytest.mark.parametrize(
    ("sign_type", "expected"),
    [
        (SignType.MD5, "9F3F087A366C290F9682E979DAC017D4"),
        (
            SignType.HMAC_SHA256,
            "5EA32CB03963AA9F1ABDDD8BCDCC4F4D8390411B9427992A459501487DB0935A",
        ),
    ],
)
def test_the_institutional_order_of_the_sheet_gets_the_sheets_signature(sign_type, expected):
    terms = OrderTerms(
        appid="wxd930ea5d5a258f4f",
        sub_appid="wx1111111111111111",
        mch_id="10000100",
        sub_mch_id="10000200",
        body="test",
        out_trade_no="T20260101000001",
        total_fee=1,
        fee_type="",
        spbill_create_ip="127.0.0.1",
        notify_url="https://example.com/notify",
        trade_type="JSAPI",
        sub_openid=OPENID,
    )

    check_terms(terms, mode=Mode.INSTITUTIONAL, now=NOW)
    wire = unifiedorder(terms, sign_type=sign_type, key=K1, nonce="ibuaiVcKdpRxkhJA")

    assert wire["sign"] == expected


def test_orderquery_names_the_order_by_every_number_it_has():
    ref = replace(REF, transaction_id="4200000000202601010000000001", version="1.0")

    wire = orderquery(ref, sign_type=SignType.MD5, key=KEY, nonce=NONCE)

    assert verify(wire, KEY)
    assert wire.pop("sign")
    assert wire == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "transaction_id": "4200000000202601010000000001",
        "out_trade_no": "T20260101000001",
        "version": "1.0",
        "nonce_str": NONCE,
        "sign_type": "MD5",
    }


def test_closeorder_names_the_order_by_our_number_alone():
    ref = replace(
        REF,
        transaction_id="4200000000202601010000000001",
        version="1.0",
        sub_appid="wx1111111111111111",
        sub_mch_id="10000200",
    )

    wire = closeorder(ref, sign_type=SignType.HMAC_SHA256, key=KEY, nonce=NONCE)

    assert verify(wire, KEY)
    assert wire.pop("sign")
    assert wire == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "sub_appid": "wx1111111111111111",
        "sub_mch_id": "10000200",
        "out_trade_no": "T20260101000001",
        "nonce_str": NONCE,
        "sign_type": "HMAC-SHA256",
    }


# The same rules, from the other side of the wire


def test_what_we_send_passes_the_rules_the_simulator_holds_it_against():
    at = {"sign_type": SignType.HMAC_SHA256, "key": KEY, "nonce": NONCE}

    check_unifiedorder(unifiedorder(TERMS, **at), mode=Mode.COMMON)
    check_orderquery(orderquery(REF, **at), mode=Mode.COMMON)
    check_closeorder(closeorder(REF, **at), mode=Mode.COMMON)


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"nonce_str": ""}, "nonce_str", "missing"),
        ({"nonce_str": "n" * 33}, "nonce_str", "33 chars long"),
        ({"nonce_str": "n-1"}, "nonce_str", "a character that is not allowed"),
        ({"sign": ""}, "sign", "missing"),
        ({"sign": "9a0a8659f005d6984697e2ca0a9cf3b7"}, "sign", "a character that is not allowed"),
        ({"sign_type": "SHA1"}, "sign_type", "not one of the words known"),
        ({"total_fee": "1.0"}, "total_fee", "not a whole number in plain digits"),
        ({"total_fee": "0"}, "total_fee", "less than 1"),
        ({"time_expire": "2026-01-01"}, "time_expire", "not a time of that form"),
        ({"trade_type": ""}, "trade_type", "missing"),
    ],
)
def test_a_request_of_a_stranger_is_refused_by_name(changes, field, problem):
    wire = unifiedorder(TERMS, sign_type=SignType.MD5, key=KEY, nonce=NONCE) | changes

    with pytest.raises(InvalidOrder) as caught:
        check_unifiedorder(wire, mode=Mode.COMMON)

    assert (caught.value.field, caught.value.problem) == (field, problem)


def test_fields_we_do_not_know_are_tolerated():
    wire = unifiedorder(TERMS, sign_type=SignType.MD5, key=KEY, nonce=NONCE)

    check_unifiedorder(wire | {"new_field": "\x00"}, mode=Mode.COMMON)


def test_what_is_left_out_of_the_check_may_be_anything():
    wire = unifiedorder(TERMS, sign_type=SignType.MD5, key=KEY, nonce=NONCE)

    check_unifiedorder(
        wire | {"trade_type": ""}, mode=Mode.COMMON, leaving_out=frozenset({"trade_type"})
    )


def test_an_orderquery_needs_one_of_the_two_numbers():
    wire = orderquery(REF, sign_type=SignType.MD5, key=KEY, nonce=NONCE)
    check_orderquery(wire | {"out_trade_no": "", "transaction_id": "42"}, mode=Mode.COMMON)

    with pytest.raises(InvalidOrder, match="out_trade_no: missing"):
        check_orderquery(wire | {"out_trade_no": ""}, mode=Mode.COMMON)


def test_a_closeorder_needs_our_number():
    wire = closeorder(REF, sign_type=SignType.MD5, key=KEY, nonce=NONCE)

    with pytest.raises(InvalidOrder, match="out_trade_no: missing"):
        check_closeorder(wire | {"out_trade_no": ""}, mode=Mode.COMMON)


# JSON parameters


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": "微信", "b": [1, 2]}, '{"a":"微信","b":[1,2]}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (UserDict({"a": 1}), '{"a":1}'),
        ('{ "a" : 1 }\n', '{ "a" : 1 }\n'),
        (DETAIL, DETAIL),
    ],
)
def test_a_mapping_is_written_compactly_and_json_text_stays_byte_for_byte(value, expected):
    assert json_text("detail", value) == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("[1]", "not the text of a JSON object"),
        ("x", "not the text of a JSON object"),
        ("", "not the text of a JSON object"),
        ('{"a":NaN}', "not the text of a JSON object"),
        ([1], "list is not a JSON object"),
        (None, "NoneType is not a JSON object"),
        ({"a": object()}, "it holds what JSON cannot"),
        ({"a": float("nan")}, "it holds what JSON cannot"),
        ({("a",): 1}, "it holds what JSON cannot"),
        (NESTED, "it holds what JSON cannot"),
    ],
)
def test_what_is_no_json_object_is_refused_naming_the_field(value, problem):
    with pytest.raises(InvalidOrder) as caught:
        json_text("scene_info", value)

    assert (caught.value.field, caught.value.problem) == ("scene_info", problem)


# For all orders

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=32)
NUMBERS = st.from_regex(r"[0-9A-Za-z_\-|*]{6,32}", fullmatch=True)
ORDERS = st.builds(
    OrderTerms,
    appid=st.just("wxd930ea5d5a258f4f"),
    mch_id=st.just("10000100"),
    trade_type=st.sampled_from(["NATIVE", "APP", "JSAPI", "MWEB"]),
    body=TEXT,
    out_trade_no=NUMBERS,
    total_fee=st.integers(1, 2**31 - 1),
    fee_type=st.sampled_from(sorted(CURRENCIES)),
    spbill_create_ip=st.ip_addresses().map(str),
    notify_url=st.just("https://example.com/notify"),
    attach=st.just("") | TEXT,
    detail=st.sampled_from(["", DETAIL]),
    scene_info=st.just(H5),
    openid=st.just(OPENID),
    product_id=TEXT,
    goods_tag=TEXT,
    user_truename=TEXT,
    time_expire=st.none() | st.integers(6, 10**5).map(lambda m: NOW + timedelta(minutes=m)),
)


@given(terms=ORDERS, sign_type=st.sampled_from(SignType))
def test_every_order_that_is_accepted_arrives_as_it_was_with_its_signature(terms, sign_type):
    assume(_accepted(terms))

    wire = unifiedorder(terms, sign_type=sign_type, key=KEY, nonce=NONCE)
    received = decode_xml(encode_xml(wire))

    assert received == wire
    assert verify(received, KEY)
    check_unifiedorder(received, mode=Mode.COMMON)


ODD = st.none() | st.booleans() | st.floats() | st.binary() | st.text() | st.integers()


@given(field=st.sampled_from([field.name for field in fields_of(OrderTerms)]), value=ODD)
def test_no_value_whatever_makes_the_check_raise_anything_but_invalid_order(field, value):
    assert _accepted(TERMS, **{field: value}) in {True, False}


def _accepted(terms: OrderTerms, **changes) -> bool:
    try:
        check(terms, **changes)
    except InvalidOrder:
        return False
    return True
