"""A shop of one merchant against a scripted WeChat Pay: its orders, and what it is notified of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from requests.adapters import BaseAdapter

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.services import Acknowledgement, gateways
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import granted, payment_notice, scripted_v2
from tests.wechatpay.v3 import TRANSACTION_ID, signature

Adapter = TypeVar("Adapter", bound=BaseAdapter)

HOST: Final = "http://gateway.test"
V3_HOST: Final = "http://v3.test"


@contextmanager
def mounted(adapter: Adapter, host: str) -> Iterator[Adapter]:
    """Let ``adapter`` answer for ``host`` in the place of the network."""
    gateways.mount(host, adapter)
    try:
        yield adapter
    finally:
        gateways.unmount(host)


def granting_v2() -> ScriptedTransport:
    """Return a v2 gateway that accepts every order."""
    scripted = scripted_v2()
    scripted.answers["/pay/unifiedorder"] = granted
    return scripted


def new_order(**fields: Any) -> Order:
    return services.create_order(
        **{"trade_type": "NATIVE", "body": "Tea", "total_fee": 100, "product_id": "P1"} | fields,
    )


def sold_order(out_trade_no: str, transaction_id: str = TRANSACTION_ID) -> Order:
    """Return an order that was paid before the test began, so that no receiver hears of it."""
    order = new_order(out_trade_no=out_trade_no)
    Order.objects.filter(pk=order.pk).update(trade_state="SUCCESS", transaction_id=transaction_id)
    order.refresh_from_db()
    return order


def notify(body: bytes, kind: str = "payment", **signed: Any) -> Acknowledgement:
    """Deliver a notification, v2's or v3's, which stands signed for ``signed``."""
    headers = {} if body.lstrip().startswith(b"<") else signature(body, **signed)
    return services.receive_notification("default", kind, headers, body)


def pay(order: Order) -> bool:
    """Notify the shop that ``order`` is paid; return whether it took the notification."""
    body = payment_notice(order.out_trade_no, transaction_id=f"4200{order.pk:024d}")
    return notify(body).accepted
