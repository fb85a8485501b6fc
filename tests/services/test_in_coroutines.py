"""A service called in a coroutine, without a thread: refused before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from django_wxpay import services
from django_wxpay.models import ApiReport, Bill, Notification, Order, Refund
from django_wxpay.protocol.secrets import Secret
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.factories import BillFactory, RefundFactory
from tests.services.conftest import new_order
from tests.wechatpay.v2 import payment_notice

FIELDS: Final[dict[str, Any]] = {"body": "Tea", "total_fee": 100}
NATIVE: Final[dict[str, Any]] = FIELDS | {"trade_type": "NATIVE", "product_id": "tea"}
TILL: Final[dict[str, Any]] = FIELDS | {"auth_code": "134567890123456789"}
PICTURE: Final[dict[str, Any]] = {"filename": "a.png", "content": b"\x89PNG\r\n"}


class Rows:
    """What there is to call a service with."""

    def __init__(self) -> None:
        self.order: Order = services.unified_order(new_order()).order
        self.refund: Refund = RefundFactory(order=self.order)
        self.bill: Bill = BillFactory()


CALLS: Final[dict[str, Callable[[Rows], object]]] = {
    "apply_abnormal_refund": lambda rows: services.apply_abnormal_refund(
        rows.refund, type="MERCHANT_BANK_CARD"
    ),
    "call": lambda _: services.call("v3", "GET", "/v3/merchant-service/complaints-v2"),
    "call_v2": lambda _: services.call_v2("default", "/pay/orderquery", {"out_trade_no": "A1"}),
    "check_order": lambda rows: services.check_order(rows.order, every_s=1),
    "checkout": lambda _: services.checkout(**NATIVE),
    "close_order": lambda rows: services.close_order(rows.order),
    "complete_sale": lambda rows: services.complete_sale(services.Sale(rows.order, Secret("1"))),
    "create_refund": lambda rows: services.create_refund(rows.order, refund_fee=1),
    "download": lambda _: services.download("v3", "", hash_type=None, hash_value=None),
    "download_bill": lambda rows: services.download_bill(bill_date=rows.bill.bill_date),
    "encrypt_sensitive": lambda _: services.encrypt_sensitive("v3", "text"),
    "get_or_create_refund": lambda rows: services.get_or_create_refund(rows.order, refund_fee=1),
    "pay_by_code": lambda _: services.pay_by_code(**TILL),
    "query_order": lambda rows: services.query_order(rows.order),
    "query_refund": lambda rows: services.query_refund(rows.refund),
    "query_refunds": lambda rows: services.query_refunds(rows.order),
    "reconcile": lambda rows: services.reconcile(rows.bill),
    "report_sales": lambda _: services.report_sales("default", []),
    "retry_notifications": lambda _: services.retry_notifications(),
    "reverse_order": lambda rows: services.reverse_order(rows.order),
    "run_jobs": lambda _: services.run_jobs("sync"),
    "send_reports": lambda _: services.send_reports(),
    "sync_orders": lambda _: services.sync_orders(),
    "unified_order": lambda rows: services.unified_order(rows.order),
    "upload": lambda _: services.upload("v3", "/v3/merchant/media/upload", **PICTURE),
}
# They call nowhere, or not before a query of Django's has stopped them.
NO_CALL: Final = {
    "add_note",
    "attention_of",
    "bill_rows",
    "create_order",
    "decrypt_sensitive",
    "dispatch_events",
    "get_or_create_order",
    "open_sale",
    "payment_parameters",
    "payment_status",
    "qr_svg",
    "receive_notification",
    "record_sale",
    "replay_notification",
    "resolve_discrepancy",
    "resolve_event",
}


@pytest.fixture
def simulated(settings: Any) -> Iterator[SimulatedWXPay]:
    merchants = {"default": ACCOUNTS["v2", "mainland"], "v3": ACCOUNTS["v3", "mainland"]}
    settings.WXPAY = {"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": merchants}
    with simulated_wxpay() as wxpay:
        yield wxpay


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.django_db
def test_a_call_in_a_coroutine_is_refused_and_nothing_is_sent(
    simulated: SimulatedWXPay, name: str
) -> None:
    rows = Rows()
    sent, kept = len(simulated.requests()), ApiReport.objects.count()

    async def view() -> None:
        CALLS[name](rows)

    with pytest.raises(SynchronousOnlyOperation, match="use a thread or sync_to_async"):
        asyncio.run(view())
    assert len(simulated.requests()) == sent
    assert ApiReport.objects.count() == kept


@pytest.mark.django_db(transaction=True)
def test_djangos_own_switch_lets_it_pass(
    simulated: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

    async def notebook() -> services.Checkout:
        try:
            return services.checkout(**NATIVE)
        finally:
            # A coroutine has a connection of its own.
            connections.close_all()

    assert asyncio.run(notebook()).prepay.code_url
    assert len(simulated.requests("unifiedorder")) == 1


@pytest.mark.django_db
def test_a_notification_in_a_coroutine_is_not_taken_so_that_it_comes_again(order: Order) -> None:
    body = payment_notice(order.out_trade_no)

    async def view() -> services.Acknowledgement:
        return services.receive_notification("default", "payment", {}, body)

    answer = asyncio.run(view())
    assert not answer.accepted
    assert b"FAIL" in answer.body
    assert not Notification.objects.exists()
    order.refresh_from_db()
    assert not order.is_paid
    assert services.receive_notification("default", "payment", {}, body).accepted


def test_every_service_is_tried() -> None:
    functions = {name for name in services.__all__ if name.islower()}
    assert functions == CALLS.keys() | NO_CALL
