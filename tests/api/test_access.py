"""Who may ask what: the table of routes and permissions, and that it comes before all else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.test import APIClient

from django_wxpay.models import Order
from tests.api.conftest import API, NATIVE, refund_standing, refunded
from tests.factories import (
    BillFactory,
    DiscrepancyFactory,
    NotificationFactory,
    OrderFactory,
    PrepayFactory,
    RefundFactory,
    UserFactory,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import standing

pytestmark = pytest.mark.django_db

ROUTES = [
    ("post", "orders/", "add_order"),
    ("get", "orders/", "view_order"),
    ("get", "orders/{order}/", "view_order"),
    ("get", "orders/{order}/parameters/", "view_order"),
    ("get", "orders/{order}/qr.svg", "view_order"),
    ("post", "orders/{order}/query/", "change_order"),
    ("post", "orders/{order}/close/", "change_order"),
    ("post", "orders/pay-by-code/", "add_order"),
    ("post", "orders/{order}/reverse/", "change_order"),
    ("post", "orders/{paid}/refunds/", "add_refund"),
    ("post", "refunds/{refund}/query/", "change_refund"),
    ("post", "refunds/{stuck}/apply-abnormal-refund/", "add_refund"),
    ("get", "refunds/", "view_refund"),
    ("get", "refunds/{refund}/", "view_refund"),
    ("get", "notifications/", "view_notification"),
    ("get", "notifications/{notification}/", "view_notification"),
    ("post", "notifications/{notification}/replay/", "change_notification"),
    ("post", "bills/", "add_bill"),
    ("get", "bills/", "view_bill"),
    ("get", "bills/{bill}/", "view_bill"),
    ("get", "bills/{empty}/download/", "view_bill"),
    ("post", "bills/{flow}/reconcile/", "change_bill"),
    ("get", "discrepancies/", "view_discrepancy"),
    ("get", "discrepancies/{difference}/", "view_discrepancy"),
    ("post", "discrepancies/{difference}/resolve/", "change_discrepancy"),
    ("get", "api-reports/", "view_apireport"),
    ("get", "api-reports/summary/", "view_apireport"),
]
# What is posted where a body is needed, and what comes of it; elsewhere nothing, and a 200.
POSTED: dict[str, tuple[Any, int]] = {
    "orders/": (NATIVE, 201),
    "orders/{paid}/refunds/": ({"refund_fee": 5, "out_refund_no": "R5"}, 201),
    # Let through to the rules: there is no code, and the order is no payment by code.
    "orders/pay-by-code/": ({}, 400),
    "orders/{order}/reverse/": ({}, 400),
    # Let through to the settings, which hold no keys of APIv3.
    "refunds/{stuck}/apply-abnormal-refund/": ({"type": "MERCHANT_BANK_CARD"}, 503),
    # Let through to the rules: no day, no trade bill, no note; and a day without a file.
    "bills/": ({}, 400),
    "bills/{flow}/reconcile/": ({}, 400),
    "discrepancies/{difference}/resolve/": ({}, 400),
    "bills/{empty}/download/": ({}, 404),
}
NAMES = ("order", "refund", "paid", "stuck", "bill", "empty", "flow", "difference")
PERMISSIONS = sorted({permission for *_, permission in ROUTES})


class NeverOnSundays(BasePermission):
    """A permission of a site's own."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class Everybody(AllowAny):
    """The other one."""


def _address(route: str) -> str:
    prepay = PrepayFactory(live=True)
    return f"{API}/" + route.format(
        order=prepay.order_id,
        notification=NotificationFactory().pk,
        refund=RefundFactory(out_refund_no="R1").pk,
        paid=OrderFactory(paid=True).pk,
        stuck=RefundFactory(refund_status="ABNORMAL").pk,
        bill=BillFactory().pk,
        empty=BillFactory(empty=True).pk,
        flow=BillFactory(kind="fundflow", account_type="BASIC").pk,
        difference=DiscrepancyFactory().pk,
    )


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_without_a_login_nothing_is_told_or_sent(
    gateway: ScriptedTransport,
    method: str,
    route: str,
    permission: str,
) -> None:
    answer = getattr(APIClient(), method)(_address(route), {}, format="json")
    assert answer.status_code in {401, 403}
    assert answer.json()["code"] == "not_authenticated"
    assert gateway.calls == []


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_all_other_permissions_together_do_not_suffice(
    as_holder: Callable[..., APIClient],
    gateway: ScriptedTransport,
    method: str,
    route: str,
    permission: str,
) -> None:
    others = [name for name in PERMISSIONS if name != permission]
    count = Order.objects.count()
    answer = getattr(as_holder(*others), method)(_address(route), NATIVE, format="json")
    assert answer.status_code == 403
    assert answer.json() == {
        "code": "permission_denied",
        "detail": f"This needs the permission django_wxpay.{permission}.",
    }
    assert gateway.calls == []
    assert Order.objects.filter(body="Tea").count() == count


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_the_named_permission_alone_suffices(
    as_holder: Callable[..., APIClient],
    gateway: ScriptedTransport,
    method: str,
    route: str,
    permission: str,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    gateway.answers["/pay/closeorder"] = {}
    address = _address(route)
    gateway.answers["/secapi/pay/refund"] = refunded
    gateway.answers["/pay/refundquery"] = refund_standing("R1")
    given = method == "post" or route.endswith("download/")
    data, status = POSTED[route] if given and route in POSTED else ({}, 200)
    answer = getattr(as_holder(permission), method)(address, data)
    assert answer.status_code == status


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_what_does_not_exist_is_403_before_it_is_404(
    as_holder: Callable[..., APIClient],
    method: str,
    route: str,
    permission: str,
) -> None:
    if "{" not in route:
        return
    missing = dict.fromkeys(NAMES, 10**30)
    address = f"{API}/" + route.format(notification=999_999, **missing)
    assert getattr(as_holder(), method)(address).status_code == 403
    found = getattr(as_holder(permission), method)(address)
    assert (found.status_code, found.json()["code"]) == (404, "not_found")


def test_a_method_that_is_not_answered_is_a_405(clerk: APIClient) -> None:
    order = OrderFactory()
    for method, route in [
        ("delete", "orders/"),
        ("put", f"orders/{order.pk}/"),
        ("get", f"orders/{order.pk}/query/"),
        ("post", f"orders/{order.pk}/"),
    ]:
        answer = getattr(clerk, method)(f"{API}/{route}")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert Order.objects.count() == 1


def test_options_and_head_ask_for_a_permission_too(as_holder: Callable[..., APIClient]) -> None:
    nobody, viewer = as_holder(), as_holder("view_order")
    assert nobody.options(f"{API}/orders/").status_code == 403
    assert nobody.head(f"{API}/orders/").status_code == 403
    assert viewer.options(f"{API}/orders/").status_code == 200
    assert viewer.head(f"{API}/orders/").status_code == 200


def test_a_sites_own_permission_classes_take_the_place_of_ours(
    as_holder: Callable[..., APIClient],
    settings: Any,
) -> None:
    here = "tests.api.test_access"
    settings.WXPAY = settings.WXPAY | {"API_PERMISSION_CLASSES": [f"{here}.NeverOnSundays"]}
    assert as_holder("view_order").get(f"{API}/orders/").status_code == 403
    settings.WXPAY = settings.WXPAY | {"API_PERMISSION_CLASSES": [f"{here}.Everybody"]}
    assert APIClient().get(f"{API}/orders/").status_code == 200


def test_djangos_own_model_permissions_fit_as_well(
    as_holder: Callable[..., APIClient],
    settings: Any,
) -> None:
    path = "rest_framework.permissions.DjangoModelPermissions"
    settings.WXPAY = settings.WXPAY | {"API_PERMISSION_CLASSES": [path]}
    assert as_holder().post(f"{API}/orders/", NATIVE).status_code == 403
    assert as_holder("add_order").get(f"{API}/orders/").status_code == 200


def test_a_session_that_posts_without_its_token_is_refused(gateway: ScriptedTransport) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(UserFactory(permissions=["add_order"]))
    answer = browser.post(f"{API}/orders/", NATIVE, content_type="application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    assert gateway.calls == []


def test_answers_are_not_for_any_cache(clerk: APIClient) -> None:
    assert "no-store" in clerk.get(f"{API}/orders/").headers["Cache-Control"]
