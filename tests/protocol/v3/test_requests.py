"""What is sent: every body in full, and where it goes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v3.fields import check_terms_v3
from django_wxpay.protocol.v3.requests import (
    certificates_request,
    close_request,
    place_request,
    query_request,
)
from django_wxpay.simulator.v3.bodies import problems_of_create_body
from tests.protocol.v3.samples import (
    DETAIL,
    H5,
    INSTITUTION,
    MAINLAND,
    MERCHANTS,
    NOW,
    OPENID,
    OVERSEAS,
    PARTNER,
    REF,
    STORE,
    SUB_OPENID,
    payable,
    terms_for,
    text,
)

IDS = [merchant.alias for merchant in MERCHANTS]
SUB = {"sub_mch_id": "1900000109"}


def sent(terms: OrderTerms, merchant) -> dict[str, Any]:
    return json.loads(place_request(terms, merchant=merchant).body)


def test_a_mainland_order_with_everything_there_is():
    terms = payable(
        MAINLAND,
        "JSAPI",
        attach="desk 7",
        goods_tag="WXG",
        time_expire=NOW + timedelta(hours=1),
        limit_pay="no_credit",
        receipt="Y",
        profit_sharing="Y",
        device_info="till 1",
        product_id="P1001",
        spbill_create_ip="203.0.113.7",
        detail=text(DETAIL),
        scene_info=text(STORE),
    )

    assert sent(terms, MAINLAND) == {
        "appid": "wx8888888888888888",
        "mchid": "1900000109",
        "description": "测试商店-深圳-QQ公仔",
        "out_trade_no": "ORDER20240501A",
        "notify_url": "https://merchant.example/wechat/notify/pay",
        "limit_pay": ["no_credit"],
        "support_fapiao": True,
        "settle_info": {"profit_sharing": True},
        "attach": "desk 7",
        "goods_tag": "WXG",
        "time_expire": "2024-05-01T18:00:00+08:00",
        "amount": {"total": 888, "currency": "CNY"},
        "payer": {"openid": OPENID},
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
            "payer_client_ip": "203.0.113.7",
            "device_id": "till 1",
            "store_info": {"id": "SZTX001", "name": "腾大", "address": "Park 1"},
        },
    }


def test_a_global_order_with_everything_there_is():
    terms = payable(
        INSTITUTION,
        "JSAPI",
        sub_appid="wx9999999999999999",
        sub_openid=SUB_OPENID,
        attach="desk 7",
        goods_tag="WXG",
        time_start=NOW,
        time_expire=NOW + timedelta(hours=1),
        limit_pay="no_credit",
        device_info="till 1",
        spbill_create_ip="203.0.113.7",
        detail=text(DETAIL),
        scene_info=text(STORE),
    )

    assert sent(terms, INSTITUTION) == {
        "sp_appid": "wx8888888888888888",
        "sp_mchid": "1900000100",
        "sub_mchid": "1900000109",
        "sub_appid": "wx9999999999999999",
        "description": "测试商店-深圳-QQ公仔",
        "out_trade_no": "ORDER20240501A",
        "notify_url": "https://merchant.example/wechat/notify/pay",
        "trade_type": "JSAPI",
        "merchant_category_code": "4111",
        "limit_pay": "no_credit",
        "time_start": "2024-05-01T17:00:00+08:00",
        "attach": "desk 7",
        "goods_tag": "WXG",
        "time_expire": "2024-05-01T18:00:00+08:00",
        "amount": {"total": 888, "currency": "HKD"},
        "payer": {"sp_openid": OPENID, "sub_openid": SUB_OPENID},
        "detail": {
            "cost_price": 900,
            "receipt_id": "R-1",
            "goods_detail": [
                {
                    "goods_id": "SKU-1_a",
                    "wxpay_goods_id": "1001",
                    "goods_name": "公仔",
                    "quantity": 2,
                    "price": 444,
                }
            ],
        },
        "scene_info": {
            "payer_client_ip": "203.0.113.7",
            "device_id": "till 1",
            "store_info": {"id": "SZTX001", "name": "腾大", "address": "Park 1"},
        },
    }


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
def test_one_identity_group_and_never_both(merchant):
    body = sent(payable(merchant, "NATIVE"), merchant)
    common, institutional = {"appid", "mchid"}, {"sp_appid", "sp_mchid", "sub_mchid"}

    here, there = common, institutional
    if merchant.mode is Mode.INSTITUTIONAL:
        here, there = institutional, common
    assert here <= body.keys()
    assert not there & body.keys()
    assert "sub_appid" not in body


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
@pytest.mark.parametrize("trade_type", ["JSAPI", "NATIVE", "APP", "MWEB"])
def test_nothing_unused_is_sent(merchant, trade_type):
    body = sent(payable(merchant, trade_type), merchant)
    flat = [body, *(value for value in body.values() if isinstance(value, dict))]

    assert [value for held in flat for value in held.values() if value in ("", None, {}, [])] == []
    assert ("payer" in body) is (trade_type == "JSAPI")
    assert ("trade_type" in body) is (merchant.region is Region.GLOBAL)
    assert ("scene_info" in body) is (trade_type == "MWEB")


def test_only_the_openid_that_is_known_is_sent():
    known = {"openid": "", "sub_openid": SUB_OPENID, "sub_appid": "wx9999999999999999"}

    assert sent(payable(PARTNER, "JSAPI", **known), PARTNER)["payer"] == {"sub_openid": SUB_OPENID}
    assert sent(payable(PARTNER, "JSAPI"), PARTNER)["payer"] == {"sp_openid": OPENID}


def test_no_profit_sharing_is_said_and_no_receipt_is_not():
    body = sent(terms_for(MAINLAND, profit_sharing="N"), MAINLAND)

    assert body["settle_info"] == {"profit_sharing": False}
    assert "support_fapiao" not in body


@pytest.mark.parametrize(
    ("ours", "wire"),
    [
        (H5["h5_info"], {"type": "iOS", "app_name": "Shop", "bundle_id": "com.example.shop"}),
        (
            {"type": "Wap", "wap_url": "https://shop.example", "wap_name": "Shop"},
            {"type": "Wap", "app_url": "https://shop.example", "app_name": "Shop"},
        ),
        (
            {"type": "Android", "app_name": "Shop", "package_name": "com.example"},
            {"type": "Android", "app_name": "Shop", "package_name": "com.example"},
        ),
    ],
)
def test_an_h5_page_gets_the_names_of_apiv3(ours, wire):
    terms = payable(MAINLAND, "MWEB", scene_info=text({"h5_info": ours}))

    assert sent(terms, MAINLAND)["scene_info"] == {
        "payer_client_ip": "203.0.113.7",
        "h5_info": wire,
    }


@pytest.mark.parametrize("field", ["detail", "scene_info"])
def test_terms_that_nobody_checked_are_still_not_sent_wrong(field):
    with pytest.raises(InvalidOrder) as caught:
        place_request(terms_for(MAINLAND, **{field: text({"odd": 1})}), merchant=MAINLAND)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("merchant", "paths"),
    [
        (MAINLAND, ["/v3/pay/transactions/" + name for name in ("jsapi", "native", "app", "h5")]),
        (
            PARTNER,
            ["/v3/pay/partner/transactions/" + name for name in ("jsapi", "native", "app", "h5")],
        ),
        (
            OVERSEAS,
            ["/v3/global/transactions/" + name for name in ("jsapi", "native", "app", "mweb")],
        ),
        (
            INSTITUTION,
            ["/v3/global/transactions/" + name for name in ("jsapi", "native", "app", "mweb")],
        ),
    ],
    ids=IDS,
)
def test_an_order_goes_to_its_own_path(merchant, paths):
    made = [
        place_request(payable(merchant, trade_type), merchant=merchant)
        for trade_type in ("JSAPI", "NATIVE", "APP", "MWEB")
    ]

    assert [(request.method, request.target) for request in made] == [
        ("POST", path) for path in paths
    ]


@pytest.mark.parametrize(
    ("merchant", "target"),
    [
        (MAINLAND, "/v3/pay/transactions/{}?mchid=1900000109"),
        (PARTNER, "/v3/pay/partner/transactions/{}?sp_mchid=1900000100&sub_mchid=1900000109"),
        (OVERSEAS, "/v3/global/transactions/{}?mchid=1900000109"),
        (INSTITUTION, "/v3/global/transactions/{}?sp_mchid=1900000100&sub_mchid=1900000109"),
    ],
    ids=IDS,
)
def test_a_query_names_the_order_and_whose_it_is(merchant, target):
    ref = replace(REF, **SUB)
    by_number = query_request(ref, merchant=merchant)
    by_id = query_request(replace(ref, transaction_id="4200"), merchant=merchant)

    assert (by_number.method, by_number.body) == ("GET", b"")
    assert by_number.target == target.format("out-trade-no/ORDER20240501A")
    assert by_id.target == target.format("id/4200")


@pytest.mark.parametrize(
    ("merchant", "path", "body"),
    [
        (MAINLAND, "/v3/pay/transactions", b'{"mchid":"1900000109"}'),
        (
            PARTNER,
            "/v3/pay/partner/transactions",
            b'{"sp_mchid":"1900000100","sub_mchid":"1900000109"}',
        ),
        (OVERSEAS, "/v3/global/transactions", b'{"mchid":"1900000109"}'),
        (
            INSTITUTION,
            "/v3/global/transactions",
            b'{"sp_mchid":"1900000100","sub_mchid":"1900000109"}',
        ),
    ],
    ids=IDS,
)
def test_a_close_names_the_order_and_whose_it_is(merchant, path, body):
    request = close_request(replace(REF, out_trade_no="A_b-c|d*e", **SUB), merchant=merchant)

    assert request.method == "POST"
    assert request.target == f"{path}/out-trade-no/A_b-c%7Cd*e/close"
    assert request.body == body


def test_certificates_live_with_their_family():
    assert certificates_request(MAINLAND).target == "/v3/certificates"
    assert certificates_request(PARTNER).target == "/v3/certificates"
    assert certificates_request(OVERSEAS).target == "/v3/global/certificates"
    assert certificates_request(OVERSEAS).method == "GET"


def test_the_global_prefix_can_be_another():
    older = {"merchant": OVERSEAS, "prefix": "/hk/v3"}

    assert place_request(payable(OVERSEAS, "MWEB"), **older).target == "/hk/v3/transactions/mweb"
    assert query_request(REF, **older).target.startswith("/hk/v3/transactions/out-trade-no/")
    assert close_request(REF, **older).target.startswith("/hk/v3/transactions/out-trade-no/")
    assert certificates_request(OVERSEAS, prefix="/hk/v3").target == "/hk/v3/certificates"
    assert certificates_request(MAINLAND, prefix="/hk/v3").target == "/v3/certificates"


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "attach": st.just("desk 7"),
    "goods_tag": st.just("WXG"),
    "time_expire": st.just(NOW + timedelta(hours=1)),
    "limit_pay": st.just("no_credit"),
    "receipt": st.just("Y"),
    "profit_sharing": st.sampled_from("YN"),
    "device_info": st.just("till 1"),
    "product_id": st.just("P1001"),
    "spbill_create_ip": st.sampled_from(["203.0.113.7", "2001:db8::1"]),
    "detail": st.just(text(DETAIL)),
    "scene_info": st.sampled_from([text(STORE), text(H5), text(H5 | STORE), "{}"]),
    "time_start": st.just(NOW),
    "version": st.just("1.0"),
    "sub_appid": st.just("wx9999999999999999"),
    "openid": st.sampled_from(["", OPENID]),
    "sub_openid": st.just(SUB_OPENID),
    "body": st.text(max_size=130),
    "out_trade_no": st.from_regex(r"\A[0-9A-Za-z_\-|*]{1,33}\Z"),
}


@given(
    merchant=st.sampled_from(MERCHANTS),
    trade_type=st.sampled_from(["JSAPI", "NATIVE", "APP", "MWEB"]),
    options=st.fixed_dictionaries({}, optional=OPTIONS),
)
def test_whatever_terms_pass_our_check_the_gateways_check_passes_them_too(
    merchant, trade_type, options
):
    terms = payable(merchant, trade_type, **options)
    try:
        check_terms_v3(
            terms,
            mode=merchant.mode,
            region=merchant.region,
            merchant_category_code="4111",
            now=NOW,
        )
    except InvalidOrder:
        return
    problem = problems_of_create_body(
        sent(terms, merchant), region=merchant.region, mode=merchant.mode, trade_type=trade_type
    )
    assert problem is None


@given(number=st.from_regex(r"\A[0-9A-Za-z_\-|*]{1,32}\Z"))
def test_every_order_number_is_percent_encoded_into_one_segment(number):
    ref = OrderRef(appid="wx1", mch_id="1", out_trade_no=number)
    path = query_request(ref, merchant=MAINLAND).target.split("?")[0]

    assert path.replace("%7C", "|") == f"/v3/pay/transactions/out-trade-no/{number}"
    assert "|" not in path
