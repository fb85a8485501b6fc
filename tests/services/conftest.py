"""A scripted gateway under every service, and an order to try them on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_wxpay.models import Order
from tests.selling import HOST, granting_v2, mounted, new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID


@pytest.fixture(autouse=True)
def wxpay(settings: Any) -> dict[str, Any]:
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [HOST]},
            "institution": {
                "MODE": "institutional",
                "APPID": "wx7777777777777777",
                "MCH_ID": "1900000100",
                "SUB_MCH_ID": "1900000200",
                "API_KEY": API_KEY,
                "SIGN_TYPE": "MD5",
                "HOSTS": [HOST],
            },
        },
    }
    return settings.WXPAY


@pytest.fixture
def gateway(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    with mounted(granting_v2(), HOST) as scripted:
        yield scripted


@pytest.fixture
def order(db: None) -> Order:
    return new_order()
