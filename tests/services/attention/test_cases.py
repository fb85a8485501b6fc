"""What of an order needs a person: each case stands until its cause ends, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from django_wxpay import services
from django_wxpay.exceptions import InvalidParameter
from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import Attentions
from django_wxpay.services import clock
from django_wxpay.services.attention import cases
from django_wxpay.services.attention.cases import (
    attention_of,
    is_open,
    needing,
    resolve_event,
)
from tests.factories import OrderEventFactory, OrderFactory, RefundFactory
from tests.tables import connection

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture(autouse=True)
def _receivers() -> Any:
    from django_wxpay.signals import order_paid

    def receiver(**_: Any) -> None:
        """Be there."""

    order_paid.connect(receiver)
    yield
    order_paid.disconnect(receiver)


def needs(order: Order) -> list[Attentions]:
    return attention_of([order])[order.pk]


def test_an_order_that_is_well_needs_nobody() -> None:
    for order in (OrderFactory(), OrderFactory(paid=True)):
        OrderEventFactory(order=order)
        assert needs(order) == []
    assert attention_of([]) == {}
    assert needing(Attentions).keys == []


def test_each_case_is_found_whatever_its_age() -> None:
    conflict = OrderEventFactory(conflict=True, created_at=NOW - YEAR).order
    refused = OrderEventFactory(untold=True, created_at=NOW - YEAR, order__paid=True).order
    endless = OrderEventFactory(
        untold=True, dispatch_error="", created_at=NOW - YEAR, order__paid=True
    ).order
    stuck = RefundFactory(refund_status="ABNORMAL").order
    unknown = OrderFactory(
        trade_state="CREATED",
        placed_at=NOW - timedelta(minutes=6),
        next_check_at=NOW + timedelta(minutes=1),
    )
    late = OrderFactory(next_check_at=NOW - timedelta(minutes=16))
    late_refund = RefundFactory(next_check_at=NOW - timedelta(minutes=16)).order
    expected = {
        conflict.pk: [Attentions.CONFLICT],
        refused.pk: [Attentions.NOT_DELIVERED],
        endless.pk: [Attentions.NOT_DELIVERED],
        stuck.pk: [Attentions.REFUND_ABNORMAL],
        unknown.pk: [Attentions.OUTCOME_UNKNOWN],
        late.pk: [Attentions.OVERDUE],
        late_refund.pk: [Attentions.OVERDUE],
    }
    with CaptureQueriesContext(connection) as queries:
        assert attention_of(Order.objects.filter(pk__in=expected)) == expected
    # The orders, and the cases of all of them.
    assert len(queries) == 2
    assert needing(Attentions).keys == sorted(expected)
    assert needing([Attentions.OVERDUE]).keys == sorted([late.pk, late_refund.pk])


def test_any_number_of_orders_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "_AT_ONCE", 2)
    conflicts = [OrderEventFactory(conflict=True).order for _ in range(5)]
    quiet = OrderFactory()
    found = attention_of([*conflicts, quiet])
    assert found == {order.pk: [Attentions.CONFLICT] for order in conflicts} | {quiet.pk: []}


def test_what_has_only_begun_needs_nobody_yet() -> None:
    OrderFactory(trade_state="CREATED", placed_at=NOW, next_check_at=NOW)
    OrderFactory(next_check_at=NOW - timedelta(minutes=14))
    OrderEventFactory(untold=True, dispatch_error="", created_at=NOW - timedelta(minutes=1))
    OrderFactory(trade_state="CREATED", placed_at=NOW - YEAR, next_check_at=None)
    assert needing(Attentions).keys == []


def test_of_several_the_most_urgent_comes_first_and_each_once() -> None:
    order = OrderFactory(paid=True)
    for _ in range(2):
        OrderEventFactory(order=order, untold=True)
        OrderEventFactory(order=order, conflict=True, to_state="SUCCESS")
    assert needs(order) == [Attentions.CONFLICT, Attentions.NOT_DELIVERED]


@pytest.mark.parametrize(
    ("stated_at", "state", "is_settled"),
    [
        ("NOTPAY", "NOTPAY", False),
        ("NOTPAY", "USERPAYING", False),
        ("CREATED", "NOTPAY", False),
        ("NOTPAY", "SUCCESS", True),
        ("NOTPAY", "CLOSED", True),
        ("CLOSED", "CLOSED", False),
        ("CLOSED", "SUCCESS", True),
        ("SUCCESS", "SUCCESS", False),
        ("SUCCESS", "REFUND", False),
    ],
)
def test_a_conflict_is_settled_by_an_outcome_of_its_order(
    stated_at: str, state: str, is_settled: bool
) -> None:
    event = OrderEventFactory(
        conflict=True, from_state=stated_at, to_state=stated_at, order__trade_state=state
    )
    assert (needs(event.order) == []) is is_settled
    assert is_open(event) is not is_settled


def test_a_person_resolves_it_with_a_note_once() -> None:
    event = OrderEventFactory(conflict=True)
    resolved = services.resolve_event(event, note=" Counted by hand. ", by="mei")
    assert resolved is event
    assert (event.note, event.resolved_by, event.resolved_at) == ("Counted by hand.", "mei", NOW)
    assert needs(event.order) == []
    with pytest.raises(InvalidParameter, match="needs nobody"):
        resolve_event(event, note="again", by="wei")
    assert OrderEvent.objects.get().note == "Counted by hand."


@pytest.mark.parametrize("note", ["", "  \n", "x" * 501])
def test_a_note_is_needed_and_has_an_end(note: str) -> None:
    event = OrderEventFactory(conflict=True)
    with pytest.raises(InvalidParameter, match="note"):
        resolve_event(event, note=note, by="mei")
    assert needs(event.order) == [Attentions.CONFLICT]


def test_a_payment_is_nothing_to_resolve() -> None:
    with pytest.raises(InvalidParameter, match="needs nobody"):
        resolve_event(OrderEventFactory(), note="x", by="mei")
    assert not is_open(OrderEventFactory())
