"""The keeper's day in the admin: asking, closing, replaying, telling again, with real clicks.

Once in an ordinary site, and once in one that wraps every request in a transaction, where
a call to WeChat Pay would otherwise be refused or hold the database.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from django_wxpay.models import Notification, OrderEvent
from django_wxpay.signals import order_paid
from tests.journeys.stage import Keeper, Stage, new_number, payment_notice


@pytest.fixture(params=[False, True], ids=["ordinary", "ATOMIC_REQUESTS"], autouse=True)
def _site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)


def test_asking_now_finds_a_payment_nobody_told_us_of(stage: Stage, keeper: Keeper) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("lost")
    stage.wechat.pay(order)
    page = keeper.presses("query", f"order/{order['id']}")

    assert "the order is now “Paid”" in page
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"
    assert OrderEvent.objects.get(kind="PAID").dispatched_at is not None


def test_closing_asks_first_and_then_closes_at_wechat_pay(stage: Stage, keeper: Keeper) -> None:
    order = stage.clerk.placed()
    path = f"django_wxpay/order/{order['id']}/close/"
    assert order["out_trade_no"] in keeper.reads(path)
    assert stage.wechat.calls("closeorder") == []

    assert "The order is now “Closed”" in keeper.sends(path, confirmed="yes")
    assert stage.wechat.trade(order["out_trade_no"])["trade_state"] == "CLOSED"
    assert stage.clerk.show(order)["trade_state"] == "CLOSED"


def test_trouble_at_wechat_pay_is_told_and_breaks_nothing(stage: Stage, keeper: Keeper) -> None:
    order = stage.clerk.placed()
    for fault in ("html", "systemerror", "bad_signature"):
        stage.wechat.inject(fault, operation="orderquery", times=2 if fault == "systemerror" else 1)
        page = keeper.presses("query", f"order/{order['id']}")
        assert 'class="error"' in page or 'class="warning"' in page, fault
    assert stage.clerk.show(order)["trade_state"] == "NOTPAY"


def test_many_orders_are_asked_for_at_once(stage: Stage, keeper: Keeper) -> None:
    orders = [stage.clerk.placed() for _ in range(3)]
    for order in orders[:2]:
        stage.wechat.inject("lost")
        stage.wechat.pay(order)

    chosen = [str(order["id"]) for order in orders]
    keeper.sends("django_wxpay/order/", action="query_now", _selected_action=chosen)

    states = [stage.clerk.show(order)["trade_state"] for order in orders]
    assert states == ["SUCCESS", "SUCCESS", "NOTPAY"]


def test_a_notification_is_replayed(stage: Stage, keeper: Keeper) -> None:
    number = new_number()
    stage.notify(payment_notice(number))
    notification = Notification.objects.get()
    keeper.presses("replay", f"notification/{notification.pk}")
    notification.refresh_from_db()
    assert notification.outcome == "FAILED"

    assert stage.clerk.place(out_trade_no=number).json()["err_code"] == "ORDERPAID"
    page = keeper.presses("replay", f"notification/{notification.pk}")
    assert "processed again: Applied" in page
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]


def test_a_shop_that_could_not_listen_is_told_again(stage: Stage, keeper: Keeper) -> None:
    heard: list[str] = []

    def pack(sender: Any, order: Any, **kwargs: Any) -> None:
        heard.append(order.out_trade_no)
        if len(heard) == 1:
            raise ValueError("the stock is gone")

    order_paid.connect(pack)
    try:
        order = stage.clerk.placed()
        stage.wechat.pay(order)
        event = OrderEvent.objects.get(kind="PAID")
        assert event.dispatched_at is None
        page = keeper.presses("tell", f"orderevent/{event.pk}")
    finally:
        order_paid.disconnect(pack)

    assert "delivered to your code" in page
    assert heard == [order["out_trade_no"]] * 2
    event.refresh_from_db()
    assert event.dispatched_at is not None


def test_the_whole_main_job_over_rest(stage: Stage) -> None:
    order = stage.clerk.placed()
    stage.wechat.phone(order["prepay"]["code_url"]).press_pay()
    stage.wechat.let_arrive()
    assert [row["accepted"] for row in stage.wechat.deliveries()] == [True]
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"

    other = stage.clerk.placed()
    assert stage.clerk.close(other).json()["trade_state"] == "CLOSED"
    stage.wechat.inject("http_502", operation="unifiedorder")
    number = new_number()
    failed = stage.clerk.place(out_trade_no=number)
    assert failed.status_code == 504
    # The row is kept although the request failed: nothing was wrapped around it.
    assert stage.clerk.find(number)["id"] == failed.json()["id"]
