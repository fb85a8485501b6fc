"""What the protocol's tests share: a merchant, an order, and answers signed as WeChat Pay would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2 import encode_xml, sign

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
OTHER_KEY = "TESTKEYtestkeyTESTKEYtestkey9999"
NONCE = "ibuaiVcKdpRxkhJA"
NOW = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)

MERCHANT = Merchant(
    alias="default",
    mch_id="10000100",
    appid="wxd930ea5d5a258f4f",
    appids=("wx9999999999999999",),
    api_key=KEY,
)
INSTITUTION = replace(MERCHANT, alias="institution", mode=Mode.INSTITUTIONAL, sub_mch_id="10000200")

TERMS = OrderTerms(
    appid="wxd930ea5d5a258f4f",
    mch_id="10000100",
    trade_type="NATIVE",
    body="test",
    out_trade_no="T20260101000001",
    total_fee=100,
    spbill_create_ip="127.0.0.1",
    notify_url="https://example.com/notify",
    product_id="P1001",
)
REF = OrderRef(appid="wxd930ea5d5a258f4f", mch_id="10000100", out_trade_no="T20260101000001")

H5 = '{"h5_info":{"type":"Wap","wap_url":"https://shop.example","wap_name":"Shop"}}'
STORE = '{"store_info":{"id":"SZTX001","name":"Tengda","area_code":"440305","address":"Park"}}'
DETAIL = '{"goods_detail":[{"goods_id":"1001","goods_name":"a & b <c>","quantity":1,"price":1}]}'

EVERY_OPTION: dict[str, Any] = {
    "device_info": "WEB",
    "version": "1.0",
    "detail": DETAIL,
    "attach": "Shenzhen branch\nsecond line",
    "fee_type": "HKD",
    "time_start": NOW,
    "time_expire": NOW + timedelta(hours=1),
    "goods_tag": "WXG",
    "limit_pay": "no_credit",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "receipt": "Y",
    "profit_sharing": "N",
    "scene_info": STORE,
    "fingerprint": "f" * 128,
    "user_type": "IDCARD",
    "user_creid": "C" * 32,
    "user_truename": "张三",
}

PAID: dict[str, str] = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "nonce_str": NONCE,
    "result_code": "SUCCESS",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "is_subscribe": "N",
    "trade_type": "NATIVE",
    "bank_type": "OTHERS",
    "total_fee": "100",
    "cash_fee": "100",
    "transaction_id": "4200000000202601010000000001",
    "out_trade_no": "T20260101000001",
    "attach": "",
    "time_end": "20260101000130",
}


def changed(fields: Mapping[str, str], **changes: str | None) -> dict[str, str]:
    """Return ``fields`` with some of them changed, and without those that are None."""
    merged = {**fields, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def signed(fields: Mapping[str, str], key: str = KEY, sign_type: SignType = SignType.MD5) -> bytes:
    """Return ``fields`` as a document that carries its signature."""
    return encode_xml({**fields, "sign": sign(fields, key, sign_type)})
