"""Every other way to pay, each to the end: what the client is handed, who paid, what is told."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import Merchant
from tests.journeys.stage import DIRECT, INSTITUTION, PLAIN, Phone, Stage

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SUB_OPENID = "oSUB8uMuAJO_M2pxb1Q9zNjWeS6o"
NO_PRODUCT = {"product_id": None}
H5 = {"h5_info": {"type": "Wap", "wap_url": "https://shop.example", "wap_name": "Shop"}}


def is_signed(parameters: dict[str, str], merchant: Merchant) -> bool:
    """Say whether the paying client's WeChat would take these parameters."""
    name = "paySign" if "paySign" in parameters else "sign"
    signed = {key: value for key, value in parameters.items() if key != name}
    return parameters[name] == v2.sign(signed, merchant.api_key, merchant.sign_type)


@pytest.mark.parametrize("merchant", [DIRECT, PLAIN], ids=lambda m: m.sign_type.value)
def test_in_wechat_the_page_is_handed_what_the_bridge_needs(
    stage: Stage,
    merchant: Merchant,
) -> None:
    order = stage.clerk.placed(
        merchant=merchant.alias, trade_type="JSAPI", openid=OPENID, **NO_PRODUCT
    )
    parameters = order["parameters"]
    assert parameters["appId"] == merchant.appid
    assert parameters["signType"] == merchant.sign_type.value
    assert parameters["package"] == f"prepay_id={order['prepay']['prepay_id']}"
    assert is_signed(parameters, merchant)

    stage.wechat.pay(order)
    shown = stage.clerk.show(order)
    assert shown["trade_state"] == "SUCCESS"
    assert shown["payment"]["payer"] == {"openid": OPENID, "sp_openid": "", "sub_openid": ""}
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"


def test_fresh_parameters_for_the_same_prepay_need_no_call(stage: Stage) -> None:
    order = stage.clerk.placed(trade_type="JSAPI", openid=OPENID, **NO_PRODUCT)
    fresh = stage.clerk.get(f"orders/{order['id']}/parameters/").json()

    assert fresh["package"] == order["parameters"]["package"]
    assert fresh["nonceStr"] != order["parameters"]["nonceStr"]
    assert is_signed(fresh, DIRECT)
    assert len(stage.wechat.calls("unifiedorder")) == 1


def test_an_app_is_handed_what_its_sdk_needs(stage: Stage) -> None:
    order = stage.clerk.placed(trade_type="APP", **NO_PRODUCT)
    parameters = order["parameters"]
    assert parameters["partnerid"] == DIRECT.mch_id
    assert parameters["prepayid"] == order["prepay"]["prepay_id"]
    assert parameters["package"] == "Sign=WXPay"
    assert is_signed(parameters, DIRECT)

    stage.wechat.pay(order)
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"


def test_a_browser_on_a_phone_follows_mweb_url_and_pays(stage: Stage) -> None:
    order = stage.clerk.placed(
        trade_type="MWEB", scene_info=H5, spbill_create_ip="203.0.113.7", **NO_PRODUCT
    )
    assert order["parameters"] == {"mweb_url": order["prepay"]["mweb_url"]}

    Phone(order["prepay"]["mweb_url"], stage.wechat.http).press_pay()
    stage.wechat.let_arrive()
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"


@pytest.mark.parametrize(
    "payer",
    [
        {"openid": OPENID},
        {"sub_appid": "wx4444444444444444", "sub_openid": SUB_OPENID},
    ],
    ids=["openid", "sub_openid"],
)
def test_an_institution_is_told_who_paid_under_both_accounts(
    stage: Stage,
    payer: dict[str, str],
) -> None:
    order = stage.clerk.placed(merchant="institution", trade_type="JSAPI", **payer, **NO_PRODUCT)
    assert order["sub_mch_id"] == INSTITUTION.sub_mch_id
    assert order["parameters"]["appId"] == payer.get("sub_appid", INSTITUTION.appid)
    assert is_signed(order["parameters"], INSTITUTION)

    stage.wechat.pay(order)
    told = stage.clerk.show(order)["payment"]["payer"]
    assert told["openid"] == ""
    assert told["sp_openid"] == payer.get("openid", told["sp_openid"]) != ""
    assert told["sub_openid"] == payer.get("sub_openid", "")
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"


def test_two_sub_merchants_of_one_institution_keep_their_orders_apart(stage: Stage) -> None:
    one = stage.clerk.placed(merchant="institution", sub_mch_id="1900000201")
    other = stage.clerk.placed(merchant="institution", sub_mch_id="1900000202")
    stage.wechat.pay(one)

    assert stage.clerk.query(one).json()["trade_state"] == "SUCCESS"
    assert stage.clerk.query(other).json()["trade_state"] == "NOTPAY"
    assert stage.clerk.close(other).json()["trade_state"] == "CLOSED"


def test_two_merchants_may_use_the_same_number(stage: Stage) -> None:
    one = stage.clerk.placed(out_trade_no="SAMENUMBER01")
    other = stage.clerk.placed(out_trade_no="SAMENUMBER01", merchant="md5")
    stage.wechat.pay(other)

    assert stage.clerk.show(one)["trade_state"] == "NOTPAY"
    assert stage.clerk.show(other)["trade_state"] == "SUCCESS"


def test_coupons_a_foreign_currency_and_promotions_arrive_as_they_were_told(
    stage: Stage,
) -> None:
    coupons: list[dict[str, Any]] = [
        {"coupon_id": "C1", "coupon_type": "NO_CASH", "coupon_fee": 200},
        {"coupon_id": "C2", "coupon_type": "CASH", "coupon_fee": 50},
    ]
    order = stage.clerk.placed(fee_type="HKD", version="1.0")
    stage.wechat.pay(order, coupons=coupons, rate_value=80_000_000)

    payment = stage.clerk.show(order)["payment"]
    assert payment["coupons"] == [
        {"coupon_id": "C1", "coupon_type": "NO_CASH", "coupon_fee": 200},
        {"coupon_id": "C2", "coupon_type": "CASH", "coupon_fee": 50},
    ]
    assert (payment["coupon_fee"], payment["settlement_total_fee"]) == (250, 1050)
    assert payment["exchange_rate"] == {"type": "SETTLEMENT_RATE", "rate": "0.8"}
    assert (payment["payer_total"], payment["payer_currency"]) == (800, "CNY")
    assert [row["promotion_id"] for row in payment["promotions"]] == ["C1", "C2"]
    assert stage.clerk.query(order).json()["payment"] == payment


def test_every_optional_field_goes_through_the_whole_chain(stage: Stage) -> None:
    goods = {"goods_id": "TEA-1", "goods_name": "Tea & <cup> ]]>", "quantity": 1, "price": 1250}
    order = stage.clerk.placed(
        body="龙井 & <茶> ]]>",
        detail={"goods_detail": [goods]},
        attach="a=1&b=2 ]]> 桌7",
        device_info="POS-7",
        goods_tag="SPRING",
        limit_pay="no_credit",
        receipt="Y",
        profit_sharing="N",
        scene_info={"store_info": {"id": "S1", "name": "Tea house"}},
        time_start="20260101080000",
        time_expire="20991231235959",
        version="1.0",
    )
    trade = stage.wechat.trade(order["out_trade_no"])
    assert trade["body"] == order["body"] == "龙井 & <茶> ]]>"
    assert trade["attach"] == order["attach"] == "a=1&b=2 ]]> 桌7"
    assert trade["time_expire"] == "20991231235959"
    assert [row["unknown_fields"] for row in stage.wechat.calls("unifiedorder")] == [[]]

    stage.wechat.pay(order)
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"
