"""Which paths are the simulator's own: all others are answered as the gateway answers."""

from __future__ import annotations

import pytest

from django_wxpay.protocol import v2
from django_wxpay.simulator import Simulator
from tests.simulator.calling import APPID, HOST, MCH_ID, ORDER, Merchant

LACKING = [
    "/pay/settlementquery",
    "/secapi/nope",
    "/tools/shorturl",
    "/pay/nope",
    "/mmpaymkttransfers/promotion/transfers",
    "/static/simulator.css",
]


@pytest.mark.parametrize("path", LACKING)
def test_an_operation_that_it_lacks_is_one_that_the_merchant_may_not_use(
    merchant: Merchant, path: str
) -> None:
    answer = merchant.call(path, {"out_trade_no": "T1", "version": "1.0"})
    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL")
    assert (answer["err_code"], answer["err_code_des"]) == ("NOAUTH", "商户无此接口权限")
    assert (answer["appid"], answer["mch_id"]) == (APPID, MCH_ID)


def test_such_a_call_is_checked_and_recorded_like_every_other(
    app: Simulator, merchant: Merchant
) -> None:
    merchant.call("/pay/settlementquery", {"out_trade_no": "T1"})
    merchant.key = "TESTKEYtestkeyTESTKEYtestkey0009"
    assert merchant.call("/pay/settlementquery", {"appid": None})["return_msg"] == "签名错误"
    signed, unsigned = app.ledger()["requests"]
    assert (signed["operation"], signed["err_code"]) == ("/pay/settlementquery", "NOAUTH")
    assert (signed["mch_id"], signed["unknown_fields"]) == (MCH_ID, ())
    assert unsigned["err_code"] == "SIGNERROR"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/pay/unifiedorder", "/pay/settlementquery", "/favicon.ico", "/pay/"]
)
def test_v2_speaks_xml_whatever_it_is_asked(merchant: Merchant, method: str, path: str) -> None:
    response = merchant.session.request(method, HOST + path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/xml")
    assert v2.decode_xml(response.content) == {
        "return_code": "FAIL",
        "return_msg": "请使用post方法",
    }


@pytest.mark.parametrize("path", ["/", "/_simulator", "/cgi-bin/mmpayweb-bin/checkmweb"])
def test_a_post_to_a_page_is_a_call_of_v2(merchant: Merchant, path: str) -> None:
    assert merchant.call(path, ORDER)["err_code"] == "NOAUTH"


@pytest.mark.parametrize(
    "path", ["/v3/pay", "/v3/", "/v3/refund/domestic", "/hk/v3/refunds", "/v3/pay/x?a=b"]
)
def test_v3_has_no_page_either(merchant: Merchant, path: str) -> None:
    response = merchant.get(path)
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("path", ["/", "/_simulator"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_person_who_types_the_address_is_led_to_the_page(
    merchant: Merchant, method: str, path: str
) -> None:
    response = merchant.session.request(method, HOST + path, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/_simulator/")
