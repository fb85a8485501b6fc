"""What the paying client is handed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from rest_framework.test import APIClient

from django_wxpay.protocol import v2
from tests.api.conftest import API
from tests.factories import OrderFactory, PrepayFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY

pytestmark = pytest.mark.django_db


def test_parameters_are_signed_afresh_each_time_and_nothing_is_sent(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    prepay = PrepayFactory(live=True, order=OrderFactory(jsapi=True))
    address = f"{API}/orders/{prepay.order_id}/parameters/"
    first, second = clerk.get(address).json(), clerk.get(address).json()
    assert set(first) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert first["package"] == f"prepay_id={prepay.prepay_id}"
    assert first["nonceStr"] != second["nonceStr"]
    unsigned = {name: value for name, value in first.items() if name != "paySign"}
    assert v2.sign(unsigned, API_KEY, "HMAC-SHA256") == first["paySign"]
    assert gateway.calls == []


@pytest.mark.parametrize("route", ["parameters/", "qr.svg"])
def test_there_is_nothing_to_pay_with_without_a_live_prepay(clerk: APIClient, route: str) -> None:
    over, none = PrepayFactory().order, OrderFactory()
    paid = PrepayFactory(live=True, order=OrderFactory(paid=True)).order
    for order, said in [(over, "no live prepay"), (none, "no live prepay"), (paid, "is over")]:
        answer = clerk.get(f"{API}/orders/{order.pk}/{route}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "accept",
    ["image/svg+xml", "image/avif,image/webp,image/*;q=0.8", "*/*", "application/json"],
)
def test_the_qr_code_is_a_picture_whoever_asks(clerk: APIClient, accept: str) -> None:
    prepay = PrepayFactory(live=True)
    answer = clerk.get(f"{API}/orders/{prepay.order_id}/qr.svg", HTTP_ACCEPT=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert ET.fromstring(answer.content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


def test_only_native_orders_have_a_qr_code_and_the_error_is_json(clerk: APIClient) -> None:
    prepay = PrepayFactory(live=True, order=OrderFactory(jsapi=True))
    answer = clerk.get(f"{API}/orders/{prepay.order_id}/qr.svg", HTTP_ACCEPT="image/svg+xml")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"code": "not_found", "detail": "Only NATIVE orders have a QR code."}


def test_a_picture_in_no_form_of_ours_is_a_406(clerk: APIClient) -> None:
    prepay = PrepayFactory(live=True)
    answer = clerk.get(f"{API}/orders/{prepay.order_id}/qr.svg", HTTP_ACCEPT="image/png")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
