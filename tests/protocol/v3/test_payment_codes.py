"""Payments by code over APIv3: every body in full, where it goes, and what an answer says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from django_wxpay.protocol.errors import BadAnswer, BadSignature, InvalidOrder
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.fields import check_code_v3
from django_wxpay.protocol.v3.replies import read_code_payment
from django_wxpay.protocol.v3.requests import code_request, interface_url, reverse_request
from django_wxpay.simulator.v3.bodies import problems_of_create_body, problems_of_reverse_body
from tests.protocol.v3.samples import (
    DETAIL,
    INSTITUTION,
    MAINLAND,
    MERCHANTS,
    NOW,
    OVERSEAS,
    PARTNER,
    REF,
    octets,
    terms_for,
    text,
)

CODE = Secret("134567890123456789")
IDS = [merchant.alias for merchant in MERCHANTS]
every_merchant = pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)


def sale(merchant: Merchant, **changes: Any) -> OrderTerms:
    by_code = {"trade_type": "MICROPAY", "notify_url": "", "spbill_create_ip": "203.0.113.7"}
    return terms_for(merchant, **(by_code | changes))


def check(terms: OrderTerms, merchant: Merchant, code: Secret = CODE) -> None:
    check_code_v3(
        terms,
        code,
        mode=merchant.mode,
        region=merchant.region,
        merchant_category_code=merchant.merchant_category_code,
    )


def sent(terms: OrderTerms, merchant: Merchant) -> dict[str, Any]:
    check(terms, merchant)
    body: dict[str, Any] = json.loads(code_request(terms, CODE, merchant=merchant).body)
    problem = problems_of_create_body(
        body, region=merchant.region, mode=merchant.mode, trade_type="MICROPAY"
    )
    assert problem is None, problem
    return body


def test_a_mainland_sale_with_everything_there_is() -> None:
    terms = sale(
        MAINLAND,
        attach="desk 7",
        goods_tag="WXG",
        receipt="Y",
        profit_sharing="Y",
        device_info="till 1",
        detail=text(DETAIL),
        scene_info=text({"store_info": {"id": "SZTX001"}}),
    )
    assert sent(terms, MAINLAND) == {
        "appid": "wx8888888888888888",
        "mchid": "1900000109",
        "description": "测试商店-深圳-QQ公仔",
        "out_trade_no": "ORDER20240501A",
        "support_fapiao": True,
        "settle_info": {"profit_sharing": True},
        "attach": "desk 7",
        "goods_tag": "WXG",
        "amount": {"total": 888, "currency": "CNY"},
        "payer": {"auth_code": "134567890123456789"},
        "detail": {
            "cost_price": 900,
            "invoice_id": "R-1",
            "goods_detail": [
                {
                    "merchant_goods_id": "SKU-1_a",
                    "wechatpay_goods_id": "1001",
                    "goods_name": "公仔",
                    "quantity": 2,
                    "unit_price": 444,
                }
            ],
        },
        "scene_info": {
            "device_id": "till 1",
            "device_ip": "203.0.113.7",
            "store_info": {"id": "SZTX001"},
        },
    }


def test_a_global_sale_names_its_type_and_category_and_no_address_to_notify() -> None:
    terms = sale(OVERSEAS, limit_pay="no_credit", device_info="till 1")
    assert sent(terms, OVERSEAS) == {
        "appid": "wx8888888888888888",
        "mchid": "1900000109",
        "description": "测试商店-深圳-QQ公仔",
        "out_trade_no": "ORDER20240501A",
        "trade_type": "MICROPAY",
        "merchant_category_code": "4111",
        "limit_pay": "no_credit",
        "amount": {"total": 888, "currency": "HKD"},
        "payer": {"auth_code": "134567890123456789"},
        "scene_info": {"device_id": "till 1", "device_ip": "203.0.113.7"},
    }


@pytest.mark.parametrize("merchant", [PARTNER, INSTITUTION], ids=["mainland", "global"])
def test_an_institution_names_its_sub_merchant(merchant: Merchant) -> None:
    body = sent(sale(merchant, sub_appid="wx7777777777777777"), merchant)
    named = ("sp_appid", "sp_mchid", "sub_mchid", "sub_appid")
    assert [body[name] for name in named] == [
        *("wx8888888888888888", "1900000100", "1900000109", "wx7777777777777777"),
    ]
    assert {"appid", "mchid"} & body.keys() == set()


@pytest.mark.parametrize(
    ("merchant", "charge", "undo"),
    [
        (MAINLAND, "/v3/pay/transactions/codepay", "/v3/pay/transactions/"),
        (PARTNER, "/v3/pay/partner/transactions/codepay", "/v3/pay/partner/transactions/"),
        (
            OVERSEAS,
            "/v3/global/micropay/transactions/pay",
            "/v3/global/micropay/transactions/",
        ),
        (
            INSTITUTION,
            "/v3/global/micropay/transactions/pay",
            "/v3/global/micropay/transactions/",
        ),
    ],
    ids=IDS,
)
def test_every_family_has_its_paths(merchant: Merchant, charge: str, undo: str) -> None:
    request = code_request(sale(merchant), CODE, merchant=merchant)
    assert (request.method, request.target) == ("POST", charge)
    request = reverse_request(REF, merchant=merchant)
    assert (request.method, request.target) == (
        "POST",
        f"{undo}out-trade-no/ORDER20240501A/reverse",
    )
    assert interface_url(request.target) == f"{undo}out-trade-no/{{out_trade_no}}/reverse"


@every_merchant
def test_a_reversal_names_whose_order_it_is(merchant: Merchant) -> None:
    ref = replace(REF, sub_mch_id=merchant.sub_mch_id)
    body = json.loads(reverse_request(ref, merchant=merchant).body)
    assert problems_of_reverse_body(body, region=merchant.region, mode=merchant.mode) is None
    names = {
        "mainland": {"appid", "mchid"},
        "partner": {"sp_appid", "sp_mchid", "sub_mchid"},
        "overseas": {"mchid"},
        "institution": {"sp_mchid", "sub_mchid"},
    }
    assert body.keys() == names[merchant.alias]


@every_merchant
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("auth_code", "13456789012345678"),
        ("auth_code", ""),
        ("total_fee", 0),
        ("total_fee", True),
        ("body", ""),
        ("trade_type", "NATIVE"),
        ("version", "1.0"),
        ("time_expire", NOW + timedelta(hours=1)),
        ("time_start", NOW),
        ("scene_info", '{"h5_info": {"type": "Wap"}}'),
        ("spbill_create_ip", "till"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(
    merchant: Merchant, field: str, value: object
) -> None:
    code = Secret(str(value)) if field == "auth_code" else CODE
    changes = {} if field == "auth_code" else {field: value}
    with pytest.raises(InvalidOrder) as caught:
        check(replace(sale(merchant), **changes), merchant, code)
    assert caught.value.field == field


def test_an_app_page_is_no_scene_of_a_till() -> None:
    terms = sale(MAINLAND, scene_info=text({"h5_info": {"type": "Wap", "wap_name": "Shop"}}))
    with pytest.raises(InvalidOrder, match="h5_info is for MWEB alone"):
        check(terms, MAINLAND)


def test_what_a_family_has_no_place_for_is_refused() -> None:
    with pytest.raises(InvalidOrder, match="limit_pay"):
        check(sale(MAINLAND, limit_pay="no_credit"), MAINLAND)
    with pytest.raises(InvalidOrder, match="receipt"):
        check(sale(OVERSEAS, receipt="Y"), OVERSEAS)
    store = text({"store_info": {"id": "SZTX001", "name": "Tengda"}})
    with pytest.raises(InvalidOrder, match="more of the store than its id"):
        check(sale(MAINLAND, scene_info=store), MAINLAND)
    check(sale(OVERSEAS, scene_info=store), OVERSEAS)


def test_a_global_sale_needs_a_category() -> None:
    bare = replace(OVERSEAS, merchant_category_code="")
    with pytest.raises(InvalidOrder) as caught:
        check(sale(OVERSEAS), bare)
    assert caught.value.field == "merchant_category_code"


PAID: dict[str, Any] = {
    "mchid": "1900000109",
    "appid": REF.appid,
    "out_trade_no": REF.out_trade_no,
    "transaction_id": "4200000000202601010000000001",
    "trade_type": "MICROPAY",
    "trade_state": "SUCCESS",
    "trade_state_desc": "paid",
    "success_time": "2026-01-01T00:01:30+08:00",
    "amount": {"total": 888, "currency": "CNY"},
}


@pytest.mark.parametrize("state", ["SUCCESS", "USERPAYING", "PAYERROR"])
def test_an_answer_is_a_fact_in_whatever_state(state: str) -> None:
    body = octets(PAID | {"trade_state": state})
    fact = read_code_payment(body, sale(MAINLAND), merchant=MAINLAND)
    assert (fact.trade_state, fact.source) == (TradeState(state), "v3.micropay")
    assert fact.total_fee == 888


@pytest.mark.parametrize(
    "change", [{"out_trade_no": "ANOTHER"}, {"mchid": "1900000108"}, {"appid": "wx7"}]
)
def test_an_answer_about_another_order_is_not_ours(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        read_code_payment(octets(PAID | change), sale(MAINLAND), merchant=MAINLAND)


@pytest.mark.parametrize("change", [{"amount": {}}, {"trade_state": "NEW"}, {"out_trade_no": 1}])
def test_an_answer_that_cannot_be_read_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        read_code_payment(octets(PAID | change), sale(MAINLAND), merchant=MAINLAND)
