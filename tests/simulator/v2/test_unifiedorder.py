"""unifiedorder: what is accepted, and what the answer holds (protocol-v2 sections 3.1 to 3.6)."""

from __future__ import annotations

import json
import re

import pytest

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import Merchant as Account
from django_wxpay.protocol.merchants import Region
from django_wxpay.simulator import Options, Simulator, SimulatorAdapter, create_app
from tests.simulator.calling import APPID, KEY, MCH_ID, OPENID, ORDER, Merchant

H5 = json.dumps({"h5_info": {"type": "Wap", "wap_url": "https://shop.example", "wap_name": "S"}})
DETAIL = json.dumps({"goods_detail": [{"goods_id": "1", "quantity": 1, "price": 100}]})


def test_a_native_order_gets_a_prepay_id_and_a_code_url(merchant: Merchant) -> None:
    answer = merchant.place()
    assert answer["return_code"] == answer["result_code"] == "SUCCESS"
    assert (answer["return_msg"], answer["trade_type"]) == ("OK", "NATIVE")
    assert (answer["appid"], answer["mch_id"]) == (APPID, MCH_ID)
    assert re.fullmatch("wx20260101120000[0-9a-f]{20}", answer["prepay_id"])
    assert re.fullmatch(r"weixin://wxpay/bizpayurl\?pr=[0-9A-Za-z]{7}", answer["code_url"])
    assert not {"mweb_url", "sub_mch_id", "device_info", "err_code"} & answer.keys()


def test_the_answers_nonce_is_the_gateways_own(merchant: Merchant) -> None:
    nonces = {merchant.place()["nonce_str"], merchant.place()["nonce_str"]}
    assert len(nonces) == 2
    assert "ibuaiVcKdpRxkhJA" not in nonces
    assert all(re.fullmatch("[0-9A-Z]{1,32}", nonce) for nonce in nonces)


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_answer_is_signed_with_the_requests_algorithm(app: Simulator, sign_type: str) -> None:
    answer = Merchant(app, sign_type=sign_type).place(sign_type=sign_type)
    assert answer["result_code"] == "SUCCESS"
    assert len(answer["sign"]) == {"MD5": 32, "HMAC-SHA256": 64}[sign_type]


def test_an_absent_sign_type_means_md5(app: Simulator) -> None:
    merchant = Merchant(app, sign_type="HMAC-SHA256")
    body = merchant.signed(ORDER, sends_sign_type=False)
    answer = v2.decode_xml(merchant.post("/pay/unifiedorder", body).content)
    assert (answer["return_code"], answer["return_msg"]) == ("FAIL", "签名错误")


def test_texts_come_in_cdata(merchant: Merchant) -> None:
    content = merchant.post("/pay/unifiedorder", merchant.signed(ORDER)).content
    assert content.startswith(b"<xml><return_code><![CDATA[SUCCESS]]></return_code>")
    assert b"<mch_id>1900000109</mch_id>" in content


@pytest.mark.parametrize(
    ("fields", "granted"),
    [
        ({"trade_type": "JSAPI", "openid": OPENID}, set()),
        ({"trade_type": "APP"}, set()),
        ({"trade_type": "NATIVE"}, {"code_url"}),
        ({"trade_type": "MWEB", "scene_info": H5}, {"mweb_url"}),
    ],
)
def test_each_trade_type_gets_what_its_customer_needs(
    merchant: Merchant, fields: dict[str, str], granted: set[str]
) -> None:
    answer = merchant.place(**fields)
    assert answer["trade_type"] == fields["trade_type"]
    assert answer["prepay_id"]
    assert answer.keys() & {"code_url", "mweb_url"} == granted


@pytest.mark.parametrize(
    ("called", "leads_to"),
    [
        ("https://api.mch.weixin.qq.com", "https://wx.tenpay.com"),
        ("https://api2.wechatpay.cn", "https://wx.tenpay.com"),
        # On this machine the real host would lead the browser away from it.
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
        ("http://api.mch.weixin.qq.com.example", "http://api.mch.weixin.qq.com.example"),
    ],
)
def test_the_mweb_url_leads_to_where_a_browser_can_pay(
    app: Simulator, called: str, leads_to: str
) -> None:
    merchant = Merchant(app, host=called)
    merchant.session.mount(called, SimulatorAdapter(app))
    answer = merchant.place(trade_type="MWEB", scene_info=H5)
    start = f"{leads_to}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={answer['prepay_id']}&"
    assert answer["mweb_url"].startswith(start)


def test_the_host_of_the_mweb_url_can_be_named() -> None:
    merchant = Merchant(create_app(options=Options(h5_origin="https://pay.example")))
    answer = merchant.place(trade_type="MWEB", scene_info=H5)
    assert answer["mweb_url"].startswith("https://pay.example/cgi-bin/mmpayweb-bin/checkmweb?")


@pytest.mark.parametrize(
    "fields",
    [
        {"device_info": "WEB"},
        {"version": "1.0", "detail": DETAIL},
        {"attach": "shop 7 & <door>"},
        {"fee_type": "JPY"},
        {"time_start": "20260101120000", "time_expire": "20260101120500"},
        {"goods_tag": "WXG", "limit_pay": "no_credit", "receipt": "Y", "profit_sharing": "N"},
        {"spbill_create_ip": "2001:db8::1"},
        {"fingerprint": "f", "user_type": "IDCARD", "user_creid": "1", "user_truename": "Ann"},
        {"body": "]]> closes nothing"},
        {"something_new": "unknown, but signed"},
    ],
)
def test_optional_fields_are_accepted(merchant: Merchant, fields: dict[str, str]) -> None:
    assert merchant.place(**fields)["result_code"] == "SUCCESS"


def test_device_info_is_echoed(merchant: Merchant) -> None:
    assert merchant.place(device_info="WEB")["device_info"] == "WEB"


def test_an_unknown_field_is_recorded(app: Simulator, merchant: Merchant) -> None:
    merchant.place(something_new="x")
    assert app.ledger()["requests"][0]["unknown_fields"] == ("something_new",)


def test_an_empty_field_is_as_good_as_none(merchant: Merchant) -> None:
    body = merchant.signed(ORDER).replace(b"</xml>", b"<attach></attach><openid/></xml>")
    answer = v2.decode_xml(merchant.post("/pay/unifiedorder", body).content)
    assert answer["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    "name",
    [
        *("nonce_str", "body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url"),
        *("trade_type", "product_id"),
    ],
)
def test_a_required_field_that_is_missing_is_named(merchant: Merchant, name: str) -> None:
    answer = merchant.place(**{name: None})
    assert answer == {"return_code": "FAIL", "return_msg": f"缺少参数{name}"}


def test_a_missing_field_is_reported_before_a_wrong_one(merchant: Merchant) -> None:
    answer = merchant.place(body="\n", notify_url=None)
    assert answer["return_msg"] == "缺少参数notify_url"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_fee", "0"),
        ("total_fee", "1.0"),
        ("total_fee", "-1"),
        ("total_fee", "1e2"),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", "no spaces"),
        ("body", "é" * 64),
        ("body", "two\nlines"),
        ("body", "\U0001f600"),
        ("attach", "x" * 128),
        ("spbill_create_ip", "localhost"),
        ("notify_url", "https://shop.example/notify?order=1"),
        ("notify_url", "/notify"),
        ("trade_type", "MICROPAY"),
        ("fee_type", "XYZ"),
        ("time_expire", "2026-01-01 12:30:00"),
        ("limit_pay", "no_debit"),
        ("receipt", "N"),
        ("profit_sharing", "y"),
        ("version", "2.0"),
        ("detail", "{}"),
        ("scene_info", "[]"),
        ("user_type", "PASSPORT"),
        ("nonce_str", "x" * 33),
        ("sub_openid", OPENID),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(merchant: Merchant, name: str, value: str) -> None:
    answer = merchant.place(**{name: value})
    assert answer["return_code"] == "FAIL"
    assert answer["return_msg"].startswith(f"invalid {name}: ")
    assert merchant.query()["err_code"] == "ORDERNOTEXIST" if name != "out_trade_no" else True


def test_jsapi_needs_an_openid(merchant: Merchant) -> None:
    assert merchant.place(trade_type="JSAPI")["return_msg"] == "缺少参数openid"


def test_h5_needs_its_scene(merchant: Merchant) -> None:
    assert merchant.place(trade_type="MWEB")["return_msg"] == "invalid scene_info: no h5_info"


def test_time_expire_lies_five_minutes_ahead(merchant: Merchant) -> None:
    answer = merchant.place(time_expire="20260101120459")
    assert answer["return_code"] == "FAIL"
    assert "time_expire" in answer["return_msg"]
    assert merchant.place(time_expire="20260101120500")["result_code"] == "SUCCESS"


def test_the_distance_of_time_expire_can_be_chosen() -> None:
    merchant = Merchant(create_app(options=Options(minimum_expire_s=0, live=False)))
    assert merchant.place(time_expire="20991231235959")["result_code"] == "SUCCESS"
    too_late = merchant.place(time_expire="20200101000000", out_trade_no="T99999999")
    assert too_late["return_code"] == "FAIL"


def test_lengths_can_count_characters() -> None:
    merchant = Merchant(create_app(options=Options(length_unit="chars", live=False)))
    assert merchant.place(body="é" * 127)["result_code"] == "SUCCESS"
    long = merchant.place(body="é" * 128, out_trade_no="T99999999")
    assert long["return_msg"] == "invalid body: 128 chars long"


def test_mainland_merchants_can_be_held_to_their_currency() -> None:
    abroad = Account(
        alias="abroad", mch_id="1900000200", appid=APPID, region=Region.GLOBAL, api_key=KEY
    )
    home = Account(alias="home", mch_id=MCH_ID, appid=APPID, api_key=KEY)
    app = create_app([home, abroad], options=Options(mainland_cny_only=True, live=False))
    assert Merchant(app).place(fee_type="HKD")["return_msg"].startswith("invalid fee_type")
    assert Merchant(app).place(fee_type="CNY")["result_code"] == "SUCCESS"
    placed = Merchant(app, mch_id="1900000200").place(fee_type="HKD")
    assert placed["result_code"] == "SUCCESS"


def test_an_institution_orders_for_a_sub_merchant(institution: Merchant) -> None:
    answer = institution.place(sub_appid="wx1111111111111111")
    assert answer["result_code"] == "SUCCESS"
    assert answer["sub_mch_id"] == institution.identity["sub_mch_id"]
    assert answer["sub_appid"] == "wx1111111111111111"


def test_an_institution_names_its_sub_merchant(institution: Merchant) -> None:
    assert institution.place(sub_mch_id=None)["return_msg"] == "缺少参数sub_mch_id"


def test_sub_openid_needs_sub_appid(institution: Merchant) -> None:
    wrong = institution.place(trade_type="JSAPI", sub_openid=OPENID)
    assert wrong["return_msg"] == "缺少参数sub_appid"
    right = institution.place(trade_type="JSAPI", sub_openid=OPENID, sub_appid="wx1111111111111111")
    assert right["result_code"] == "SUCCESS"


def test_a_code_is_never_given_out_twice(app: Simulator) -> None:
    thrown = iter([bytes(8), bytes(8), b"\x00" * 7 + b"\x01"])

    def entropy(size: int) -> bytes:
        return next(thrown) if size == 8 else bytes(range(size))

    merchant = Merchant(create_app(options=Options(entropy=entropy, live=False)))
    codes = [merchant.place()["code_url"][-7:], merchant.place()["code_url"][-7:]]
    assert codes == ["0000000", "1000000"]
