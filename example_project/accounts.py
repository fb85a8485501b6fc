"""The accounts the demonstration can be run with: v2 or v3, mainland or global.

Each is what ``WXPAY["MERCHANTS"]["default"]`` would be, with the simulator's test keys,
which open nothing anywhere. Mainland's v3 account verifies with WeChat Pay's public key, the
global one with platform certificates that it downloads, as each of them is documented.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_CERTIFICATE,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PUBLIC_KEY,
    TEST_PUBLIC_KEY_ID,
)

_APPID: Final = "wx8888888888888888"
_V2: Final[dict[str, Any]] = {
    "APPID": _APPID,
    "MCH_ID": "1900000109",
    "API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000",
    "CLIENT_CERT": TEST_MERCHANT_CERTIFICATE,
    "CLIENT_KEY": TEST_MERCHANT_PRIVATE_KEY,
}
_V3: Final[dict[str, Any]] = {
    "API": "v3",
    "APPID": _APPID,
    "API_V3_KEY": TEST_API_V3_KEY,
    "PRIVATE_KEY": TEST_MERCHANT_PRIVATE_KEY,
    "CERT_SERIAL_NO": TEST_MERCHANT_SERIAL_NO,
}

ACCOUNTS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("v2", "mainland"): _V2,
    ("v2", "global"): _V2 | {"REGION": "global"},
    ("v3", "mainland"): _V3
    | {
        "MCH_ID": "1900000110",
        "WECHATPAY_PUBLIC_KEY": TEST_PUBLIC_KEY,
        "WECHATPAY_PUBLIC_KEY_ID": TEST_PUBLIC_KEY_ID,
    },
    ("v3", "global"): _V3
    | {"MCH_ID": "1900000111", "REGION": "global", "MERCHANT_CATEGORY_CODE": "0742"},
}
