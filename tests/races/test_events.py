"""Dispatch of events: exactly once, whoever else dispatches, whatever breaks on the way."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.transitions import dispatch, orders
from django_wxpay.services.transitions.delivery import Delivery
from django_wxpay.signals import order_paid
from tests.races.conftest import Shop, new_order
from tests.races.dispatching import two_workers_find_it
from tests.races.running import Meeting, at_once
from tests.selling import pay
from tests.tables import connection
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races


@pytest.fixture
def crashed(order: Order, shop: Shop) -> OrderEvent:
    """An order that was settled by a process which died before it could dispatch its event."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        assert pay(order)
    assert shop.lines == []
    lease_is_over()
    return OrderEvent.objects.get(kind="PAID")


def lease_is_over() -> None:
    """Let time pass: the process that wrote an event had a minute to dispatch it."""
    OrderEvent.objects.update(next_dispatch_at=clock.now())


def test_what_a_dead_process_left_over_is_dispatched_exactly_once(
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    assert services.dispatch_events() == 1
    assert services.dispatch_events() == 0

    assert shop.lines == ["paid RACE000001"]
    crashed.refresh_from_db()
    assert crashed.dispatched_at is not None
    assert crashed.dispatch_attempts == 2, "the try that never ended counts"


def test_two_workers_who_both_found_it_left_over_dispatch_it_once(
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    meeting, outcomes = two_workers_find_it()

    assert (meeting.met, sorted(outcomes)) == (2, [0, 1])
    assert shop.lines == ["paid RACE000001"]


def test_a_worker_that_was_too_late_for_all_it_found_looks_again(
    gateway: ScriptedTransport, shop: Shop
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        for number in ("RACE000001", "RACE000002"):
            assert pay(new_order(out_trade_no=number))
    lease_is_over()
    first, queries = OrderEvent.objects.filter(kind="PAID").earliest("id"), []

    def take_it(execute: Any, *statement: Any) -> Any:
        result = execute(*statement)
        queries.append(statement[0])
        if len(queries) == len(dispatch.heard_kinds()):
            assert dispatch._lease(OrderEvent.objects.get(pk=first.pk))
        return result

    with connection.execute_wrapper(take_it):
        assert services.dispatch_events(limit=1) == 1
    assert shop.lines == ["paid RACE000002"]


@pytest.mark.parametrize("after", range(1, 4))
def test_an_event_that_another_worker_leases_between_two_looks_is_left_to_it(
    crashed: OrderEvent,
    shop: Shop,
    after: int,
) -> None:
    """Whatever number of queries a worker has made by then."""
    queries = []

    def lease_meanwhile(execute: Any, *statement: Any) -> Any:
        result = execute(*statement)
        queries.append(statement[0])
        if len(queries) == after:
            assert dispatch._lease(OrderEvent.objects.get(pk=crashed.pk))
        return result

    with connection.execute_wrapper(lease_meanwhile):
        assert services.dispatch_events() == 0

    assert len(queries) > after
    assert shop.lines == []
    crashed.refresh_from_db()
    assert (crashed.dispatched_at, crashed.dispatch_attempts) == (None, 2)


def test_a_worker_and_the_process_that_settled_it_dispatch_it_once(
    crashed: OrderEvent,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its lease ran out while it was still at work: the receiver runs twice, and is undone once."""
    meeting = Meeting(2)
    before = meeting.after(lambda: None)
    send = Delivery.__call__

    def send_together(delivery: Delivery) -> None:
        before()
        send(delivery)

    monkeypatch.setattr(Delivery, "__call__", send_together)
    outcomes = at_once(
        services.dispatch_events,
        lambda: int(dispatch._try(dispatch._delivery(crashed, crashed.order))),
    )

    assert (meeting.met, sorted(outcomes)) == (2, [0, 1])
    assert shop.lines == ["paid RACE000001"]


def test_of_two_workers_only_one_calls_a_receiver_that_raises_and_it_has_its_pause(
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    shop.trouble = [ValueError("once"), ValueError("twice")]
    meeting, outcomes = two_workers_find_it()

    assert (meeting.met, outcomes) == (2, [0, 0])
    assert [str(each) for each in shop.trouble] == ["once"], "the receiver was called once"
    assert shop.lines == []
    crashed.refresh_from_db()
    assert (crashed.dispatched_at, crashed.dispatch_attempts) == (None, 2)
    assert services.dispatch_events() == 0


def test_a_worker_who_comes_too_late_for_an_event_goes_on_with_the_next(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even on MariaDB, where a write that changes nothing waits for the row all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        for number in ("RACE000001", "RACE000002"):
            assert pay(new_order(out_trade_no=number))
    lease_is_over()
    is_slow, may_end, ends = threading.Event(), threading.Event(), list[str]()
    lease = dispatch._lease

    def lease_too_late(event: OrderEvent) -> bool:
        if threading.current_thread() is late[0]:
            assert is_slow.wait(10)
        return lease(event)

    def work_slowly(sender: Any, order: Order, **kwargs: Any) -> None:
        if order.out_trade_no == "RACE000001":
            is_slow.set()
            # SQLite has one writer, for whom the other one has to wait.
            may_end.wait(0.3 if connection.vendor == "sqlite" else 10)
        ends.append(order.out_trade_no)

    late: list[threading.Thread] = []

    def come_late() -> int:
        late.append(threading.current_thread())
        dispatched = services.dispatch_events()
        may_end.set()
        return dispatched

    monkeypatch.setattr(dispatch, "_lease", lease_too_late)
    order_paid.connect(work_slowly)
    try:
        outcomes = at_once(come_late, lambda: _once(late) and services.dispatch_events(limit=1))
    finally:
        order_paid.disconnect(work_slowly)

    assert outcomes == [1, 1]
    if connection.vendor != "sqlite":
        assert ends == ["RACE000002", "RACE000001"]
    assert sorted(ends) == ["RACE000001", "RACE000002"]


def _once(late: list[threading.Thread]) -> bool:
    """Give the late one time to look what there is, before anybody takes it."""
    deadline = time.monotonic() + 10
    while not late and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.1)
    return True


def test_a_repeated_delivery_and_a_worker_dispatch_it_once(
    order: Order,
    crashed: OrderEvent,
    shop: Shop,
) -> None:
    outcomes = at_once(services.dispatch_events, lambda: pay(order))

    assert outcomes == [1, True]
    assert shop.lines == ["paid RACE000001"]


def test_the_notification_that_pays_and_five_workers_dispatch_it_once(
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
    gateway: ScriptedTransport,
    shop: Shop,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        numbers = [f"RACE20000{at}" for at in range(8)]
        assert all(pay(new_order(out_trade_no=number)) for number in numbers)
    lease_is_over()
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


def test_while_a_receiver_works_nobody_else_is_called_and_another_order_is_not_held_up(
    order: Order,
    shop: Shop,
) -> None:
    """On SQLite the other order waits its turn; it is dispatched all the same."""
    other = new_order(out_trade_no="RACE000002")
    working, dispatched = threading.Event(), []

    def work_slowly(sender: Any, order: Order, **kwargs: Any) -> None:
        dispatched.append(order.out_trade_no)
        if order.out_trade_no == "RACE000001":
            working.set()
            threading.Event().wait(0.3)

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
    # Under SERIALIZABLE a try may be undone and made again; what it writes commits once.
    is_strict = os.environ.get("WXPAY_TEST_ISOLATION") == "strict"
    calls = set(dispatched) if is_strict else dispatched
    assert sorted(calls) == ["RACE000001", "RACE000002"]
    assert sorted(shop.lines) == ["paid RACE000001", "paid RACE000002"]
