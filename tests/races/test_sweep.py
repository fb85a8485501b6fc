"""The sweep beside everything else that moves an order: each is moved once, and paid wins."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import OrderPaid
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services import clock
from tests.races.conftest import Shop, new_order
from tests.races.running import at_once
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.races

QUERY, CLOSE = "/pay/orderquery", "/pay/closeorder"


def make_due(**columns: Any) -> None:
    Order.objects.update(next_check_at=clock.now() - timedelta(seconds=1), **columns)


def swept(outcomes: list[Any]) -> list[services.SyncRun]:
    return [each for each in outcomes if isinstance(each, services.SyncRun)]


def kinds() -> list[str]:
    return list(OrderEvent.objects.order_by("id").values_list("kind", flat=True))


@pytest.mark.parametrize("round_", range(3))
def test_a_notification_a_query_and_two_sweeps_pay_an_order_once(
    gateway: ScriptedTransport, order: Order, shop: Shop, raises: Any, round_: int
) -> None:
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    make_due()
    body = payment_notice(order.out_trade_no)
    outcomes = at_once(
        lambda: services.receive_notification("default", "payment", {}, body),
        lambda: services.query_order(Order.objects.get()),
        services.sync_orders,
        services.sync_orders,
    )
    raises(outcomes)
    order.refresh_from_db()
    assert (order.trade_state, order.next_check_at) == ("SUCCESS", None)
    assert kinds() == ["MOVED", "PAID"]
    assert shop.lines == [f"paid {order.out_trade_no}"]


def test_eight_sweeps_ask_for_each_of_forty_orders_once(
    gateway: ScriptedTransport, raises: Any
) -> None:
    gateway.answers[QUERY] = standing("NOTPAY")
    numbers = [new_order(out_trade_no=f"SWEEP{at:05d}").out_trade_no for at in range(40)]
    make_due(placed_at=clock.now() - timedelta(seconds=10))
    outcomes = at_once(*[services.sync_orders] * 8)
    raises(outcomes)
    assert sum(run.settled for run in swept(outcomes)) == 40
    assert sorted(sent["out_trade_no"] for _, sent in gateway.calls) == sorted(numbers)
    assert kinds() == ["MOVED"] * 40
    assert not Order.objects.filter(next_check_at__lte=clock.now()).exists()


@pytest.mark.parametrize("round_", range(3))
def test_an_order_that_is_paid_while_it_is_closed_is_paid(
    gateway: ScriptedTransport, order: Order, shop: Shop, raises: Any, round_: int
) -> None:
    body = payment_notice(order.out_trade_no)
    make_due(time_expire=clock.now() - timedelta(minutes=2))
    gateway.answers[QUERY] = standing("NOTPAY")
    asked, notified = threading.Event(), threading.Event()

    def paid_meanwhile(_sent: Any) -> Any:
        gateway.answers[QUERY] = standing("SUCCESS", **PAID)
        asked.set()
        notified.wait(20)
        return refused("ORDERPAID")

    def notify() -> Any:
        asked.wait(20)
        answer = services.receive_notification("default", "payment", {}, body)
        notified.set()
        return answer

    gateway.answers[CLOSE] = paid_meanwhile
    outcomes = at_once(services.sync_orders, notify, services.sync_orders)
    raises([each for each in outcomes if not isinstance(each, OrderPaid)])
    order.refresh_from_db()
    assert (order.trade_state, order.next_check_at) == ("SUCCESS", None)
    assert kinds() == ["MOVED", "PAID"]
    assert shop.lines == [f"paid {order.out_trade_no}"]
    assert sum(run.closed for run in swept(outcomes)) == 0


def test_a_contradiction_that_comes_while_an_order_is_asked_for_has_it_asked_for_again(
    gateway: ScriptedTransport, order: Order, raises: Any
) -> None:
    body = payment_notice(order.out_trade_no, total_fee=7)
    make_due()

    def contradicted(_sent: Any) -> Any:
        (answer,) = at_once(lambda: services.receive_notification("default", "payment", {}, body))
        raises([answer])
        return standing("NOTPAY")

    gateway.answers[QUERY] = contradicted
    assert services.sync_orders(limit=1) == services.SyncRun(found=1, settled=1)
    order.refresh_from_db()
    assert order.next_check_at is not None
    assert order.next_check_at <= clock.now(), "not put off to the next moment of the schedule"
