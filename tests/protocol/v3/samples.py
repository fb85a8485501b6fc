"""What the APIv3 tests share: merchants of both regions and modes, an order, and its answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django_wxpay.protocol.merchants import Api, Merchant, Mode, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.encryption import encrypt_resource
from tests.protocol.v3 import keys

NOW = datetime.fromtimestamp(keys.NOW, UTC)
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SUB_OPENID = "oLTPCuN5a-nBD4rAL_fa8c1xS9aY"

MAINLAND = Merchant(
    alias="mainland",
    mch_id="1900000109",
    appid="wx8888888888888888",
    api=Api.V3,
    api_v3_key=keys.API_V3_KEY,
    private_key=keys.MERCHANT_KEY,
    cert_serial_no=keys.MERCHANT_SERIAL,
    merchant_category_code="4111",
)
OVERSEAS = replace(MAINLAND, alias="overseas", region=Region.GLOBAL)
PARTNER = replace(
    MAINLAND,
    alias="partner",
    mode=Mode.INSTITUTIONAL,
    mch_id="1900000100",
    sub_mch_id="1900000109",
)
INSTITUTION = replace(PARTNER, alias="institution", region=Region.GLOBAL)
MERCHANTS = [MAINLAND, PARTNER, OVERSEAS, INSTITUTION]

TERMS = OrderTerms(
    appid="wx8888888888888888",
    mch_id="1900000109",
    trade_type="NATIVE",
    body="测试商店-深圳-QQ公仔",
    out_trade_no="ORDER20240501A",
    total_fee=888,
    fee_type="HKD",
    notify_url="https://merchant.example/wechat/notify/pay",
)
REF = OrderRef(appid=TERMS.appid, mch_id="1900000109", out_trade_no="ORDER20240501A")

DETAIL = {
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
}
STORE = {"store_info": {"id": "SZTX001", "name": "腾大", "address": "Park 1"}}
H5 = {"h5_info": {"type": "IOS", "app_name": "Shop", "bundle_id": "com.example.shop"}}


def text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)


def octets(content: Any) -> bytes:
    """Return ``content`` as JSON; half a character is written as it would be cut."""
    return text(content).encode(errors="surrogatepass")


def terms_for(merchant: Merchant, **changes: Any) -> OrderTerms:
    """Return the sample order as ``merchant`` would place it."""
    base: dict[str, Any] = {"mch_id": merchant.mch_id}
    if merchant.region is Region.MAINLAND:
        base["fee_type"] = "CNY"
    if merchant.mode is Mode.INSTITUTIONAL:
        base["sub_mch_id"] = merchant.sub_mch_id
    return replace(TERMS, **(base | changes))


def payable(merchant: Merchant, trade_type: str, **changes: Any) -> OrderTerms:
    """Return an order of ``trade_type`` with what that type needs and nothing else."""
    needs: dict[str, Any] = {"trade_type": trade_type}
    if trade_type == "JSAPI":
        needs["openid"] = OPENID
    if trade_type == "MWEB":
        scene = STORE if merchant.region is Region.GLOBAL else H5
        needs |= {"spbill_create_ip": "203.0.113.7", "scene_info": text(scene)}
    return terms_for(merchant, **(needs | changes))


def sealed(content: Any, key: str | Secret = keys.API_V3_KEY) -> dict[str, str]:
    """Return ``content`` as the resource of a callback."""
    plaintext = content if isinstance(content, bytes) else octets(content)
    return encrypt_resource(
        plaintext,
        api_v3_key=key,
        nonce="a1B2c3D4e5F6",
        associated_data="transaction",
        original_type="transaction",
    )


def envelope(event_type: str | None, content: Any, **changes: Any) -> bytes:
    """Return the callback that announces ``content``."""
    members = {
        "id": "0d7c4a52-5a3e-5b6f-9d0e-1f2a3b4c5d6e",
        "create_time": "2024-05-01T17:00:00+08:00",
        "event_type": event_type,
        "resource_type": "encrypt-resource",
        "resource": sealed(content),
    }
    return octets(members | changes)


def without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in names}
