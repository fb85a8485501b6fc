"""Payment notifications of v2: authenticity, content, and the exact bytes of our answer."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import (
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
    WXPayError,
)
from django_wxpay.protocol.facts import Coupon, Payment, TradeFact, TradeState
from django_wxpay.protocol.merchants import Api, SignType
from django_wxpay.protocol.v2 import encode_xml, encrypt_req_info, sign
from django_wxpay.protocol.v2.notices import ACKNOWLEDGED, read_notice, refusal
from tests.protocol.samples import (
    INSTITUTION,
    KEY,
    MERCHANT,
    OTHER_KEY,
    PAID,
    changed,
    signed,
)
from tests.protocol.v2.test_xml import HOSTILE
from tests.protocol.v2.tiring import HONEST_NOTICE, TIRING_NOTICES, UNPROVEN
from tests.protocol.v2.vectors import K1, M21, M21_XML, M22

SHEET_MERCHANT = replace(MERCHANT, api_key=K1)


def read(body: bytes, merchant=MERCHANT):
    return read_notice(body, merchant=merchant)


def test_the_notice_of_the_sheet_is_authentic_and_read_whole():
    notice = read(M21_XML, SHEET_MERCHANT)

    assert notice.fact == TradeFact(
        source="v2.notice",
        mch_id="10000100",
        appid="wxd930ea5d5a258f4f",
        out_trade_no="T20260101000001",
        trade_state=TradeState.SUCCESS,
        trade_type="JSAPI",
        transaction_id="4200000000202601010000000001",
        total_fee=100,
        fee_type="CNY",
        success_time=datetime(2025, 12, 31, 16, 1, 30, tzinfo=UTC),
        bank_type="OTHERS",
        payment=Payment(
            openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            payer_total=70,
            payer_currency="CNY",
            cash_fee=70,
            cash_fee_type="CNY",
            settlement_total_fee=90,
            coupon_fee=30,
            coupons=(
                Coupon(coupon_id="10000", coupon_type="CASH", coupon_fee=20),
                Coupon(coupon_id="10001", coupon_type="NO_CASH", coupon_fee=10),
            ),
        ),
    )
    assert (notice.api, notice.doubt) == (Api.V2, None)
    assert (notice.out_trade_no, notice.transaction_id) == (
        "T20260101000001",
        "4200000000202601010000000001",
    )


@pytest.mark.parametrize(
    ("fields", "signature"),
    [
        (
            M21 | {"sign_type": "HMAC-SHA256"},
            "41AD78552EA36CFBCEAFA0908432C7C7F38D20DB32E6943C768B3189F4E8ABFF",
        ),
        (M22, "BD5B5D7D32335501E783D26B863CF99D"),
        (M21 | {"new_field_from_wechat": "x"}, "FEB71AD7B88BB2A64730C36AFE5E43E8"),
    ],
    ids=["HMAC-SHA256", "institutional", "unknown field"],
)
def test_the_sheets_other_notices_are_believed_under_their_own_algorithm(fields, signature):
    notice = read(encode_xml(fields | {"sign": signature}), SHEET_MERCHANT)

    assert notice.fact.total_fee == 100


def test_an_institutions_notice_names_the_sub_merchant_and_both_openids():
    body = encode_xml(M22 | {"sign": sign(M22, KEY)})

    fact = read(body, INSTITUTION).fact

    assert (fact.mch_id, fact.sub_mch_id, fact.sub_appid) == (
        "10000100",
        "10000200",
        "wx1111111111111111",
    )
    assert (fact.payment.openid, fact.payment.sp_openid, fact.payment.sub_openid) == (
        "",
        "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "oSUB8uMuAJO_M2pxb1Q9zNjWeS6o",
    )


def test_a_notice_for_another_appid_of_the_merchant_is_believed():
    assert read(signed(PAID | {"appid": "wx9999999999999999"})).fact.appid == "wx9999999999999999"


def test_a_notice_that_names_no_currency_means_cny():
    assert "fee_type" not in PAID
    assert read(signed(PAID)).fact.fee_type == "CNY"


@pytest.mark.parametrize(
    "body",
    [
        encode_xml(PAID),
        encode_xml(PAID | {"sign": "0" * 32}),
        encode_xml(PAID | {"sign": sign(PAID, KEY).lower()}),
        encode_xml(PAID | {"sign": "签名"}),
        signed(PAID, OTHER_KEY),
        signed(PAID).replace(b"<total_fee>100<", b"<total_fee>1<"),
        signed(PAID).replace(b"</xml>", b"<extra>1</extra></xml>"),
        signed(PAID | {"sign_type": "SHA1"}),
        signed(PAID | {"sign_type": "md5"}),
        signed(PAID | {"sign_type": "HMAC-SHA256"}),
        signed(PAID | {"sign_type": "MD5"}, sign_type=SignType.HMAC_SHA256),
        encode_xml(PAID | {"req_info": encrypt_req_info({"refund_status": "SUCCESS"}, KEY)}),
        encode_xml({"return_code": "FAIL", "return_msg": "x"}),
        b"<xml/>",
    ],
    ids=["no sign", "wrong sign", "lower case", "not ASCII", "other key", "amount changed",
         "field added", "unknown algorithm", "algorithm in lower case", "MD5 said to be HMAC",
         "HMAC said to be MD5", "a refund in it", "failed communication", "nothing"],
)  # fmt: skip
def test_a_notice_whose_signature_is_not_ours_is_not_authentic(body):
    with pytest.raises(NotAuthentic, match="signature is missing or wrong"):
        read(body)


@pytest.mark.parametrize("name", ["mch_id", "appid"])
@pytest.mark.parametrize("stated", ["10000101", None])
def test_another_identity_under_our_key_is_passed_on_for_the_order_to_contradict(name, stated):
    fact = read(signed(changed(PAID, **{name: stated}))).fact

    assert getattr(fact, name) == (stated or "")


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_document_is_malformed(body):
    with pytest.raises(MalformedMessage):
        read(body)


def test_a_notice_of_more_than_64_kib_is_too_large():
    with pytest.raises(MessageTooLarge):
        read(signed(PAID | {"attach": "x" * 65536}))


@pytest.mark.parametrize("name", [*TIRING_NOTICES, "an honest one"])
def test_a_signed_notice_of_64_kib_is_read_however_it_is_filled(name):
    body = TIRING_NOTICES.get(name, HONEST_NOTICE)
    notice = read(body)

    assert len(body) == 65536
    assert (notice.fact.total_fee, notice.unreadable) == (100, "")
    assert bool(notice.doubt) is ("could be cut" in name and "nearly" not in name)


@pytest.mark.parametrize("body", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_64_kib_that_our_key_does_not_open_are_not_authentic(body):
    with pytest.raises(NotAuthentic):
        read(body)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"return_code": "OK"}, "return_code and result_code are neither"),
        ({"return_code": "FAIL"}, "return_code and result_code are neither"),
        ({"return_code": None}, "return_code and result_code are neither"),
        ({"result_code": "OK"}, "return_code and result_code are neither"),
        ({"result_code": None}, "return_code and result_code are neither"),
        ({"trade_state": "PAYERROR"}, "trade_state is not"),
        ({"out_trade_no": None}, "out_trade_no is missing"),
        ({"out_trade_no": "T" * 33}, "out_trade_no is longer than 32 characters"),
        ({"transaction_id": None}, "without total_fee or transaction_id"),
        ({"transaction_id": "4" * 33}, "transaction_id is longer than 32 characters"),
        ({"total_fee": None}, "without total_fee or transaction_id"),
        ({"total_fee": "1.00"}, "total_fee is not a number in plain digits"),
        ({"total_fee": "9" * 12}, "total_fee is more than"),
    ],
)
def test_a_signed_notice_that_cannot_be_read_says_which_member_it_is(changes, why):
    notice = read(signed(changed(PAID, **changes)))

    assert why in notice.unreadable
    assert (notice.fact, notice.kind, notice.product) == (None, "payment", "")
    whole = "out_trade_no" not in changes
    assert notice.out_trade_no == (PAID["out_trade_no"] if whole else "")
    again = read(signed(changed(PAID, **changes, nonce_str="another")))
    assert again.fingerprint == notice.fingerprint


@pytest.mark.parametrize(
    "name",
    ["refund_fee", "refund_id_0", "refund_", "out_refund_no", "out_refund_no_0", "prepay_id",
     "code_url", "mweb_url", "recall"],
)  # fmt: skip
def test_a_notice_that_holds_what_only_the_answer_to_another_call_does_states_nothing(name):
    notice = read(signed(PAID | {name: "x"}))

    assert notice.fact is None
    assert notice.unreadable == "it holds what only the answer to another call does"
    assert read(signed(PAID | {name: ""})).fact.total_fee == 100


@pytest.mark.parametrize("name", ["refund", "coupon_refund_fee", "prepay_id_0", "recalled"])
def test_a_name_that_is_only_like_one_of_another_answer_does_not_stand_in_the_way(name):
    assert read(signed(PAID | {name: "x"})).fact.total_fee == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"time_end": "2026-01-01 00:01:30"},
        {"time_end": "0"},
        {"time_end": "00010101000000"},
        {"rate": "6.5"},
        {"rate_value": "9" * 17},
        {"cash_fee": "many"},
        {"settlement_total_fee": "1.00"},
        {"coupon_fee": "-1"},
        {"coupon_id_0": "1", "coupon_fee_0": "x"},
        {"bank_type": "B" * 400},
        {"promotion_detail": '{"promotion_detail":[{"promotion_id":"1","amount":NaN}]}'},
        {"trade_state": "SUCCESS"},
    ],
)
def test_what_only_describes_does_not_stand_in_a_payments_way(changes):
    fact = read(signed(PAID | changes)).fact

    assert (fact.total_fee, fact.trade_state) == (100, TradeState.SUCCESS)


def test_the_signing_of_a_contract_is_another_products():
    fields = {"contract_id": "1", "change_type": "ADD", "result_code": "SUCCESS"}
    notice = read(signed(fields | {"return_code": "SUCCESS"}))

    assert (notice.fact, notice.product, notice.unreadable) == (None, "a contract", "")
    assert read(signed(PAID | {"contract_id": "1"})).fact.total_fee == 100


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n \n", b'<?xml version="1.0"?>'])
def test_what_stands_before_the_document_changes_nothing(before):
    assert read(before + signed(PAID)).fact.total_fee == 100


def test_a_refund_notice_is_told_by_what_it_holds():
    inner = {"out_trade_no": "T1", "out_refund_no": "R1", "refund_fee": 1}
    body = encode_xml({"mch_id": MERCHANT.mch_id, "req_info": encrypt_req_info(inner, KEY)})

    assert (read(body).kind, read(body).fact.refund_fee) == ("refund", 1)


def test_a_signed_notice_of_failure_is_authentic_and_states_no_fact():
    notice = read(signed(changed(PAID, result_code="FAIL", total_fee=None, err_code="X")))

    assert notice.fact is None
    assert notice.out_trade_no == PAID["out_trade_no"]
    assert len(notice.fingerprint) == 64


def test_a_repetition_with_another_nonce_and_algorithm_has_the_same_fingerprint():
    first = read(signed(PAID))
    again = read(
        signed(
            PAID | {"nonce_str": "another", "sign_type": "HMAC-SHA256"},
            sign_type=SignType.HMAC_SHA256,
        )
    )
    without_empty = read(signed(changed(PAID, attach=None)))

    assert len(first.fingerprint) == 64
    assert first.fingerprint == again.fingerprint == without_empty.fingerprint


@pytest.mark.parametrize(
    "changes",
    [{"total_fee": "101"}, {"out_trade_no": "T20260101000002"}, {"attach": "x"},
     {"new_field": "1"}, {"time_end": "20260101000131"}],
)  # fmt: skip
def test_a_notice_that_says_anything_else_has_another_fingerprint(changes):
    assert read(signed(PAID | changes)).fingerprint != read(signed(PAID)).fingerprint


def test_the_same_words_to_another_merchant_have_another_fingerprint():
    other = replace(MERCHANT, alias="other")

    assert read(signed(PAID)).fingerprint != read(signed(PAID), other).fingerprint


def test_two_fields_cannot_be_arranged_into_the_fingerprint_of_others():
    one = read(signed(PAID | {"a": "1", "b": "2"}))
    two = read(signed(PAID | {"a": '1"], ["b", "2'}))

    assert one.fingerprint != two.fingerprint


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "a.b", "attach", "pieces"]),
            st.sampled_from(["1", "=", "b=1", "1 b=1", "\n", "1\nb=1", "&", "&b", "a", "微"]),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_two_notices_have_one_fingerprint_only_if_they_say_the_same(changes):
    one, two = (read(signed(PAID | each)).fingerprint for each in changes)

    assert (one == two) is (PAID | changes[0] == PAID | changes[1])


def test_personal_data_is_not_in_the_repr_of_a_failed_notice():
    notice = read(signed(PAID | {"result_code": "FAIL", "attach": "Mr Li"}))

    assert "Mr Li" not in repr(notice)


def test_the_acknowledgement_is_word_for_word_the_documented_one():
    assert ACKNOWLEDGED == (
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
        b"<return_msg><![CDATA[OK]]></return_msg></xml>"
    )
    assert encode_xml({"return_code": "SUCCESS", "return_msg": "OK"}) == ACKNOWLEDGED


def test_a_refusal_has_the_same_form():
    assert refusal("order unknown") == (
        b"<xml><return_code><![CDATA[FAIL]]></return_code>"
        b"<return_msg><![CDATA[order unknown]]></return_msg></xml>"
    )


@given(st.one_of(st.binary(max_size=200), st.dictionaries(
    st.sampled_from(sorted(PAID)), st.text(st.characters(min_codepoint=32,
    exclude_categories=["Cs", "Cn"]))).map(lambda changes: signed(PAID | changes))))  # fmt: skip
def test_no_notice_whatever_raises_anything_outside_the_tree_of_errors(body):
    try:
        notice = read(body)
    except WXPayError:
        return
    assert len(notice.fingerprint) == 64
    assert notice.api is Api.V2


# --- one signature, many documents

BOUNDARY = re.compile(r"(?:^|&)(?=[A-Za-z_][A-Za-z0-9_.-]*=)")
PROVEN = ("appid", "mch_id", "out_trade_no", "transaction_id", "total_fee", "result_code")
ATTACHES = st.lists(
    st.sampled_from(
        [
            *(f"&{name}=9" for name in (*PROVEN, "b", "bank", "cash_fee", "z", "fee_type", "a")),
            "x",
            "&",
            "=",
            "&amp;",
            "& c=1",
        ]
    ),
    max_size=6,
).map("".join)


@given(attach=ATTACHES, data=st.data())
def test_a_document_that_shares_its_signature_with_another_proves_only_what_both_say(attach, data):
    fields = PAID | {"attach": attach}
    joined = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] != "")
    places = [match.start() for match in BOUNDARY.finditer(joined)]
    kept = [0] + [at for at in places[1:] if data.draw(st.booleans() | st.just(True))]
    pieces = [joined[a:b].removeprefix("&") for a, b in pairwise([*kept, len(joined)])]
    other = dict(piece.split("=", 1) for piece in pieces)
    assume(len(other) == len(pieces))
    signature = sign(fields, KEY, "MD5")
    assume(sign(other, KEY, "MD5") == signature)

    notice = read(encode_xml(other | {"sign": signature}))
    same = all(other.get(name) == str(fields[name]) for name in PROVEN)
    assert same or notice.doubt or notice.fact is None
