"""What the paying client is handed, per trade type and mode."""

from __future__ import annotations

import pytest

from django_wxpay.protocol import v3
from django_wxpay.protocol.facts import PrepayGrant
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v3.client_parameters import client_parameters
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import INSTITUTION, MAINLAND, SUB_OPENID, payable, terms_for

SUB_APPID = "wx9999999999999999"


def given(terms: OrderTerms, partner_id: str = "", **grant: str) -> dict[str, str]:
    granted = {"prepay_id": "wx1", "trade_type": terms.trade_type, **grant}
    return client_parameters(
        terms,
        PrepayGrant(**granted),
        private_key=keys.MERCHANT_KEY,
        timestamp=keys.NOW,
        nonce="nonce",
        partner_id=partner_id,
    )


def test_a_page_signs_the_appid_that_knows_the_payer():
    own = given(payable(INSTITUTION, "JSAPI", sub_appid=SUB_APPID))
    subs = given(payable(INSTITUTION, "JSAPI", sub_appid=SUB_APPID, sub_openid=SUB_OPENID))

    assert list(own) == ["appId", "timeStamp", "nonceStr", "package", "signType", "paySign"]
    assert (own["appId"], subs["appId"]) == ("wx8888888888888888", SUB_APPID)
    assert (own["package"], own["signType"], own["timeStamp"]) == (
        "prepay_id=wx1",
        "RSA",
        "1714554000",
    )
    message = f"{SUB_APPID}\n1714554000\nnonce\nprepay_id=wx1\n"
    assert v3.verify(message, subs["paySign"], keys.MERCHANT_CERTIFICATE)


def test_an_app_pays_the_merchant_that_called():
    common = given(payable(MAINLAND, "APP"))
    institutional = given(payable(INSTITUTION, "APP", sub_appid=SUB_APPID))

    assert list(common) == [
        "appid",
        "partnerid",
        "prepayid",
        "package",
        "noncestr",
        "timestamp",
        "sign",
    ]
    assert (common["appid"], common["partnerid"]) == ("wx8888888888888888", "1900000109")
    assert (institutional["appid"], institutional["partnerid"]) == (SUB_APPID, "1900000100")
    message = f"{SUB_APPID}\n1714554000\nnonce\nwx1\n"
    assert v3.verify(message, institutional["sign"], keys.MERCHANT_CERTIFICATE)


def test_whom_an_app_pays_can_be_said_otherwise():
    assert given(payable(INSTITUTION, "APP"), partner_id="1900000109")["partnerid"] == "1900000109"


def test_addresses_are_handed_on_as_they_are():
    assert given(payable(MAINLAND, "NATIVE"), code_url="weixin://x") == {"code_url": "weixin://x"}
    assert given(payable(MAINLAND, "MWEB"), mweb_url="https://x") == {"mweb_url": "https://x"}


@pytest.mark.parametrize("trade_type", ["MICROPAY", "OTHER"])
def test_other_trade_types_are_not_paid_from_a_client(trade_type):
    with pytest.raises(ValueError, match=trade_type):
        given(terms_for(MAINLAND, trade_type=trade_type))
