"""Answers: which are believed, which are refusals, and what a trade block says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import BadAnswer, BadSignature, Refused, WXPayError
from django_wxpay.protocol.facts import (
    Coupon,
    GoodsLine,
    Payment,
    PrepayGrant,
    PromotionFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import encode_xml
from django_wxpay.protocol.v2.replies import (
    ReplySummary,
    read_envelope,
    read_orderquery,
    read_unifiedorder,
    summarise,
)
from tests.protocol.samples import (
    INSTITUTION,
    KEY,
    MERCHANT,
    OTHER_KEY,
    PAID,
    REF,
    TERMS,
    changed,
    signed,
)
from tests.protocol.v2.test_xml import HOSTILE
from tests.protocol.v2.vectors import K1, M12, M13

APPID = MERCHANT.appid
GRANTED = M12 | {"trade_type": "NATIVE", "code_url": "weixin://wxpay/bizpayurl?pr=XXXXXXX"}
QUERIED = PAID | {"trade_state": "SUCCESS", "trade_state_desc": "支付成功"}


def read(body: bytes, *, merchant=MERCHANT, sign_type=SignType.MD5, **more) -> dict[str, str]:
    return read_envelope(body, merchant=merchant, sign_type=sign_type, appid=APPID, **more)


def query(**changes: str | None) -> TradeFact:
    return read_orderquery(changed(QUERIED, **changes), REF)


# The envelope


@pytest.mark.parametrize("sign_type", SignType)
def test_an_answer_signed_with_the_requests_algorithm_is_believed_whole(sign_type):
    fields = M12 | {"new_field_from_wechat": "x"}

    answer = read(signed(fields, sign_type=sign_type), sign_type=sign_type)

    assert {name: answer[name] for name in fields} == fields


def test_the_answer_of_the_sheet_is_believed():
    body = encode_xml(M12 | {"sign": "C1D37A1438E658F77AC5CA3BD3A2A149"})

    assert read(body, merchant=replace(MERCHANT, api_key=K1))["prepay_id"] == M12["prepay_id"]


def test_the_refusal_of_the_sheet_is_believed():
    body = encode_xml(M13 | {"sign": "4D40DFD965B715311609A4848F069907"})

    with pytest.raises(Refused) as caught:
        read(body, merchant=replace(MERCHANT, api_key=K1))

    assert (caught.value.err_code, caught.value.err_code_des) == ("ORDERPAID", "该订单已支付")
    assert caught.value.advice.startswith("The order has been paid already.")


@pytest.mark.parametrize(
    "body",
    [
        encode_xml(M12),
        encode_xml(M12 | {"sign": ""}),
        encode_xml(M12 | {"sign": "0" * 32}),
        signed(M12, OTHER_KEY),
        signed(M12, sign_type=SignType.HMAC_SHA256),
        signed(M12).replace(b"<trade_type>", b"<extra>1</extra><trade_type>"),
        signed(M12).replace(b"abcdef0000", b"abcdef0001"),
        encode_xml(M13),
        signed(M13, OTHER_KEY),
    ],
    ids=["no sign", "empty sign", "wrong sign", "other key", "other algorithm", "field added",
         "field changed", "unsigned refusal", "forged refusal"],
)  # fmt: skip
def test_an_answer_whose_signature_is_not_ours_is_never_data_not_even_a_refusal(body):
    with pytest.raises(BadSignature, match="signature is missing or wrong"):
        read(body)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mch_id": "10000101"}, "another mch_id or appid"),
        ({"mch_id": None}, "another mch_id or appid"),
        ({"appid": "wx0000000000000000"}, "another mch_id or appid"),
        ({"appid": "wx9999999999999999"}, "another mch_id or appid"),
        ({"appid": None}, "another mch_id or appid"),
        ({"nonce_str": None}, "no nonce_str"),
    ],
)
def test_an_answer_for_somebody_else_is_not_believed_though_signed(changes, problem):
    with pytest.raises(BadSignature, match=problem):
        read(signed(changed(M12, **changes)))
    with pytest.raises(BadSignature, match=problem):
        read(signed(changed(M13, **changes)))


def test_an_answer_for_another_sub_merchant_is_not_believed():
    asked = {"merchant": INSTITUTION, "sub_mch_id": "10000200"}

    assert read(signed(M12 | {"sub_mch_id": "10000200"}), **asked)["sub_mch_id"] == "10000200"
    for told in ({}, {"sub_mch_id": "10000201"}):
        with pytest.raises(BadSignature, match="another sub_mch_id"):
            read(signed(M12 | told), **asked)


def test_a_refusal_as_a_whole_needs_no_signature_and_is_a_refusal():
    with pytest.raises(Refused) as caught:
        read(encode_xml({"return_code": "FAIL", "return_msg": "签名错误", "prepay_id": "x"}))

    assert (caught.value.err_code, caught.value.err_code_des) == ("RETURN_FAIL", "签名错误")
    assert "API key" in caught.value.advice


def test_a_refusal_as_a_whole_may_name_a_code():
    with pytest.raises(Refused) as caught:
        read(encode_xml({"return_code": "FAIL", "err_code": "SIGNERROR"}))

    assert (caught.value.err_code, caught.value.err_code_des) == ("SIGNERROR", "")
    assert caught.value.advice.startswith("The signature is wrong.")


@pytest.mark.parametrize("word", [None, "", "success", "OK", "FAILED"])
def test_an_answer_with_other_words_than_success_and_fail_is_a_bad_answer(word):
    with pytest.raises(BadAnswer, match="return_code is neither SUCCESS nor FAIL"):
        read(signed(changed(M12, return_code=word)))
    with pytest.raises(BadAnswer, match="result_code is neither SUCCESS nor FAIL"):
        read(signed(changed(M12, result_code=word)))


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_document_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        read(body)


def test_the_answer_to_a_report_is_read_without_signature():
    body = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"

    assert read(body, signed=False) == {"return_code": "SUCCESS", "result_code": "SUCCESS"}
    with pytest.raises(BadSignature):
        read(body)


def test_the_key_is_in_no_exception():
    for body in (encode_xml(M12), signed(M13), b"<html>"):
        with pytest.raises(WXPayError) as caught:
            read(body)
        assert KEY not in repr(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_outside_the_tree_of_errors(body):
    with pytest.raises(BadAnswer):
        read(body)
    assert isinstance(summarise(body), ReplySummary)


# The summary for the records


def test_a_summary_tells_what_an_answer_claims_believed_or_not():
    assert summarise(encode_xml(M13)) == ReplySummary(
        return_code="SUCCESS",
        return_msg="OK",
        result_code="FAIL",
        err_code="ORDERPAID",
        err_code_des="该订单已支付",
    )
    assert summarise(b"<html></html>") == ReplySummary()
    assert summarise(b"") == ReplySummary()


def test_a_summary_is_cut_to_the_documented_widths():
    long = "x" * 1000
    names = ("return_code", "return_msg", "result_code", "err_code", "err_code_des")

    summary = summarise(encode_xml(dict.fromkeys(names, long)))

    assert [len(getattr(summary, name)) for name in names] == [16, 128, 16, 32, 128]


# unifiedorder


def test_an_accepted_order_grants_what_its_trade_type_needs():
    assert read_unifiedorder(GRANTED, TERMS) == PrepayGrant(
        prepay_id="wx0112345678901234567890abcdef0000",
        trade_type="NATIVE",
        code_url="weixin://wxpay/bizpayurl?pr=XXXXXXX",
    )
    url = {"trade_type": "MWEB", "mweb_url": "https://wx.tenpay.com/" + "x" * 300}
    assert (
        read_unifiedorder(M12 | url, replace(TERMS, trade_type="MWEB")).mweb_url
        == (url["mweb_url"])
    )
    for trade_type in ("JSAPI", "APP"):
        grant = read_unifiedorder(
            M12 | {"trade_type": trade_type}, replace(TERMS, trade_type=trade_type)
        )
        assert grant == PrepayGrant(prepay_id=M12["prepay_id"], trade_type=trade_type)


@pytest.mark.parametrize(
    ("trade_type", "changes", "problem"),
    [
        ("NATIVE", {"code_url": None}, "no code_url"),
        ("NATIVE", {"prepay_id": None}, "no prepay_id"),
        ("NATIVE", {"prepay_id": ""}, "no prepay_id"),
        ("NATIVE", {"prepay_id": "w" * 129}, "prepay_id: 129 chars long"),
        ("NATIVE", {"trade_type": "JSAPI"}, "another trade_type"),
        ("NATIVE", {"trade_type": None}, "another trade_type"),
        ("MWEB", {"trade_type": "MWEB"}, "no mweb_url"),
    ],
)
def test_a_grant_that_lacks_what_the_client_needs_is_a_bad_answer(trade_type, changes, problem):
    with pytest.raises(BadAnswer, match=problem):
        read_unifiedorder(changed(GRANTED, **changes), replace(TERMS, trade_type=trade_type))


# orderquery


def test_a_paid_order_is_read_whole():
    assert query() == TradeFact(
        source="v2.orderquery",
        mch_id="10000100",
        appid="wxd930ea5d5a258f4f",
        out_trade_no="T20260101000001",
        trade_state=TradeState.SUCCESS,
        trade_state_desc="支付成功",
        trade_type="NATIVE",
        transaction_id="4200000000202601010000000001",
        total_fee=100,
        fee_type="CNY",
        success_time=datetime(2025, 12, 31, 16, 1, 30, tzinfo=UTC),
        bank_type="OTHERS",
        payment=Payment(
            openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            payer_total=100,
            payer_currency="CNY",
            cash_fee=100,
        ),
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NOTPAY", TradeState.NOTPAY),
        ("USERPAYING", TradeState.USERPAYING),
        ("ACCEPT", TradeState.USERPAYING),
        ("SUCCESS", TradeState.SUCCESS),
        ("REFUND", TradeState.REFUND),
        ("CLOSED", TradeState.CLOSED),
        ("REVOKED", TradeState.REVOKED),
        ("PAYERROR", TradeState.PAYERROR),
    ],
)
def test_every_state_of_the_sheet_is_known(word, state):
    assert query(trade_state=word).trade_state is state


@pytest.mark.parametrize("word", [None, "", "CREATED", "success", "PAID"])
def test_a_state_nobody_knows_is_a_bad_answer(word):
    with pytest.raises(BadAnswer, match="no trade_state that we know"):
        query(trade_state=word)


def test_an_unpaid_order_says_nothing_of_money_or_payers():
    fields = {name: QUERIED[name] for name in ("appid", "mch_id", "out_trade_no")}

    fact = read_orderquery(fields | {"trade_state": "NOTPAY"}, REF)

    assert (fact.total_fee, fact.fee_type, fact.success_time) == (None, "", None)
    assert (fact.transaction_id, fact.payment) == ("", None)


def test_an_order_not_yet_paid_has_no_payment_whatever_else_is_told():
    assert query(trade_state="NOTPAY").payment is None
    assert query(trade_state="REVOKED").payment is None


def test_a_refunded_order_may_come_without_its_paid_block():
    fields = {name: QUERIED[name] for name in ("appid", "mch_id", "out_trade_no")}

    fact = read_orderquery(fields | {"trade_state": "REFUND"}, REF)

    assert (fact.trade_state, fact.total_fee, fact.payment) == (TradeState.REFUND, None, None)


@pytest.mark.parametrize("number", [None, "", "T20260101000002", "t20260101000001"])
def test_an_answer_about_another_order_is_not_believed(number):
    with pytest.raises(BadSignature, match="about another order"):
        query(out_trade_no=number)


NO_NUMBERS = ["1.0", "-1", "+1", " 1", "1e2", "１", "x", "1" * 17]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_an_amount_that_is_no_number_is_a_bad_answer(text):
    with pytest.raises(BadAnswer, match="total_fee is not a number in plain digits"):
        query(total_fee=text)


@pytest.mark.parametrize("name", ["cash_fee", "coupon_fee", "settlement_total_fee", "coupon_fee_0",
                                  "rate_value", "rate"])  # fmt: skip
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_that_only_describes_is_left_out_when_it_is_none(name, text):
    paid = query(**{name: text}).payment

    left_out = {
        "coupon_fee_0": lambda: paid.coupons[0].coupon_fee,
        "rate_value": lambda: paid.exchange_rate,
        "rate": lambda: paid.exchange_rate,
    }
    assert left_out.get(name, lambda: getattr(paid, name))() is None


def test_a_number_larger_than_any_amount_is_a_bad_answer():
    with pytest.raises(BadAnswer, match="total_fee is more than 2147483647"):
        query(total_fee="2147483648")


@pytest.mark.parametrize(
    "text", ["2026-01-01 00:00:00", "20260101", "20261301000000", "00010101000000", "0"]
)
def test_a_time_that_is_none_is_left_out_and_the_order_is_paid(text):
    fact = query(time_end=text)

    assert (fact.success_time, fact.trade_state) == (None, TradeState.SUCCESS)


@pytest.mark.parametrize("name", ["total_fee", "transaction_id"])
def test_a_success_that_does_not_say_how_much_or_which_is_a_bad_answer(name):
    with pytest.raises(BadAnswer, match="a success without total_fee or transaction_id"):
        query(**{name: None})


def test_an_amount_of_zero_is_a_number_and_not_an_absence():
    fact = query(cash_fee="0", coupon_fee="100")

    assert (fact.payment.cash_fee, fact.payment.payer_total) == (0, 0)


def test_coupons_are_read_by_their_index_however_many_and_in_whatever_order():
    coupons = {f"coupon_fee_{index}": str(index) for index in reversed(range(12))}

    fact = query(coupon_fee="66", coupon_count="12", coupon_id_0="10000", coupon_type_0="CASH",
                 **coupons)  # fmt: skip

    assert fact.payment.coupon_fee == 66
    assert [coupon.coupon_fee for coupon in fact.payment.coupons] == list(range(12))
    assert fact.payment.coupons[0] == Coupon(coupon_id="10000", coupon_type="CASH", coupon_fee=0)
    assert fact.payment.coupons[11] == Coupon(coupon_fee=11)


def test_names_that_only_look_like_coupons_are_none():
    fact = query(coupon_id="1", coupon_fee_01="1", coupon_fee_0_0="1", coupon_id_1000="1",
                 coupon_id_3="")  # fmt: skip

    assert fact.payment.coupons == ()


def test_an_institution_hears_of_its_payer_under_both_appids():
    ref = replace(REF, sub_mch_id="10000200")

    fact = read_orderquery(
        QUERIED
        | {"sub_mch_id": "10000200", "sub_appid": "wx1111111111111111", "sub_openid": "oSUB"},
        ref,
    )

    assert (fact.sub_mch_id, fact.sub_appid) == ("10000200", "wx1111111111111111")
    assert fact.payment.openid == ""
    assert fact.payment.sp_openid == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    assert fact.payment.sub_openid == "oSUB"


@pytest.mark.parametrize("name", ["rate_value", "rate"])
def test_a_payment_in_another_currency_carries_its_exact_rate(name):
    fact = query(fee_type="USD", cash_fee="650", cash_fee_type="CNY", **{name: "650000000"})

    assert fact.fee_type == "USD"
    assert (fact.payment.cash_fee_type, fact.payment.payer_currency) == ("CNY", "CNY")
    assert fact.payment.exchange_rate == Decimal("6.5")
    assert fact.payment.exchange_rate_type == "SETTLEMENT_RATE"


def test_the_newer_name_of_the_rate_wins():
    assert query(rate_value="80000000", rate="1").payment.exchange_rate == Decimal("0.8")


def test_a_payers_currency_that_is_not_told_is_the_orders():
    assert query(fee_type="HKD").payment.payer_currency == "HKD"
    assert query(cash_fee=None).payment.payer_currency == ""


def test_the_payers_currency_of_an_order_that_names_no_money_is_cny():
    fact = query(trade_state="REFUND", total_fee=None)

    assert (fact.fee_type, fact.payment.payer_currency) == ("", "CNY")


PROMOTION = {
    "promotion_id": "109519",
    "name": "单品惠-6",
    "scope": "SINGLE",
    "type": "DISCOUNT",
    "amount": 5,
    "activity_id": "931386",
    "wxpay_contribute": 1,
    "merchant_contribute": "4",
    "other_contribute": 0,
    "goods_detail": [
        {"goods_id": "a_goods1", "goods_remark": "商品备注", "quantity": 7, "price": 1,
         "discount_amount": 4},
        {"goods_id": "a_goods2"},
        "nonsense",
    ],
}  # fmt: skip


def test_promotions_are_read_with_their_goods():
    fact = query(promotion_detail=json.dumps({"promotion_detail": [PROMOTION, {}, 1]}))

    assert fact.payment.promotions == (
        PromotionFact(
            promotion_id="109519",
            name="单品惠-6",
            scope="SINGLE",
            type="DISCOUNT",
            amount=5,
            activity_id="931386",
            wxpay_contribute_amount=1,
            merchant_contribute_amount=4,
            other_contribute_amount=0,
            goods_detail=(
                GoodsLine(
                    goods_id="a_goods1",
                    goods_remark="商品备注",
                    quantity=7,
                    price=1,
                    discount_amount=4,
                ),
                GoodsLine(goods_id="a_goods2"),
            ),
        ),
        PromotionFact(promotion_id=""),
    )


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "{}",
        '{"promotion_detail":{}}',
        '{"promotion_detail":"x"}',
        "[" * 5000,
        '{"promotion_detail":[%s{"promotion_id":"1"}]}' % ("{}," * 1000),
    ],
)
def test_promotions_that_cannot_be_read_never_stand_in_a_payments_way(text):
    assert query(promotion_detail=text).payment.promotions == ()


@pytest.mark.parametrize("value", [True, -1, 1.5, 2**31, "1.0", None, [1]])
def test_a_promotions_amount_that_is_none_is_left_out(value):
    text = json.dumps({"promotion_detail": [{"promotion_id": "1", "amount": value, "name": 1}]})

    assert query(promotion_detail=text).payment.promotions == (PromotionFact(promotion_id="1"),)


@given(st.dictionaries(st.sampled_from(sorted(QUERIED)), st.text()))
def test_no_believed_answer_whatever_raises_anything_but_a_bad_answer(changes):
    try:
        fact = read_orderquery(QUERIED | changes, REF)
    except BadAnswer:
        return
    assert fact.out_trade_no == REF.out_trade_no
