"""Events of other products: handed to the receiver once, whoever delivers or replays them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.notifications import receiving
from django_wxpay.services.transitions import events
from django_wxpay.signals import notification_received
from example_project.shop.models import Purchase
from tests.races.dispatching import two_workers_find_it
from tests.races.running import Meeting, at_once
from tests.services.notifications.test_other_products import contract

pytestmark = [pytest.mark.races, pytest.mark.usefixtures("gateway")]


class Listener:
    """A receiver that writes a row in its own transaction, and raises what it has in store."""

    def __init__(self) -> None:
        self.trouble: list[Exception] = []

    def __call__(self, event_type: str, **more: Any) -> None:
        Purchase.objects.create(tea="received", title=event_type, total_fee=1)
        if self.trouble:
            raise self.trouble.pop()

    @property
    def lines(self) -> list[str]:
        return [row.title for row in Purchase.objects.filter(tea="received")]


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    notification_received.connect(one)
    yield one
    notification_received.disconnect(one)


def notify() -> bool:
    return services.receive_notification("default", "payment", {}, contract()).accepted


@pytest.fixture
def crashed(listener: Listener) -> OrderEvent:
    """The event of a process that died before it could deliver it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "after_commit", lambda action: None)
        assert notify()
    assert listener.lines == []
    OrderEvent.objects.update(next_dispatch_at=clock.now())
    return OrderEvent.objects.get()


def test_five_deliveries_at_once_are_one_event(
    listener: Listener, raises: Callable[..., None]
) -> None:
    outcomes = at_once(*[notify] * 5)
    raises(outcomes)
    assert outcomes == [True] * 5
    assert listener.lines == ["CONTRACT.ADD"]
    row = Notification.objects.get()
    assert (row.outcome, row.attempts) == ("APPLIED", 5)
    assert OrderEvent.objects.get().dispatch_attempts == 1


def test_two_workers_who_both_found_it_deliver_it_once(
    crashed: OrderEvent, listener: Listener
) -> None:
    meeting, outcomes = two_workers_find_it()
    assert (meeting.met, sorted(outcomes)) == (2, [0, 1])
    assert listener.lines == ["CONTRACT.ADD"]


def test_a_worker_a_repeated_delivery_and_a_replay_deliver_it_once(
    crashed: OrderEvent, listener: Listener, raises: Callable[..., None]
) -> None:
    row = Notification.objects.get()
    outcomes = at_once(
        services.dispatch_events,
        notify,
        lambda: services.replay_notification(row).accepted,
    )
    raises(outcomes)
    assert outcomes == [1, True, True]
    assert listener.lines == ["CONTRACT.ADD"]


def test_replays_at_once_of_one_that_failed_hand_it_over_once(
    crashed: OrderEvent, listener: Listener, raises: Callable[..., None]
) -> None:
    OrderEvent.objects.all().delete()
    Notification.objects.update(outcome="FAILED", reason_code="UNREADABLE")
    rows = [Notification.objects.get() for _ in range(4)]
    meeting = Meeting(4)
    read = meeting.after(receiving.read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiving, "read", read)
        outcomes = at_once(
            *[lambda row=row: services.replay_notification(row).accepted for row in rows]
        )
    raises(outcomes)
    assert (meeting.met, outcomes) == (4, [True] * 4)
    assert listener.lines == ["CONTRACT.ADD"]
    assert OrderEvent.objects.count() == 1


def test_the_work_of_a_receiver_that_raised_is_undone_and_done_once_later(
    listener: Listener,
) -> None:
    listener.trouble = [ValueError("the printer is out of paper")]
    assert notify()
    assert listener.lines == []
    OrderEvent.objects.update(next_dispatch_at=None)
    assert sorted(at_once(services.dispatch_events, services.dispatch_events)) == [0, 1]
    assert listener.lines == ["CONTRACT.ADD"]
