"""What the paying client is handed, per trade type and mode."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_wxpay.protocol.facts import PrepayGrant
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.v2.client_parameters import client_parameters
from tests.protocol.samples import TERMS
from tests.protocol.v2.vectors import K1

GRANT = PrepayGrant(
    prepay_id="wx0112345678901234567890abcdef0000",
    trade_type="",
    code_url="weixin://wxpay/bizpayurl?pr=XXXXXXX",
    mweb_url="https://wx.tenpay.com/x",
)
SUB_MERCHANT = {"sub_appid": "wx1111111111111111", "sub_mch_id": "10000200"}


def parameters(
    trade_type: str,
    *,
    mode: Mode = Mode.COMMON,
    sign_type: SignType = SignType.MD5,
    **changes: str,
) -> dict[str, str]:
    return client_parameters(
        replace(TERMS, trade_type=trade_type, **changes),
        GRANT,
        mode=mode,
        sign_type=sign_type,
        key=K1,
        timestamp=1490840662,
        nonce="ibuaiVcKdpRxkhJA",
    )


@pytest.mark.parametrize(
    ("sign_type", "pay_sign"),
    [
        (SignType.MD5, "493D69E7E9129F50330BA9C0ACF7FB86"),
        (
            SignType.HMAC_SHA256,
            "CA77BE38B3D2BAD515E7071C2A20CAEBFF96B2C4885A0FA1FF031DB8137E9FBC",
        ),
    ],
)
def test_jsapi_gets_six_names_signed_with_the_orders_own_sign_type(sign_type, pay_sign):
    assert parameters("JSAPI", sign_type=sign_type) == {
        "appId": "wxd930ea5d5a258f4f",
        "timeStamp": "1490840662",
        "nonceStr": "ibuaiVcKdpRxkhJA",
        "package": "prepay_id=wx0112345678901234567890abcdef0000",
        "signType": sign_type.value,
        "paySign": pay_sign,
    }


@pytest.mark.parametrize(
    ("sign_type", "sign"),
    [
        (SignType.MD5, "FD5FE6E54667F9D6EB48A49CA7BEFCFF"),
        (
            SignType.HMAC_SHA256,
            "D36D50864C8F584D757413D01BA812657B4496946052022DC10D43960D5214A0",
        ),
    ],
)
def test_an_app_gets_seven_names_and_none_for_the_algorithm(sign_type, sign):
    assert parameters("APP", sign_type=sign_type) == {
        "appid": "wxd930ea5d5a258f4f",
        "partnerid": "10000100",
        "prepayid": "wx0112345678901234567890abcdef0000",
        "package": "Sign=WXPay",
        "noncestr": "ibuaiVcKdpRxkhJA",
        "timestamp": "1490840662",
        "sign": sign,
    }


def test_native_gets_its_code_and_h5_its_address_and_nothing_signed():
    assert parameters("NATIVE") == {"code_url": "weixin://wxpay/bizpayurl?pr=XXXXXXX"}
    assert parameters("MWEB") == {"mweb_url": "https://wx.tenpay.com/x"}


def test_jsapi_of_an_institution_names_the_appid_whose_openid_the_order_names():
    by_openid = parameters("JSAPI", mode=Mode.INSTITUTIONAL, openid="o1", **SUB_MERCHANT)
    by_sub_openid = parameters("JSAPI", mode=Mode.INSTITUTIONAL, sub_openid="o2", **SUB_MERCHANT)

    assert by_openid["appId"] == "wxd930ea5d5a258f4f"
    assert by_sub_openid["appId"] == "wx1111111111111111"
    assert by_openid["paySign"] != by_sub_openid["paySign"]


def test_an_app_of_an_institution_pays_its_sub_merchant():
    with_sub_appid = parameters("APP", mode=Mode.INSTITUTIONAL, **SUB_MERCHANT)
    without = parameters("APP", mode=Mode.INSTITUTIONAL, sub_mch_id="10000200")

    assert (with_sub_appid["appid"], with_sub_appid["partnerid"]) == (
        "wx1111111111111111",
        "10000200",
    )
    assert (without["appid"], without["partnerid"]) == ("wxd930ea5d5a258f4f", "10000200")


@pytest.mark.parametrize("trade_type", ["MICROPAY", "FACEPAY", ""])
def test_what_no_client_pays_has_no_parameters(trade_type):
    with pytest.raises(ValueError, match=r"not paid from a client|not a valid TradeType"):
        parameters(trade_type)
