"""Order objects become facts: the seed's example in full, both families, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import BadAnswer, BadSignature
from django_wxpay.protocol.facts import (
    GoodsLine,
    Payment,
    PromotionFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v3.replies import read_trade
from tests.protocol.v3.samples import OPENID, SUB_OPENID, octets, without

# Every member of seed 003 with the example printed beside it.
SEED_REST: dict[str, Any] = {
    "out_trade_no": "1217752501201407033233368018",
    "id": "4200752501201407033233368018",
    "attach": "Custom data",
    "trade_type": "NATIVE",
    "bank_type": "CMC",
    "success_time": "2018-06-08T10:34:56+08:00",
    "trade_state": "SUCCESS",
    "trade_state_desc": "Payment failed. Place another order and pay it again.",
    "amount": {
        "total": 888,
        "payer_total": 888,
        "currency": "CNY",
        "payer_currency": "HKD",
        "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": 80000000},
    },
    "promotion_detail": [
        {
            "promotion_id": "109519",
            "name": "Single-item discount-6",
            "scope": "SINGLE",
            "type": "DISCOUNT",
            "amount": 5,
            "currency": "HKD",
            "activity_id": "931386",
            "wxpay_contribute_amount": 0,
            "merchant_contribute_amount": 0,
            "other_contribute_amount": 5,
            "goods_detail": [
                {
                    "goods_id": "Product code",
                    "goods_remark": "1001",
                    "discount_amount": 100,
                    "quantity": 1,
                    "price": 528800,
                }
            ],
        }
    ],
}
COMMON = {
    "mchid": "1900000109",
    "appid": "wx8888888888888888",
    "payer": {"openid": OPENID},
    **SEED_REST,
}
INSTITUTIONAL = {
    "sp_mchid": "1900000100",
    "sub_mchid": "1900000109",
    "sp_appid": "wx8888888888888888",
    "sub_appid": "wx8888888888888888",
    "payer": {"sp_openid": OPENID, "sub_openid": OPENID},
    **SEED_REST,
}
DOMESTIC: dict[str, Any] = {
    "appid": "wx8888888888888888",
    "mchid": "1900000109",
    "out_trade_no": "DOM20240501A",
    "transaction_id": "4200002177202405011234567890",
    "trade_type": "JSAPI",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "bank_type": "OTHERS",
    "attach": "",
    "success_time": "2024-05-01T16:59:40+08:00",
    "payer": {"openid": OPENID},
    "amount": {"total": 100, "payer_total": 90, "currency": "CNY", "payer_currency": "CNY"},
    "scene_info": {"device_id": "013467007045764"},
    "promotion_detail": [
        {
            "coupon_id": "109519",
            "name": "单品惠-6",
            "scope": "SINGLE",
            "type": "CASH",
            "amount": 10,
            "stock_id": "931386",
            "wechatpay_contribute": 1,
            "merchant_contribute": 4,
            "other_contribute": 5,
            "currency": "CNY",
            "goods_detail": [
                {"goods_id": "M1006", "quantity": 1, "unit_price": 100, "discount_amount": 10}
            ],
        }
    ],
}


def read(trade: Any) -> TradeFact:
    return read_trade(octets(trade), source="v3.query")


def refused(trade: Any) -> BadAnswer:
    with pytest.raises(BadAnswer) as caught:
        read(trade)
    return caught.value


def with_amount(trade: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return trade | {"amount": trade["amount"] | changes}


def with_promotion(**changes: Any) -> dict[str, Any]:
    return COMMON | {"promotion_detail": [COMMON["promotion_detail"][0] | changes]}


SEED_PROMOTION = PromotionFact(
    promotion_id="109519",
    name="Single-item discount-6",
    scope="SINGLE",
    type="DISCOUNT",
    amount=5,
    currency="HKD",
    activity_id="931386",
    wxpay_contribute_amount=0,
    merchant_contribute_amount=0,
    other_contribute_amount=5,
    goods_detail=(
        GoodsLine(
            goods_id="Product code",
            goods_remark="1001",
            discount_amount=100,
            quantity=1,
            price=528800,
        ),
    ),
)


def seed_fact(**changes: Any) -> TradeFact:
    return TradeFact(
        source="v3.query",
        appid="wx8888888888888888",
        out_trade_no="1217752501201407033233368018",
        trade_state=TradeState.SUCCESS,
        trade_state_desc="Payment failed. Place another order and pay it again.",
        trade_type="NATIVE",
        transaction_id="4200752501201407033233368018",
        total_fee=888,
        fee_type="CNY",
        success_time=datetime(2018, 6, 8, 10, 34, 56, tzinfo=BEIJING),
        bank_type="CMC",
        attach="Custom data",
        **changes,
    )


def seed_payment(**payer: str) -> Payment:
    return Payment(
        **payer,
        payer_total=888,
        payer_currency="HKD",
        exchange_rate_type="SETTLEMENT_RATE",
        exchange_rate=Decimal("0.8"),
        promotions=(SEED_PROMOTION,),
    )


def test_the_seeds_example_in_common_mode_is_read_member_by_member():
    assert read(COMMON) == seed_fact(mch_id="1900000109", payment=seed_payment(openid=OPENID))


def test_the_seeds_example_in_institutional_mode_is_read_member_by_member():
    assert read(INSTITUTIONAL) == seed_fact(
        mch_id="1900000100",
        sub_mch_id="1900000109",
        sub_appid="wx8888888888888888",
        payment=seed_payment(sp_openid=OPENID, sub_openid=OPENID),
    )


def test_a_parsed_object_reads_like_its_octets():
    assert read_trade(COMMON, source="v3.query") == read(COMMON)


def test_a_domestic_order_speaks_with_other_names_and_says_the_same():
    fact = read(DOMESTIC)
    (promotion,) = fact.payment.promotions

    assert fact.transaction_id == "4200002177202405011234567890"
    assert (fact.total_fee, fact.fee_type, fact.attach) == (100, "CNY", "")
    assert (fact.payment.openid, fact.payment.exchange_rate) == (OPENID, None)
    assert promotion == PromotionFact(
        promotion_id="109519",
        name="单品惠-6",
        scope="SINGLE",
        type="CASH",
        amount=10,
        currency="CNY",
        activity_id="931386",
        wxpay_contribute_amount=1,
        merchant_contribute_amount=4,
        other_contribute_amount=5,
        goods_detail=(GoodsLine(goods_id="M1006", quantity=1, price=100, discount_amount=10),),
    )


def test_a_partner_order_names_the_institution_and_its_sub_merchant():
    whose = {"sp_mchid": "1900000100", "sp_appid": "wx1", "sub_mchid": "1900000109"}
    payer = {"payer": {"sub_openid": SUB_OPENID}}
    fact = read(without(DOMESTIC, "mchid", "appid") | whose | payer)

    assert (fact.mch_id, fact.sub_mch_id, fact.appid, fact.sub_appid) == (
        "1900000100",
        "1900000109",
        "wx1",
        "",
    )
    assert fact.payment.sub_openid == SUB_OPENID


@pytest.mark.parametrize(
    "spelling",
    ["wxpay_contribute_amount", "wechatpay_contribute_amount", "wechatpay_contribute"],
)
def test_what_wechat_pay_contributes_is_read_in_every_spelling(spelling):
    promotion = without(COMMON["promotion_detail"][0], "wxpay_contribute_amount") | {spelling: 3}
    fact = read(COMMON | {"promotion_detail": [promotion]})

    assert fact.payment.promotions[0].wxpay_contribute_amount == 3


def test_promotions_may_stand_under_detail():
    moved = without(COMMON, "promotion_detail") | {"detail": COMMON["promotion_detail"]}

    assert read(moved).payment.promotions == (SEED_PROMOTION,)


def test_a_goods_line_without_its_discount_has_none():
    line = without(COMMON["promotion_detail"][0]["goods_detail"][0], "discount_amount")
    fact = read(with_promotion(goods_detail=[line]))

    assert fact.payment.promotions[0].goods_detail[0].discount_amount == 0


@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "USERPAYING", "PAYERROR", "REVOKED"])
@pytest.mark.parametrize("whose", [{"mchid": "1"}, {"sp_mchid": "1", "sub_mchid": "2"}])
def test_an_unpaid_order_says_almost_nothing(state, whose):
    fact = read(whose | {"out_trade_no": "ORDER1", "trade_state": state})

    assert (fact.mch_id, fact.trade_state) == ("1", TradeState(state))
    assert (fact.total_fee, fact.fee_type, fact.transaction_id) == (None, "", "")
    assert (fact.success_time, fact.payment, fact.appid) == (None, None, "")


def test_an_unpaid_order_may_say_nothing_at_length():
    fact = read(
        {
            "mchid": "1",
            "out_trade_no": "ORDER1",
            "trade_state": "NOTPAY",
            "id": "",
            "bank_type": "",
            "success_time": "",
            "payer": None,
            "amount": {"total": 888, "payer_total": 0, "payer_currency": ""},
            "promotion_detail": [],
        }
    )

    # Without a currency the family is unknown, so no currency is claimed.
    assert (fact.total_fee, fact.fee_type, fact.payment) == (888, "", None)


def test_an_amount_of_zero_is_no_amount():
    unpaid = {"mchid": "1", "out_trade_no": "ORDER1", "trade_state": "CLOSED"}

    assert read(unpaid | {"amount": {"total": 0}}).total_fee is None


def test_a_domestic_payment_may_leave_cny_unsaid_and_a_global_one_may_not():
    domestic = DOMESTIC | {"amount": {"total": 100}}
    overseas = COMMON | {"amount": {"total": 100}}

    assert read(domestic).fee_type == "CNY"
    assert "currency" in str(refused(overseas))


def test_a_payment_that_says_nothing_of_itself_is_none():
    bare = without(DOMESTIC, "payer", "promotion_detail") | {
        "amount": {"total": 100, "currency": "CNY"}
    }

    assert read(bare).payment is None


@pytest.mark.parametrize("name", sorted(set(SEED_REST) - {"out_trade_no", "trade_state"}))
def test_every_optional_member_may_be_missing_once_refunds_have_begun(name):
    fact = read(without(COMMON, name) | {"trade_state": "REFUND"})

    assert fact.trade_state is TradeState.REFUND
    assert fact.out_trade_no == "1217752501201407033233368018"


@pytest.mark.parametrize("name", ["out_trade_no", "trade_state", "mchid", "id", "amount"])
def test_a_success_without_what_it_is_held_against_is_a_bad_answer(name):
    assert not isinstance(refused(without(COMMON, name)), BadSignature)
    refused(COMMON | {name: None})


@pytest.mark.parametrize(
    "state", ["", "PAID", "success", "CREATED", "ACCEPT", 1, None, ["SUCCESS"]]
)
def test_an_unknown_trade_state_is_a_bad_answer(state):
    refused(COMMON | {"trade_state": state})


NO_AMOUNTS = [888.0, 888.5, True, "888", "", -1, 2**31, [888], {}]


@pytest.mark.parametrize("value", NO_AMOUNTS)
def test_an_amount_that_is_no_whole_number_is_a_bad_answer(value):
    assert "total is" in str(refused(with_amount(COMMON, total=value)))


@pytest.mark.parametrize("value", NO_AMOUNTS)
def test_what_the_payer_paid_is_left_out_where_it_is_no_amount(value):
    fact = read(with_amount(COMMON, payer_total=value))

    assert (fact.total_fee, fact.payment.payer_total) == (888, None)


@pytest.mark.parametrize("rate", [0.8, True, "80000000", -1, 10**16])
def test_a_rate_that_is_no_whole_number_is_left_out(rate):
    fact = read(with_amount(COMMON, exchange_rate={"type": "SETTLEMENT_RATE", "rate": rate}))

    assert (fact.total_fee, fact.payment.exchange_rate) == (888, None)


@pytest.mark.parametrize(
    ("rate", "meant"),
    [
        (100000000, "1"),
        (650000000, "6.5"),
        (1, "0.00000001"),
        (9999999999999999, "99999999.99999999"),
    ],
)
def test_a_rate_has_eight_decimals_and_is_exact(rate, meant):
    fact = read(with_amount(COMMON, exchange_rate={"rate": rate}))

    assert fact.payment.exchange_rate == Decimal(meant)
    assert (fact.payment.exchange_rate_type, type(fact.payment.exchange_rate)) == ("", Decimal)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mchid", 1900000109),
        ("appid", True),
        ("transaction_id", 4200),
        ("out_trade_no", ["x"]),
        ("out_trade_no", "T" * 33),
        ("out_trade_no", "secret\0"),
        ("transaction_id", "secret\ud83c"),
        ("transaction_id", "4" * 33),
        ("amount", 888),
    ],
)
def test_a_member_that_an_order_is_held_against_is_read_strictly_and_not_repeated(name, value):
    error = refused(COMMON | {name: value})

    assert name in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attach", {}),
        ("bank_type", 5),
        ("trade_type", []),
        ("trade_state_desc", 1.5),
        ("sub_appid", 5),
        ("payer", "x"),
        ("payer", []),
        ("payer", {"openid": 5}),
        ("success_time", "2018-06-08 10:34:56"),
        ("success_time", 1528425296),
        ("success_time", "2018-06-08T10:34:56"),
        ("success_time", "0001-01-01T00:00:00+08:00"),
    ],
)
def test_a_member_that_only_describes_does_not_stand_in_a_payments_way(name, value):
    fact = read(COMMON | {name: value})

    assert (fact.total_fee, fact.trade_state) == (888, TradeState.SUCCESS)
    if name == "success_time":
        assert fact.success_time is None


@pytest.mark.parametrize("value", [None, "x", 5, {}, ["x", None], [[]]])
def test_promotions_that_cannot_be_read_do_not_stand_in_a_payments_way(value):
    fact = read(COMMON | {"promotion_detail": value})

    assert (fact.total_fee, fact.payment.promotions) == (888, ())


@pytest.mark.parametrize("amount", [5.0, True, "5", -5, None])
def test_a_promotions_amount_that_is_no_whole_number_is_left_out(amount):
    (promotion,) = read(with_promotion(amount=amount, name=7)).payment.promotions

    assert (promotion.amount, promotion.name) == (None, "")
    assert promotion.promotion_id == "109519"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html></html>", b'{"a":1,"a":2}', b"\xff", b"["])
def test_what_is_no_document_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        read_trade(body, source="v3.query")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(changes=st.dictionaries(st.sampled_from(sorted(COMMON)), JSON))
def test_no_order_object_whatever_raises_anything_else(changes):
    try:
        fact = read_trade(json.dumps(COMMON | changes).encode(), source="v3.query")
    except BadAnswer:
        return
    assert fact.out_trade_no
    assert fact.total_fee is None or type(fact.total_fee) is int


@given(promotions=JSON | st.lists(st.dictionaries(st.sampled_from(["amount", "name"]), JSON)))
def test_no_promotions_whatever_cost_a_payment(promotions):
    fact = read_trade(COMMON | {"promotion_detail": promotions}, source="v3.query")

    assert fact.total_fee == 888
