"""Notes on orders: kept with who and when, and never anything else."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import InvalidParameter
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.orders import notes
from django_wxpay.services.retention import prune
from django_wxpay.signals import order_closed, order_conflicted, order_paid, refund_settled
from tests.factories import OrderEventFactory, OrderFactory

pytestmark = pytest.mark.django_db


def test_a_note_is_part_of_the_history_and_changes_nothing() -> None:
    order = OrderFactory(paid=True)
    before = Order.objects.filter(pk=order.pk).values().get()
    note = services.add_note(order, note="  She has called. ", by="mei")
    assert (note.kind, note.note, note.detail) == ("NOTE", "She has called.", {"by": "mei"})
    assert (note.from_state, note.to_state) == ("SUCCESS", "SUCCESS")
    assert list(order.events.all()) == [note]
    assert Order.objects.filter(pk=order.pk).values().get() == before
    services.add_note(order, note="She has called.", by="mei")
    assert order.events.count() == 2


def test_a_note_whose_commit_was_not_answered_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(action: Any) -> None:
        action()
        action()

    monkeypatch.setattr(notes, "retry_on_lock", twice)
    note = services.add_note(OrderFactory(), note="x", by="mei")
    assert OrderEvent.objects.get() == note


def test_a_note_is_delivered_to_no_receiver() -> None:
    calls: list[Any] = []

    def receiver(**told: Any) -> None:
        calls.append(told)

    signals = (order_paid, order_closed, order_conflicted, refund_settled)
    for signal in signals:
        signal.connect(receiver)
    try:
        note = services.add_note(OrderFactory(paid=True), note="x", by="mei")
        assert services.dispatch_events() == 0
    finally:
        for signal in signals:
            signal.disconnect(receiver)
    note.refresh_from_db()
    assert calls == []
    assert note.dispatched_at == note.created_at
    assert note.dispatch_attempts == 0


@pytest.mark.parametrize("note", ["", " \n", "x" * 501])
def test_a_note_that_cannot_be_kept_is_refused(note: str) -> None:
    with pytest.raises(InvalidParameter, match="note"):
        services.add_note(OrderFactory(), note=note, by="mei")
    assert not OrderEvent.objects.exists()


def test_a_note_of_any_character_is_kept() -> None:
    note = services.add_note(OrderFactory(), note="茶 \0 \ud800 🍵" + "x" * 480, by="mei")
    note.refresh_from_db()
    assert note.note.startswith("茶 ")
    assert note.note.endswith("x" * 480)


def test_a_note_outlives_the_events_of_its_age(settings: Any) -> None:
    settings.WXPAY = {**getattr(settings, "WXPAY", {}), "RETENTION_DAYS": {"OrderEvent": 7}}
    old = OrderEventFactory()
    note = services.add_note(old.order, note="x", by="mei")
    OrderEvent.objects.filter(pk=note.pk).update(
        created_at=old.created_at, dispatched_at=old.created_at
    )
    prune()
    assert list(OrderEvent.objects.all()) == [note]
