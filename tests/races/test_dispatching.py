"""Telling the shop: exactly once, whoever else is telling, whatever breaks on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services import dispatching, settling
from tests.races.conftest import Shop, new_order
from tests.races.running import Meeting, at_once
from tests.services.gateway import ScriptedGateway, payment_notice

pytestmark = pytest.mark.races


def pay(order: Order) -> bool:
    body = payment_notice(order.out_trade_no)
    return services.receive_notification("default", "payment", {}, body).accepted


@pytest.fixture
def crashed(order: Order, shop: Shop) -> OrderEvent:
    """An order that was settled by a process which died before it could tell the shop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "after_commit", lambda action: None)
        assert pay(order)
    assert shop.lines == []
    return OrderEvent.objects.get(kind="PAID")


def test_what_a_dead_process_left_over_is_told_exactly_once(
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    assert services.dispatch_events() == 1
    assert services.dispatch_events() == 0

    assert shop.lines == ["paid RACE000001"]
    crashed.refresh_from_db()
    assert (crashed.dispatched_at is not None, crashed.dispatch_attempts) == (True, 1)


def test_two_workers_who_both_found_it_left_over_tell_it_once(
    crashed: OrderEvent,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = Meeting(2)
    before = meeting.after(lambda: None)
    tell = dispatching._tell

    def tell_together(*args: Any) -> bool:
        before()
        return tell(*args)

    monkeypatch.setattr(dispatching, "_tell", tell_together)
    outcomes = at_once(services.dispatch_events, services.dispatch_events)

    assert (meeting.met, sorted(outcomes)) == (2, [0, 1])
    assert shop.lines == ["paid RACE000001"]


def test_a_delivery_of_old_news_and_a_worker_tell_it_once(
    order: Order,
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    outcomes = at_once(services.dispatch_events, lambda: pay(order))

    assert outcomes == [1, True]
    assert shop.lines == ["paid RACE000001"]


def test_the_notification_that_pays_and_five_workers_tell_it_once(
    order: Order,
    shop: Shop,
) -> None:
    def work() -> int:
        return sum(services.dispatch_events() for _ in range(5))

    outcomes = at_once(lambda: int(pay(order)), *[work] * 5)

    assert outcomes[0] == 1
    assert not [each for each in outcomes if isinstance(each, BaseException)]
    assert shop.lines == ["paid RACE000001"]
    event = OrderEvent.objects.get(kind="PAID")
    assert (event.dispatched_at is not None, event.dispatch_attempts) == (True, 1)


def test_many_left_over_events_are_shared_out_among_workers(
    gateway: ScriptedGateway,
    shop: Shop,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "after_commit", lambda action: None)
        numbers = [f"RACE20000{at}" for at in range(8)]
        assert all(pay(new_order(out_trade_no=number)) for number in numbers)
    outcomes = at_once(*[services.dispatch_events] * 3)

    assert sum(each for each in outcomes if isinstance(each, int)) == 8
    assert sorted(shop.lines) == [f"paid {number}" for number in numbers]


def test_the_work_of_a_receiver_that_raised_is_undone_and_done_once_later(
    order: Order,
    shop: Shop,
) -> None:
    shop.trouble = [ValueError("the printer is out of paper")]
    assert pay(order)
    order.refresh_from_db()
    assert (order.trade_state, shop.lines) == ("SUCCESS", [])
    event = OrderEvent.objects.get(kind="PAID")
    assert (event.dispatched_at, event.dispatch_attempts) == (None, 1)
    assert event.dispatch_error == "ValueError: the printer is out of paper"

    OrderEvent.objects.update(next_dispatch_at=None)
    outcomes = at_once(services.dispatch_events, services.dispatch_events)
    assert sorted(outcomes) == [0, 1]
    assert shop.lines == ["paid RACE000001"]
    event.refresh_from_db()
    assert (event.dispatch_attempts, event.dispatch_error) == (2, "")


def test_while_a_receiver_works_nobody_else_is_told_and_another_order_is_not_held_up(
    order: Order,
    shop: Shop,
) -> None:
    """On SQLite the other order waits its turn; it is told all the same."""
    other = new_order(out_trade_no="RACE000002")
    working, told = threading.Event(), []

    def work_slowly(sender: Any, order: Order, **kwargs: Any) -> None:
        told.append(order.out_trade_no)
        if order.out_trade_no == "RACE000001":
            working.set()
            threading.Event().wait(0.3)

    from django_wxpay.signals import order_paid

    order_paid.connect(work_slowly)
    try:
        outcomes = at_once(
            lambda: pay(order),
            lambda: working.wait(10) and services.dispatch_events(),
            lambda: working.wait(10) and pay(other),
        )
    finally:
        order_paid.disconnect(work_slowly)

    assert outcomes == [True, 0, True]
    assert sorted(told) == ["RACE000001", "RACE000002"]
    assert sorted(shop.lines) == ["paid RACE000001", "paid RACE000002"]
