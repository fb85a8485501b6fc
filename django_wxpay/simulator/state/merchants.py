"""Which merchants the simulated gateway knows where it is told of none."""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Api, Merchant, Mode, Region
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PUBLIC_KEY,
    TEST_PUBLIC_KEY_ID,
)

# Test keys: they open nothing anywhere.
_V3: Final[dict[str, Any]] = {
    "appid": "wx8888888888888888",
    "api": Api.V3,
    "api_v3_key": TEST_API_V3_KEY,
    "private_key": TEST_MERCHANT_PRIVATE_KEY,
    "cert_serial_no": TEST_MERCHANT_SERIAL_NO,
}
_GLOBAL: Final[dict[str, Any]] = {
    **_V3,
    "region": Region.GLOBAL,
    "merchant_category_code": "0742",
    "hosts": DEFAULT_HOSTS[Region.GLOBAL],
}

DEMO_MERCHANTS: Final = (
    Merchant(
        alias="default",
        mch_id="1900000109",
        appid="wx8888888888888888",
        api_key="TESTKEYtestkeyTESTKEYtestkey0000",
    ),
    Merchant(
        alias="institution",
        mch_id="1900000100",
        appid="wx8888888888888888",
        mode=Mode.INSTITUTIONAL,
        sub_mch_id="1900000109",
        api_key="TESTKEYtestkeyTESTKEYtestkey0001",
    ),
    # As new mainland merchants are: believes WeChat Pay's public key, has no certificates.
    Merchant(
        alias="mainland-v3",
        mch_id="1900000110",
        wechatpay_public_key_id=TEST_PUBLIC_KEY_ID,
        wechatpay_public_key=TEST_PUBLIC_KEY,
        **_V3,
    ),
    # As the global documentation has it: downloads platform certificates.
    Merchant(alias="global-v3", mch_id="1900000111", **_GLOBAL),
    Merchant(
        alias="global-v3-institution",
        mch_id="1900000112",
        mode=Mode.INSTITUTIONAL,
        sub_mch_id="1900000113",
        **_GLOBAL,
    ),
)
