"""Quick Pay over HTTP: one request from the scan to the end of the sale."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.services.orders.leases import next_end
from tests.api.conftest import API
from tests.factories import OrderFactory, RefundFactory
from tests.wechatpay.quick_pay import (
    BY_CODE,
    CERTIFICATE,
    CODE,
    DONE,
    MICROPAY,
    PAYING,
    PAYS,
    QUERY,
    REVERSE,
    REVOKED,
    TIMEOUT,
    USERPAYING,
    TestClock,
    charged,
    counts,
    in_turn,
    on_a_clock_of_its_own,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused, standing

pytestmark = pytest.mark.django_db

SALE = {"auth_code": CODE, "body": "Tea", "total_fee": 100, "out_trade_no": "TILL-0001"}
ADDRESS = f"{API}/orders/pay-by-code/"


@pytest.fixture(autouse=True)
def till(
    wxpay: dict[str, Any], settings: Any, gateway: ScriptedTransport, monkeypatch: Any
) -> TestClock:
    default = wxpay["MERCHANTS"]["default"] | CERTIFICATE
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": default}}
    return on_a_clock_of_its_own(monkeypatch)


def test_a_sale_is_a_201_with_the_order_and_the_same_one_again_a_200(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = charged
    first, again = (clerk.post(ADDRESS, SALE, REMOTE_ADDR="203.0.113.7") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    order = first.json()
    assert (order["trade_state"], order["trade_type"]) == ("SUCCESS", "MICROPAY")
    assert order["payment"]["payer_total"] == 100
    assert (order["is_paid"], order["refunded"], order["refundable"]) == (True, 0, 100)
    assert CODE not in first.content.decode()
    assert counts(gateway) == {MICROPAY: 1}
    assert gateway.calls[0][1]["spbill_create_ip"] == "203.0.113.7"


def test_a_reversed_sale_is_an_answer_like_any_other(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {MICROPAY: USERPAYING, QUERY: in_turn(*[PAYING] * 9, REVOKED), REVERSE: DONE}
    answer = clerk.post(ADDRESS, SALE)

    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["trade_state"], shown["payment"]) == ("REVOKED", None)
    assert (shown["is_paid"], shown["refundable"]) == (False, 0)


def test_a_refusal_is_a_422_that_names_the_order(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = refused("AUTHCODEEXPIRE", "expired")
    answer = clerk.post(ADDRESS, SALE)

    body = answer.json()
    assert (answer.status_code, body["code"], body["kind"]) == (422, "refused", "AUTHCODEEXPIRE")
    assert (body["id"], body["out_trade_no"]) == (Order.objects.get().pk, "TILL-0001")
    assert CODE not in answer.content.decode()

    order = clerk.get(f"{API}/orders/{body['id']}/").json()
    assert (order["trade_state"], order["is_paid"]) == ("CREATED", False)
    assert (order["err_code"], order["err_code_des"]) == ("AUTHCODEEXPIRE", "expired")
    assert order["advice"] == body["advice"] != ""


def test_a_sale_that_never_arrived_has_its_advice_on_the_order_too(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    order = services.open_sale(**SALE).order
    Order.objects.update(placing_until=None, err_code="ORDERNOTEXIST")
    shown = clerk.get(f"{API}/orders/{order.pk}/").json()

    assert shown["advice"].endswith("under a new order number.")
    assert gateway.calls == []


def test_what_is_refunded_is_counted_on_the_order(clerk: APIClient) -> None:
    order = OrderFactory(paid=True)
    RefundFactory(order=order, paid_back=True, refund_fee=30)
    RefundFactory(order=order, refund_fee=20)
    shown = clerk.get(f"{API}/orders/{order.pk}/").json()

    assert (shown["refunded"], shown["refundable"]) == (30, order.total_fee - 50)
    assert (shown["refunded"], shown["refundable"]) == (order.refunded_fee, order.refundable)
    (listed,) = clerk.get(f"{API}/orders/").json()["results"]
    assert listed == shown


def test_an_unknown_outcome_is_a_504_and_the_same_request_goes_on(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {MICROPAY: USERPAYING, QUERY: PAYING, REVERSE: TIMEOUT}
    answer = clerk.post(ADDRESS, SALE)
    assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert answer.json()["id"] == Order.objects.get().pk

    gateway.answers[QUERY] = PAYS
    again = clerk.post(ADDRESS, SALE)
    assert (again.status_code, again.json()["trade_state"]) == (200, "SUCCESS")
    assert counts(gateway)[MICROPAY] == 1


def test_a_sale_without_any_answer_needs_a_person_after_five_minutes(
    clerk: APIClient, gateway: ScriptedTransport, till: TestClock
) -> None:
    gateway.answers |= {MICROPAY: TIMEOUT, QUERY: TIMEOUT, REVERSE: TIMEOUT}
    answer = clerk.post(ADDRESS, SALE)
    assert answer.status_code == 504
    address = f"{API}/orders/{answer.json()['id']}/"

    assert clerk.get(address).json()["attention"] == []
    till.sleep(300)
    assert clerk.get(address).json()["attention"] == ["OUTCOME_UNKNOWN"]
    (listed,) = clerk.get(f"{API}/orders/?attention=OUTCOME_UNKNOWN").json()["results"]
    assert listed["out_trade_no"] == "TILL-0001"

    gateway.answers[QUERY] = PAYS
    services.sync_orders()
    assert clerk.get(address).json()["attention"] == []


def test_other_parameters_are_a_409(clerk: APIClient, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = charged
    clerk.post(ADDRESS, SALE)
    answer = clerk.post(ADDRESS, SALE | {"total_fee": 101})

    assert (answer.status_code, answer.json()["fields"]) == (409, ["total_fee"])
    assert counts(gateway) == {MICROPAY: 1}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"auth_code": "13456789012345678"}, "auth_code"),
        ({"auth_code": "13456789012345678X"}, "auth_code"),
        ({"auth_code": ""}, "auth_code"),
        ({"auth_code": None}, "auth_code"),
        ({"auth_code": 134567890123456789}, "auth_code"),
        ({"auth_code": [CODE]}, "auth_code"),
        ({"total_fee": 0}, "total_fee"),
        ({"total_fee": "1"}, "total_fee"),
        ({"trade_type": "NATIVE"}, "trade_type"),
        ({"openid": "o"}, "openid"),
        ({"product_id": "P1"}, "product_id"),
        ({"notify_url": "https://shop.example.com"}, "notify_url"),
        ({"merchant": "nowhere"}, "merchant"),
    ],
)
def test_a_bad_field_is_a_400_keyed_by_it(
    clerk: APIClient, gateway: ScriptedTransport, change: dict[str, Any], field: str
) -> None:
    answer = clerk.post(ADDRESS, SALE | change)

    assert answer.status_code == 400, answer.content
    assert field in answer.json()
    assert "1345678901234567" not in answer.content.decode()
    assert (Order.objects.count(), gateway.calls) == (0, [])


def test_no_code_is_a_400(clerk: APIClient) -> None:
    answer = clerk.post(ADDRESS, {"body": "Tea", "total_fee": 100})
    assert (answer.status_code, "auth_code" in answer.json()) == (400, True)


def test_a_merchant_that_could_not_reverse_is_a_503(
    clerk: APIClient, gateway: ScriptedTransport, wxpay: dict[str, Any], settings: Any
) -> None:
    bare = wxpay["MERCHANTS"]["default"] | {
        "CLIENT_CERT": "",
        "CLIENT_KEY": "",
        "HOSTS": ["https://gateway.test"],
    }
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": bare}}
    answer = clerk.post(ADDRESS, SALE)
    assert (answer.status_code, answer.json()["code"]) == (503, "misconfigured")
    assert gateway.calls == []


def test_only_posts_are_answered(clerk: APIClient) -> None:
    assert clerk.get(ADDRESS).status_code in {403, 405}


def test_a_reversal_is_a_200_with_the_order(
    clerk: APIClient, gateway: ScriptedTransport, till: TestClock
) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = clerk.post(ADDRESS, SALE).json()
    answer = clerk.post(f"{API}/orders/{order['id']}/reverse/")

    assert answer.status_code == 200
    assert answer.json()["trade_state"] == "REVOKED"
    # It was paid, and that is shown.
    assert answer.json()["payment"]["payer_total"] == 100


def test_a_reversal_of_another_order_is_a_400(clerk: APIClient, gateway: ScriptedTransport) -> None:
    answer = clerk.post(f"{API}/orders/{OrderFactory().pk}/reverse/")
    assert (answer.status_code, "trade_type" in answer.json()) == (400, True)
    assert gateway.calls == []


def test_a_refused_reversal_is_a_422(clerk: APIClient, gateway: ScriptedTransport) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: refused("REVERSE_EXPIRE"), QUERY: PAYS}
    order = clerk.post(ADDRESS, SALE).json()
    answer = clerk.post(f"{API}/orders/{order['id']}/reverse/")
    assert (answer.status_code, answer.json()["kind"]) == (422, "REVERSE_EXPIRE")
    assert answer.json()["id"] == order["id"]


def test_a_pending_sale_is_another_calls_and_wechat_pay_is_not_asked(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    order = services.open_sale(**SALE).order
    answer = clerk.post(f"{API}/orders/{order.pk}/reverse/")

    body = answer.json()
    assert (answer.status_code, body["code"], answer.headers["Retry-After"]) == (409, "busy", "5")
    assert "WeChat Pay was not asked" in body["detail"]
    assert (body["id"], body["out_trade_no"]) == (order.pk, "TILL-0001")
    assert gateway.calls == []


def test_a_sale_whose_process_died_is_reversed_when_its_lease_is_over(
    clerk: APIClient, gateway: ScriptedTransport, till: TestClock
) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    order = services.open_sale(**SALE).order
    address = f"{API}/orders/{order.pk}/reverse/"
    assert clerk.post(address).status_code == 409

    till.sleep((next_end("default") - till.now()).total_seconds() + 1)
    answer = clerk.post(address)
    assert (answer.status_code, answer.json()["trade_state"]) == (200, "REVOKED")


def test_a_sale_that_is_refunded_in_part_is_not_reversed_and_the_advice_says_what_to_do(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = charged
    order = clerk.post(ADDRESS, SALE).json()
    gateway.answers |= {
        REVERSE: refused("TRADE_ERROR", "订单已退款"),
        QUERY: standing("REFUND", **BY_CODE),
        "/pay/refundquery": refused("REFUNDNOTEXIST"),
    }
    answer = clerk.post(f"{API}/orders/{order['id']}/reverse/")

    assert (answer.status_code, answer.json()["kind"]) == (422, "TRADE_ERROR")
    assert answer.json()["advice"].endswith("Refund the rest instead.")
