"""One order, one scripted WeChat Pay, and as many threads as it takes.

The receiver here does what a shop does: it writes a row of its own. That row counts how
often a signal was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.signals import order_closed, order_conflicted, order_paid
from example_project.shop.models import Purchase
from tests.selling import HOST, granting_v2, mounted, new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID


@pytest.fixture(autouse=True)
def _committed(transactional_db: None) -> None:
    """Commit for real, for what is rolled back in the end no other connection sees."""


@pytest.fixture
def gateway(settings: Any) -> Iterator[ScriptedTransport]:
    entry = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry},
    }
    with mounted(granting_v2(), HOST) as scripted:
        yield scripted


@pytest.fixture
def order(gateway: ScriptedTransport) -> Order:
    """An order that waits for its customer."""
    order = new_order(out_trade_no="RACE000001")
    services.unified_order(order)
    order.refresh_from_db()
    return order


class Shop:
    """What the shop has written, each line by a receiver in its own transaction."""

    def __init__(self) -> None:
        self.trouble: list[Exception] = []

    def write(self, sender: Any, order: Order, event: Any, **kwargs: Any) -> None:
        Purchase.objects.create(tea=event.kind.lower(), title=order.out_trade_no, total_fee=1)
        if self.trouble:
            raise self.trouble.pop()

    @property
    def lines(self) -> list[str]:
        rows = Purchase.objects.order_by("id")
        return [f"{row.tea} {row.title}" for row in rows]


@pytest.fixture
def shop(gateway: ScriptedTransport) -> Iterator[Shop]:
    shop = Shop()
    signals = (order_paid, order_closed, order_conflicted)
    for signal in signals:
        signal.connect(shop.write)
    yield shop
    for signal in signals:
        signal.disconnect(shop.write)


@pytest.fixture
def raises() -> Callable[..., None]:
    """Fail the test if any outcome of ``at_once`` is an exception that was not expected."""

    def check(outcomes: list[Any]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise AssertionError("a thread raised") from outcome

    return check
