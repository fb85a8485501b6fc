"""Cases that need a person: each is a state that stands until its cause ends, whatever its age.

They are read from events, refunds and orders as these are now, and stored nowhere, so that no
second truth can contradict them. Each kind is a range of an index with few rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import F, Q, QuerySet, Value

from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.models.choices import Attentions, EventKinds
from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.states import OPEN, PAID
from django_wxpay.services import clock
from django_wxpay.services.claims import SKEW
from django_wxpay.services.orders.notes import note_text
from django_wxpay.services.transactions import retry_on_lock
from django_wxpay.services.transitions.dispatch import heard_kinds

# The sweep comes round in seconds, and a pause in trouble only moves what is due.
OVERDUE: Final = timedelta(minutes=15)
# Longer than a placing takes, and than WeChat Pay needs to know the order.
OUTCOME_WITHIN: Final = timedelta(minutes=5)
TRY_ENDS_WITHIN: Final = timedelta(minutes=15)
# Nobody works through more of them in a list.
MOST: Final = 200
_AT_ONCE: Final = 1000
_PAID: Final = sorted(state.value for state in PAID)
_OUTCOMES: Final = [state.value for state in TradeState if state not in OPEN]
_RESOLVABLE: Final = frozenset({EventKinds.CONFLICTED, EventKinds.PAID_TWICE})


def open_conflicts() -> QuerySet[OrderEvent]:
    """Return the conflicts that nothing has settled: no person, and no outcome of the order.

    One that is stated of an order with an outcome, or of a refund, waits for a person.
    """
    conflicts = OrderEvent.objects.filter(kind=EventKinds.CONFLICTED, resolved_at__isnull=True)
    # By the order's state and not by later events, which are pruned.
    for outcomes in (_OUTCOMES, _PAID):
        before = ~Q(to_state__in=outcomes)
        conflicts = conflicts.exclude(before, order__trade_state__in=outcomes)
    return conflicts


def is_open(event: OrderEvent) -> bool:
    """Return whether ``event`` is a conflict, or an order paid twice, that waits for a person."""
    if event.resolved_at is not None:
        return False
    if event.kind == EventKinds.PAID_TWICE:
        return True
    return event.kind == EventKinds.CONFLICTED and open_conflicts().filter(pk=event.pk).exists()


def refused_events() -> QuerySet[OrderEvent]:
    """Return the events that a receiver has raised at, and that are not delivered yet."""
    waiting = OrderEvent.objects.filter(dispatched_at__isnull=True, kind__in=heard_kinds())
    return waiting.exclude(dispatch_error="")


def endless_events(now: datetime) -> QuerySet[OrderEvent]:
    """Return the events whose try has begun, and has neither ended nor failed."""
    return OrderEvent.objects.filter(
        Q(created_at__lte=now - TRY_ENDS_WITHIN) | Q(created_at__gt=now + SKEW),
        dispatched_at__isnull=True,
        # Those that nobody listens to wait for good, and may be most of the table.
        kind__in=heard_kinds(),
        dispatch_attempts__gt=0,
        dispatch_error="",
    )


def paid_twice() -> QuerySet[OrderEvent]:
    """Return the marks of orders that were paid beside another one of their reference."""
    return OrderEvent.objects.filter(kind=EventKinds.PAID_TWICE, resolved_at__isnull=True)


def stuck_refunds() -> QuerySet[Refund]:
    """Return the refunds that WeChat Pay could not pay back."""
    return Refund.objects.filter(refund_status=RefundStatus.ABNORMAL)


def overdue(rows: QuerySet[Any], now: datetime) -> QuerySet[Any]:
    """Return the orders, or refunds, that WeChat Pay should have been asked for by now."""
    return rows.filter(next_check_at__lte=now - OVERDUE)


def without_outcome(now: datetime) -> QuerySet[Order]:
    """Return the orders whose placing had no answer, and that WeChat Pay has not shown since."""
    return Order.objects.filter(
        trade_state=TradeState.CREATED,
        next_check_at__isnull=False,
        placed_at__lte=now - OUTCOME_WITHIN,
    )


def attention_of(orders: Iterable[Order]) -> dict[int, list[Attentions]]:
    """Return by key what needs a person of each order, the most urgent first.

    Empty for an order that needs nobody. One query for each thousand orders.
    """
    found: dict[int, list[Attentions]] = {order.pk: [] for order in orders}
    keys, now = list(found), clock.now()
    for start in range(0, len(keys), _AT_ONCE):
        # Each key is named once for each kind, and SQLite takes a quarter of a million names.
        rows = _pairs(Attentions, now, orders=keys[start : start + _AT_ONCE])
        pairs: list[tuple[int, str]] = retry_on_lock(partial(list, rows))
        for pk, kind in pairs:
            found[pk].append(Attentions(kind))
    by_urgency = list(Attentions).index
    return {pk: sorted(set(kinds), key=by_urgency) for pk, kinds in found.items()}


class Found(NamedTuple):
    """Keys of orders; ``is_cut`` where there may be more of them."""

    keys: list[int]
    is_cut: bool


def needing(kinds: Iterable[Attentions], *, most: int | None = None) -> Found:
    """Return up to ``most`` orders that need a person for one of ``kinds``; by default 200."""
    limit = MOST if most is None else most
    rows = _pairs(kinds, clock.now(), orders=None)[:limit]
    pairs: list[tuple[int, str]] = retry_on_lock(partial(list, rows))
    return Found(keys=sorted({pk for pk, _kind in pairs}), is_cut=len(pairs) >= limit)


def among(rows: QuerySet[Any], keys: Collection[int]) -> QuerySet[Any]:
    """Return those of ``rows`` that have these keys, which are few, however large the table is.

    A list is in the order of time, and PostgreSQL may walk its index from the newest row on to
    find them; so it is told between which moments they lie.
    """
    named = rows.model._default_manager.filter(pk__in=keys).order_by()  # noqa: SLF001
    moments = list(named.values_list("created_at", flat=True))
    if not moments:
        return rows.none()
    return rows.filter(pk__in=keys, created_at__range=(min(moments), max(moments)))


def count_needing() -> dict[Attentions, int]:
    """Return how many orders need a person for each reason, up to 200 of each."""
    now = clock.now()
    counts = {}
    for kind in Attentions:
        rows = _pairs([kind], now, orders=None)[:MOST]
        pairs: list[tuple[int, str]] = retry_on_lock(partial(list, rows))
        counts[kind] = len({pk for pk, _kind in pairs})
    return counts


def _pairs(kinds: Iterable[Attentions], now: datetime, orders: list[int] | None) -> Any:
    """Return a query of the pairs of an order's key and a kind."""
    parts = [
        _pair(kind, rows, column, orders) for kind in kinds for rows, column in _rows(kind, now)
    ]
    if len(parts) == 1:
        return parts[0]
    # In no order, said again: from Django 6.1 on a union has the order of its model.
    return parts[0].union(*parts[1:], all=True).order_by()


def _rows(kind: Attentions, now: datetime) -> list[tuple[QuerySet[Any], str]]:
    every: dict[Attentions, list[tuple[QuerySet[Any], str]]] = {
        Attentions.CONFLICT: [(open_conflicts(), "order_id")],
        Attentions.PAID_TWICE: [(paid_twice(), "order_id")],
        Attentions.REFUND_ABNORMAL: [(stuck_refunds(), "order_id")],
        Attentions.NOT_DELIVERED: [
            # Not those of notifications of other products: they are of no order.
            (refused_events().filter(order__isnull=False), "order_id"),
            (endless_events(now).filter(order__isnull=False), "order_id"),
        ],
        Attentions.OUTCOME_UNKNOWN: [(without_outcome(now), "pk")],
        Attentions.OVERDUE: [
            (overdue(Order.objects.all(), now), "pk"),
            (overdue(Refund.objects.all(), now), "order_id"),
        ],
    }
    return every[kind]


def _pair(kind: Attentions, rows: QuerySet[Any], column: str, orders: list[int] | None) -> Any:
    if orders is not None:
        rows = rows.filter(**{f"{column}__in": orders})
    named = rows.order_by().annotate(needs_order=F(column), needs=Value(kind.value))
    return named.values_list("needs_order", "needs")


def resolve_event(event: OrderEvent, *, note: str, by: str) -> OrderEvent:
    """Mark a conflict, or an order paid twice, as resolved by a person, and return it.

    ``note`` says what was found or done, ``by`` who resolves it. Database only; money and state
    stay as they are. Raises ``InvalidParameter`` without a note, for one of more than 500
    characters, and for an event that is resolved already or needs nobody.
    """
    rows = OrderEvent.objects.filter(pk=event.pk, kind__in=_RESOLVABLE, resolved_at__isnull=True)
    values = {"resolved_at": clock.now(), "resolved_by": by, "note": note_text(note)}
    resolved = retry_on_lock(partial(rows.update, **values))
    event.refresh_from_db()
    if not resolved:
        raise InvalidParameter(
            "event", _("needs nobody"), _("an open conflict or an order paid twice")
        )
    return event
