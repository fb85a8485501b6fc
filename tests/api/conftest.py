"""People with a permission each, and a scripted gateway that nobody needs to leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import reverse
from django.utils.translation import override
from rest_framework.fields import CharField
from rest_framework.test import APIClient
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from django_wxpay.models import Order, Refund
from tests.factories import UserFactory
from tests.protocol.v3 import keys
from tests.selling import HOST, V3_HOST, granting_v2, mounted
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID
from tests.wechatpay.v3 import scripted_v3

API = reverse("django_wxpay:api-orders").removesuffix("/orders/")
_OF_THE_FRAMEWORK = (
    CharField.default_error_messages["invalid"],
    ProhibitSurrogateCharactersValidator.message,
)
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
                "CLIENT_CERT": keys.MERCHANT_CERTIFICATE,
                "CLIENT_KEY": keys.MERCHANT_KEY,
                "HOSTS": [HOST],
            },
        },
    }
    return settings.WXPAY


@pytest.fixture
def gateway(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    with mounted(granting_v2(), HOST) as scripted:
        yield scripted


def refunded(sent: dict[str, str]) -> dict[str, Any]:
    """Accept a refund."""
    order = Order.objects.get(transaction_id=sent["transaction_id"])
    return {
        "out_trade_no": order.out_trade_no,
        "transaction_id": sent["transaction_id"],
        "out_refund_no": sent["out_refund_no"],
        "refund_id": f"503{sum(sent['out_refund_no'].encode()):026d}",
        "refund_fee": sent["refund_fee"],
        "total_fee": sent["total_fee"],
        "fee_type": order.fee_type,
    }


def refund_standing(number: str, status: str = "SUCCESS") -> dict[str, Any]:
    """Answer a refundquery about one refund that there is here."""
    refund = Refund.objects.select_related("order").get(out_refund_no=number)
    return {
        "out_trade_no": refund.order.out_trade_no,
        "transaction_id": refund.order.transaction_id,
        "total_fee": refund.order.total_fee,
        "refund_count": 1,
        "out_refund_no_0": number,
        "refund_id_0": refund.refund_id,
        "refund_fee_0": refund.refund_fee,
        "refund_status_0": status,
    }


def is_chinese(*sentences: str) -> bool:
    """Return whether each of them is said in Chinese, but for names and numbers."""
    return all(
        re.search("[一-鿿]", said) and not re.search("[A-Za-z]{2,} [a-z]{2,}", said)
        for said in sentences
        if not _is_of_an_older_framework(said)
    )


def _is_of_an_older_framework(said: str) -> bool:
    """Return whether the REST framework that is installed has no Chinese for its own sentence."""
    with override("zh-hans"):
        its_own = [str(each).partition("{")[0] for each in _OF_THE_FRAMEWORK]
    return any(said.startswith(each) and each.isascii() for each in its_own)


@pytest.fixture
def platform(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    """Stand in for WeChat Pay's v3 side, for whichever merchants a test sets up."""
    with mounted(scripted_v3(), V3_HOST) as scripted:
        yield scripted


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
