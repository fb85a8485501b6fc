"""Telling the shop: once, in one transaction with its own work, and again if it raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError

from django_wxpay import services
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.transitions import crew, dispatch
from django_wxpay.signals import order_paid
from tests.selling import pay
from tests.services.conftest import new_order
from tests.tables import atomic

pytestmark = pytest.mark.django_db


@pytest.fixture
def connected() -> Iterator[Callable[[Any], None]]:
    receivers: list[Any] = []

    def connect(receiver: Any) -> None:
        order_paid.connect(receiver)
        receivers.append(receiver)

    yield connect
    for receiver in receivers:
        order_paid.disconnect(receiver)


def test_a_receivers_work_and_the_mark_commit_together(
    order: Order,
    connected: Callable[[Any], None],
) -> None:
    def receiver(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
        assert sender is Order
        Group.objects.create(name=f"{order.out_trade_no} {event.kind}")

    connected(receiver)
    pay(order)

    assert Group.objects.get().name == f"{order.out_trade_no} PAID"
    event = OrderEvent.objects.get()
    assert event.dispatched_at is not None
    assert (event.dispatch_attempts, event.dispatch_error) == (1, "")
    assert services.dispatch_events() == 0
    assert Group.objects.count() == 1


def test_an_event_that_nobody_listens_to_waits_until_somebody_does(
    order: Order,
    connected: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that forgot to import the shop's receivers must not mark an order as told."""
    monkeypatch.setattr(order_paid, "receivers", [])
    order_paid.sender_receivers_cache.clear()
    pay(order)
    assert services.dispatch_events() == 0
    waiting = OrderEvent.objects.get()
    assert (waiting.dispatched_at, waiting.dispatch_attempts) == (None, 0)
    assert "PAID" not in dispatch.heard_kinds()

    told: list[str] = []

    def receiver(order: Order, **kwargs: Any) -> None:
        told.append(order.out_trade_no)

    connected(receiver)
    assert services.dispatch_events() == 1
    assert told == [order.out_trade_no]


def test_a_receiver_that_raises_undoes_its_work_keeps_the_payment_and_is_told_again(
    order: Order,
    connected: Callable[[Any], None],
) -> None:
    fail = [True]

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        Group.objects.create(name=order.out_trade_no)
        if fail[0]:
            raise RuntimeError("the shop's own trouble")

    connected(receiver)
    pay(order)

    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert Group.objects.count() == 0
    event = OrderEvent.objects.get()
    assert (event.dispatched_at, event.dispatch_attempts) == (None, 1)
    assert event.dispatch_error == "RuntimeError: the shop's own trouble"
    assert event.next_dispatch_at is not None
    assert event.next_dispatch_at > datetime.now(UTC) + timedelta(minutes=1)
    assert services.dispatch_events() == 0, "not before its pause is over"

    fail[0] = False
    OrderEvent.objects.update(next_dispatch_at=datetime.now(UTC))
    assert services.dispatch_events() == 1
    event.refresh_from_db()
    assert (event.dispatch_attempts, event.dispatch_error) == (2, "")
    assert event.dispatched_at is not None
    assert Group.objects.count() == 1


def test_pauses_grow_and_stop_growing(order: Order, connected: Callable[[Any], None]) -> None:
    connected(_raises)
    pay(order)
    OrderEvent.objects.update(dispatch_attempts=30, next_dispatch_at=None)
    assert services.dispatch_events() == 0

    event = OrderEvent.objects.get()
    assert event.next_dispatch_at is not None
    assert event.next_dispatch_at <= datetime.now(UTC) + timedelta(hours=6)


def test_an_event_somebody_else_told_is_not_told_again(
    order: Order,
    connected: Callable[[Any], None],
) -> None:
    received: list[int] = []

    def receiver(sender: Any, event: OrderEvent, **kwargs: Any) -> None:
        received.append(event.pk)

    connected(receiver)
    pay(order)
    stale = OrderEvent.objects.get()

    assert dispatch.dispatch_event(stale, order) is False
    assert received == [stale.pk]


def test_history_that_nobody_is_told_of_is_never_pending(order: Order) -> None:
    event = OrderEvent(kind="MOVED")

    assert dispatch.dispatch_event(event, order) is False


def test_leftovers_are_told_oldest_first_and_no_more_than_asked(
    connected: Callable[[Any], None],
) -> None:
    received: list[str] = []

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)

    numbers = []
    for number in range(3):
        order = new_order(out_trade_no=f"TEST00000{number}")
        pay(order)
        numbers.append(order.out_trade_no)
    OrderEvent.objects.update(dispatched_at=None)
    connected(receiver)

    assert services.dispatch_events(limit=2) == 2
    assert received == numbers[:2]
    assert services.dispatch_events() == 1


def left_over(count: int) -> list[str]:
    numbers = [f"TEST00000{number}" for number in range(count)]
    for number in numbers:
        pay(new_order(out_trade_no=number))
    OrderEvent.objects.update(dispatched_at=None, dispatch_attempts=0)
    return numbers


def test_stopped_it_finishes_the_event_in_hand_and_leaves_the_others_due(
    connected: Callable[[Any], None],
) -> None:
    received: list[str] = []
    numbers = left_over(3)

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)

    connected(receiver)
    assert services.dispatch_events(stop=lambda: bool(received)) == 1
    assert received == numbers[:1]
    assert services.dispatch_events() == 2, "nobody has to wait for a lease"
    assert received == numbers


def test_an_order_that_came_into_hand_meanwhile_has_its_turn_later(
    connected: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[str] = []
    numbers = left_over(2)

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)

    connected(receiver)
    busy = {Order.objects.get(out_trade_no=numbers[0]).pk}
    # Not yet when the events were looked up, and by the time of the first one's turn.
    in_hand = iter([set[int](), busy, busy])
    monkeypatch.setattr(crew.Crew, "places_in_hand", staticmethod(lambda: next(in_hand, busy)))
    assert services.dispatch_events() == 1
    assert received == numbers[1:]
    waiting = OrderEvent.objects.get(order__out_trade_no=numbers[0])
    assert (waiting.dispatched_at, waiting.dispatch_attempts) == (None, 0)


def test_what_another_worker_has_in_hand_is_left_to_it_until_its_lease_is_over(
    connected: Callable[[Any], None],
) -> None:
    received: list[str] = []
    numbers = left_over(2)

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)

    connected(receiver)
    assert dispatch._lease(OrderEvent.objects.get(order__out_trade_no=numbers[0]))
    batch = dispatch.dispatch_pending(limit=10)
    assert (batch.found, batch.done, received) == (1, 1, numbers[1:])

    OrderEvent.objects.update(next_dispatch_at=datetime.now(UTC))
    assert services.dispatch_events() == 1
    assert received == [*numbers[1:], numbers[0]]


def test_an_event_that_another_worker_takes_at_the_same_moment_is_not_told(
    connected: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left_over(1)
    connected(_raises)
    lease = dispatch._lease

    def too_late(event: OrderEvent) -> bool:
        assert lease(OrderEvent.objects.get(pk=event.pk))
        return lease(event)

    monkeypatch.setattr(dispatch, "_lease", too_late)
    batch = dispatch.dispatch_pending(limit=10)
    assert (batch.found, batch.done) == (1, 0)
    assert OrderEvent.objects.get().dispatch_attempts == 1, "counted once, by who has it"


def test_who_is_second_to_an_event_begins_in_the_middle_and_comes_back_for_the_rest(
    connected: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[str] = []
    numbers = left_over(5)

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)

    connected(receiver)
    lease, asked = dispatch._lease, list[int]()

    def too_late_once(event: OrderEvent) -> bool:
        asked.append(event.pk)
        if len(asked) == 1:
            assert lease(OrderEvent.objects.get(pk=event.pk))
        return lease(event)

    monkeypatch.setattr(dispatch, "_lease", too_late_once)
    batch = dispatch.dispatch_pending(limit=10)
    assert (batch.found, batch.done) == (5, 4)
    assert received == [*numbers[3:], *numbers[1:3]]
    assert len(asked) == 5, "each once"


def test_no_more_are_asked_for_than_the_limit_however_many_are_passed_over(
    connected: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left_over(6)
    connected(_raises)
    asked: list[int] = []

    def too_late(event: OrderEvent) -> bool:
        asked.append(event.pk)
        return False

    monkeypatch.setattr(dispatch, "_lease", too_late)
    batch = dispatch.dispatch_pending(limit=4)
    assert (batch.found, batch.done) == (4, 0)
    assert len(asked) == 4


def test_a_receiver_that_raises_does_not_keep_the_next_event_waiting(
    connected: Callable[[Any], None],
) -> None:
    received: list[str] = []
    numbers = left_over(3)

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.out_trade_no)
        if order.out_trade_no == numbers[0]:
            raise DatabaseError("the shop's own table is gone")

    connected(receiver)
    batch = dispatch.dispatch_pending(limit=10)
    assert (batch.found, batch.done, received) == (3, 2, numbers)
    assert services.dispatch_events() == 0
    failed = OrderEvent.objects.get(dispatched_at__isnull=True)
    assert failed.dispatch_error == "DatabaseError: the shop's own table is gone"


@pytest.mark.django_db(transaction=True)
def test_inside_the_callers_transaction_the_shop_is_told_after_its_commit(
    order: Order,
    connected: Callable[[Any], None],
) -> None:
    received: list[str] = []

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.trade_state)

    connected(receiver)
    with atomic():
        pay(order)
        assert received == []
    assert received == ["SUCCESS"]


def test_an_event_that_cannot_even_be_postponed_stays_pending(
    order: Order,
    connected: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected(_raises)
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "partial", _raises_database_error)
        pay(order)
    event = OrderEvent.objects.get()
    assert (event.dispatched_at, event.dispatch_error) == (None, "")
    assert event.next_dispatch_at == event.created_at + dispatch.FIRST_LEASE

    order_paid.disconnect(_raises)
    OrderEvent.objects.update(next_dispatch_at=datetime.now(UTC))
    assert services.dispatch_events() == 1


def _raises_database_error(*args: Any, **values: Any) -> None:
    raise DatabaseError("down")


def _raises(sender: Any, **kwargs: Any) -> None:
    raise RuntimeError("always")


@pytest.mark.parametrize(
    ("vendor", "options", "setting", "expected"),
    [
        ("postgresql", {}, 60, 60),
        ("sqlite", {}, 60, 15),
        ("sqlite", {"timeout": 20}, 60, 20),
        ("sqlite", {"timeout": 5}, 60, 15),
        ("sqlite", {"timeout": 120}, 60, 60),
        ("sqlite", {}, 2, 2),
    ],
)
def test_on_sqlite_a_receiver_keeps_others_from_writing_for_no_longer_than_they_wait(
    wxpay: dict[str, Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    vendor: str,
    options: dict[str, Any],
    setting: float,
    expected: float,
) -> None:
    settings.WXPAY = wxpay | {"RECEIVER_TIMEOUT_S": setting}
    here = SimpleNamespace(vendor=vendor, settings_dict={"OPTIONS": options})
    monkeypatch.setattr(crew, "connection", lambda: here)

    assert crew.longest_s() == expected
