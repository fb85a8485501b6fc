"""The client wechatpayv3, unchanged but for its gateway, which is the simulator."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from wechatpayv3 import WeChatPay, WeChatPayType, core

from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PUBLIC_KEY,
    TEST_PUBLIC_KEY_ID,
)
from tests.simulator.calling import APPID, NOTIFY_URL
from tests.simulator.v3.calling import MAINLAND

# Each client reads it anew, which takes as long as a hundred signatures.
_load_private_key = cache(core.load_private_key)


def made(
    url: str, monkeypatch: pytest.MonkeyPatch, *, mode: str = "public_key", **identity: Any
) -> WeChatPay:
    """Return a client whose gateway is the simulator, from its first request on."""
    elsewhere = property(lambda _: url, lambda _, value: None)
    monkeypatch.setattr(core.Core, "_gate_way", elsewhere, raising=False)
    monkeypatch.setattr(core, "load_private_key", _load_private_key)
    keys = {"public_key": TEST_PUBLIC_KEY, "public_key_id": TEST_PUBLIC_KEY_ID}
    return WeChatPay(
        **{
            "wechatpay_type": WeChatPayType.NATIVE,
            "mchid": MAINLAND,
            "private_key": TEST_MERCHANT_PRIVATE_KEY,
            "cert_serial_no": TEST_MERCHANT_SERIAL_NO,
            "apiv3_key": TEST_API_V3_KEY,
            "appid": APPID,
            "notify_url": NOTIFY_URL,
            "timeout": (5, 5),
            **({} if mode == "certificate" else keys),
            **identity,
        }
    )
