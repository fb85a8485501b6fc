"""A v3 merchant over REST: the same routes, the same answers, its own rules."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_wxpay.models import ApiReport, Order
from tests import seed_003
from tests.api.conftest import API
from tests.factories import OrderFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, standing
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT, trade

pytestmark = pytest.mark.django_db

ORDERS = f"{API}/orders/"
TEA = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 100}
CODE_URL = "weixin://wxpay/bizpayurl?pr=TEST123"


@pytest.fixture(autouse=True)
def v3(wxpay: dict[str, Any], settings: Any) -> None:
    keys = V3_MERCHANT | PUBLIC_KEY_MODE
    v2 = wxpay["MERCHANTS"]["default"]
    over_v2 = {"API_KEY": API_KEY, "HOSTS": v2["HOSTS"]}
    settings.WXPAY = wxpay | {
        "MERCHANTS": {
            "default": keys,
            "v2": v2,
            "v2-and-v3-keys": keys | over_v2 | {"API": "v2"},
            "v3-and-v2-key": keys | over_v2,
            **seed_003.MERCHANTS,
        },
    }


def _query_path(order: Order) -> str:
    return f"/v3/pay/transactions/out-trade-no/{order.out_trade_no}"


def test_a_native_order_needs_no_product_id_and_is_granted_without_a_prepay_id(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    platform.answers["/v3/pay/transactions/native"] = (200, {"code_url": CODE_URL})
    answer = clerk.post(ORDERS, TEA)
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["trade_state"], shown["parameters"]) == ("NOTPAY", {"code_url": CODE_URL})
    assert (shown["prepay"]["prepay_id"], shown["prepay"]["code_url"]) == ("", CODE_URL)
    assert clerk.get(f"{ORDERS}{shown['id']}/qr.svg").status_code == 200
    assert len(platform.calls) == 1


def test_jsapi_parameters_are_signed_with_rsa(
    clerk: APIClient, platform: ScriptedTransport
) -> None:
    platform.answers["/v3/pay/transactions/jsapi"] = (200, {"prepay_id": "wx01"})
    wanted = TEA | {"trade_type": "JSAPI", "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
    parameters = clerk.post(ORDERS, wanted).json()["parameters"]
    assert (parameters["signType"], parameters["package"]) == ("RSA", "prepay_id=wx01")


@pytest.mark.parametrize("currency", ["HKD", "USD", "cny"])
def test_mainland_takes_cny_alone_and_says_so_under_fee_type(
    clerk: APIClient,
    platform: ScriptedTransport,
    currency: str,
) -> None:
    answer = clerk.post(ORDERS, TEA | {"fee_type": currency})
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "detail", "errors", "fee_type"}
    assert not Order.objects.exists()
    assert platform.calls == []


def test_a_global_merchant_prices_in_another_currency(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    platform.answers[seed_003.NATIVE_PATH] = (200, {"code_url": CODE_URL})
    answer = clerk.post(ORDERS, TEA | {"merchant": "common", "fee_type": "HKD"})
    assert (answer.status_code, answer.json()["fee_type"]) == (201, "HKD")


def test_product_id_is_still_asked_for_on_v2(clerk: APIClient) -> None:
    answer = clerk.post(ORDERS, TEA | {"merchant": "v2"})
    assert (answer.status_code, set(answer.json())) == (
        400,
        {"code", "detail", "errors", "product_id"},
    )


def test_what_v3_has_no_place_for_is_refused_by_its_name(clerk: APIClient) -> None:
    answer = clerk.post(ORDERS, TEA | {"user_type": "IDCARD"})
    assert (answer.status_code, set(answer.json())) == (
        400,
        {"code", "detail", "errors", "user_type"},
    )


GOODS = {"goods_id": "G1", "quantity": 1, "price": 100}
OF_2026 = {"category": "1-2", "merchant_category_code": "0742"}


def test_a_line_of_goods_carries_members_that_this_package_does_not_know(
    clerk: APIClient, platform: ScriptedTransport, gateway: ScriptedTransport
) -> None:
    platform.answers["/v3/pay/transactions/native"] = (200, {"code_url": CODE_URL})
    detail = {"goods_detail": [GOODS | OF_2026]}
    for merchant in ("default", "v2"):
        wanted = TEA | {"merchant": merchant, "detail": detail, "product_id": "P1"}
        assert clerk.post(ORDERS, wanted).status_code == 201
    (line,) = json.loads(platform.requests[-1].body or b"")["detail"]["goods_detail"]
    assert line == {"merchant_goods_id": "G1", "quantity": 1, "unit_price": 100, **OF_2026}
    assert json.loads(gateway.calls[-1][1]["detail"]) == detail
    answer = clerk.post(ORDERS, TEA | {"detail": {"goods_detail": [GOODS | {"category": [1]}]}})
    assert (answer.status_code, "category" in str(answer.json()["errors"])) == (400, True)


def test_a_refusal_of_v3_has_the_gateways_own_word_and_the_kind_of_both_protocols(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    platform.answers["/v3/pay/transactions/native"] = (
        403,
        {"code": "NO_AUTH", "message": "not yours"},
    )
    answer = clerk.post(ORDERS, TEA, headers={"Accept-Language": "zh-hans"})
    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert (answer.json()["err_code"], answer.json()["kind"]) == ("NO_AUTH", "NOAUTH")
    assert answer.json()["err_code_des"] == "not yours"
    assert re.search("[一-鿿]", answer.json()["advice"])
    assert Order.objects.get().err_code == "NO_AUTH"


def test_too_many_calls_are_no_refusal_but_an_unknown_outcome(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    platform.answers["/v3/pay/transactions/native"] = (
        429,
        {"code": "RATELIMIT_EXCEEDED", "message": "slow down"},
    )
    answer = clerk.post(ORDERS, TEA)
    assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert [row.err_code for row in ApiReport.objects.all()] == ["FREQUENCY_LIMITED"] * 2
    order = Order.objects.get()
    assert (order.trade_state, order.err_code) == ("CREATED", "")


@pytest.mark.parametrize(
    ("merchant", "named"),
    [
        ("v2-and-v3-keys", {}),
        ("v2-and-v3-keys", {"api": "v2"}),
        ("v3-and-v2-key", {"api": "v2"}),
    ],
)
def test_an_order_is_asked_for_over_its_merchants_own_protocol_or_the_one_named(
    clerk: APIClient,
    gateway: ScriptedTransport,
    platform: ScriptedTransport,
    merchant: str,
    named: dict[str, str],
) -> None:
    order = OrderFactory(merchant=merchant)
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    assert clerk.post(f"{ORDERS}{order.pk}/query/", named).status_code == 200
    assert gateway.paths() == ["/pay/orderquery"]
    assert platform.calls == []


def test_a_v2_merchant_with_v3_keys_may_be_asked_over_v3(
    clerk: APIClient,
    platform: ScriptedTransport,
    settings: Any,
) -> None:
    merchants = settings.WXPAY["MERCHANTS"]
    both = merchants["v2-and-v3-keys"] | {"HOSTS": ["http://v3.test"]}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": both}}
    order = OrderFactory(total_fee=100)
    platform.answers[_query_path(order)] = (200, trade(order.out_trade_no))
    answer = clerk.post(f"{ORDERS}{order.pk}/query/", {"api": "v3"})
    assert (answer.status_code, answer.json()["trade_state"]) == (200, "SUCCESS")
    assert platform.paths() == [_query_path(order)]


@pytest.mark.parametrize(("merchant", "api"), [("v2", "v3"), ("default", "v2")])
def test_a_merchant_without_the_keys_is_a_400_under_api_and_nothing_is_sent(
    clerk: APIClient,
    gateway: ScriptedTransport,
    platform: ScriptedTransport,
    merchant: str,
    api: str,
) -> None:
    order = OrderFactory(merchant=merchant)
    answer = clerk.post(f"{ORDERS}{order.pk}/query/", {"api": api})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "invalid",
        "detail": "Refused because of: api.",
        "api": ["This merchant has no keys for that."],
        "errors": {"api": ["This merchant has no keys for that."]},
    }
    assert (gateway.calls, platform.calls) == ([], [])


@pytest.mark.parametrize(
    "document",
    [
        '{"api": "v4"}',
        '{"api": ""}',
        '{"api": null}',
        '{"api": 3}',
        '{"api": ["v3"]}',
        '{"api": "\\ud800"}',
    ],
)
def test_no_such_protocol_is_a_400_under_api(
    clerk: APIClient,
    platform: ScriptedTransport,
    document: str,
) -> None:
    address = f"{ORDERS}{OrderFactory().pk}/query/"
    answer = clerk.post(address, data=document, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert isinstance(answer.json()["api"], list)
    assert platform.calls == []


def test_a_misspelt_name_is_a_400_and_not_a_query_over_something_else(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    answer = clerk.post(f"{ORDERS}{OrderFactory().pk}/query/", {"apl": "v3"})
    assert (answer.status_code, answer.json()["apl"]) == (400, ["There is no such field."])
    assert platform.calls == []


@pytest.mark.parametrize("document", ["[]", "null", '"v3"', "{", "5"])
def test_a_body_that_is_no_object_is_a_400(
    clerk: APIClient,
    platform: ScriptedTransport,
    document: str,
) -> None:
    address = f"{ORDERS}{OrderFactory().pk}/query/"
    answer = clerk.post(address, data=document, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert platform.calls == []


@pytest.mark.parametrize("how", [{}, {"format": "json"}, {"data": {}, "format": "multipart"}])
def test_no_body_in_whatever_form_is_a_query(
    clerk: APIClient,
    platform: ScriptedTransport,
    how: dict[str, Any],
) -> None:
    order = OrderFactory(total_fee=100)
    platform.answers[_query_path(order)] = (200, trade(order.out_trade_no))
    answer = clerk.post(f"{ORDERS}{order.pk}/query/", **how)
    assert (answer.status_code, answer.json()["trade_state"]) == (200, "SUCCESS")


def test_an_order_of_a_merchant_who_is_gone_is_a_503_whatever_is_named(clerk: APIClient) -> None:
    order = OrderFactory(merchant="gone")
    answer = clerk.post(f"{ORDERS}{order.pk}/query/", {"api": "v3"})
    assert (answer.status_code, answer.json()["code"]) == (503, "misconfigured")
