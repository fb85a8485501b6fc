"""People with a permission each, and a scripted gateway that nobody needs to leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from django_wxpay.services import gateways
from tests.factories import UserFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, granted, scripted_v2
from tests.wechatpay.v3 import scripted_v3

HOST = "http://gateway.test"
API = reverse("django_wxpay:api-orders").removesuffix("/orders/")
NATIVE = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 100, "product_id": "P1"}


@pytest.fixture(autouse=True)
def wxpay(settings: Any) -> dict[str, Any]:
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": {
                "APPID": APPID,
                "APPIDS": ["wx9999999999999999"],
                "MCH_ID": MCH_ID,
                "API_KEY": API_KEY,
                "HOSTS": [HOST],
            },
        },
    }
    return settings.WXPAY


@pytest.fixture
def gateway(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    scripted = scripted_v2()
    scripted.answers["/pay/unifiedorder"] = granted
    gateways.mount(HOST, scripted)
    yield scripted
    gateways.unmount(HOST)


@pytest.fixture
def platform(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    """Stand in for WeChat Pay's v3 side, for whichever merchants a test sets up."""
    scripted = scripted_v3()
    gateways.mount("http://v3.test", scripted)
    yield scripted
    gateways.unmount("http://v3.test")


@pytest.fixture
def as_holder(db: None) -> Callable[..., APIClient]:
    """Return a client whose person holds the permissions named, and no others."""

    def client(*permissions: str) -> APIClient:
        holder = APIClient(enforce_csrf_checks=False, HTTP_ACCEPT_LANGUAGE="en")
        holder.default_format = "json"
        holder.force_authenticate(UserFactory(permissions=permissions))
        return holder

    return client


@pytest.fixture
def clerk(as_holder: Callable[..., APIClient]) -> APIClient:
    """Return the client of somebody who may do everything with orders."""
    return as_holder("add_order", "view_order", "change_order")
