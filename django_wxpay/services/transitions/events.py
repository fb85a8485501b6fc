"""The record of what a fact did, and its dispatch to the shop's own code, exactly once.

An ``OrderEvent`` is the outbox. Its signal is sent inside the transaction that marks it as
dispatched, so a receiver's database work and that mark commit together or not at all. An
event whose receiver raised is dispatched again after a growing pause, and shows the error.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError, IntegrityError
from django.db.models import F, Q
from django.dispatch import Signal

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.protocol.states import Conflict
from django_wxpay.services import clock
from django_wxpay.services.claims import Batch, backoff, claim
from django_wxpay.services.transactions import atomic, retry_on_lock
from django_wxpay.signals import order_closed, order_conflicted, order_paid, refund_settled

logger = logging.getLogger("django_wxpay.dispatch")

_SIGNALS: Final[dict[str, Signal]] = {
    EventKinds.PAID: order_paid,
    EventKinds.CLOSED: order_closed,
    EventKinds.CONFLICTED: order_conflicted,
    EventKinds.REFUND_SETTLED: refund_settled,
}
_FIRST_PAUSE: Final = timedelta(minutes=2)
_LONGEST_PAUSE: Final = timedelta(hours=6)
# Longer than receivers take; after it, the event of a process that died is free again.
LEASE: Final = timedelta(minutes=5)


def save_outcome(notification: Notification, order: Order, decision: object) -> None:
    """Save ``notification`` with what its fact did to ``order``."""
    notification.order = order
    notification.outcome, notification.reason = NotificationOutcomes.APPLIED, ""
    if isinstance(decision, Conflict):
        differences = (f"{name}: expected {a}, told {b}" for name, a, b in decision.differences)
        notification.outcome = NotificationOutcomes.CONFLICT
        notification.reason = "; ".join(differences)
    save_notification(notification)


def save_notification(notification: Notification) -> None:
    """Save a new notification whole, of a known one the outcome alone.

    Raises ``IntegrityError`` for a new one whose fingerprint another delivery saved first.
    """
    if not notification.pk:
        notification.save(force_insert=True)
        return
    # Not the counters: another delivery or a worker may be counting at this moment.
    columns = ["order", "outcome", "reason"]
    if notification.is_decided:
        notification.next_retry_at = None
        columns.append("next_retry_at")
    notification.save(update_fields=columns)


def save_conflict(
    order: Order,
    conflict: Conflict,
    *,
    source: str,
    notification: Notification | None,
    out_refund_no: str = "",
) -> OrderEvent | None:
    """Save a contradiction once, however often it is stated; return its event if it is new.

    ``out_refund_no`` is the refund that it is about, if any: the same said of two is two.
    """
    about = {"out_refund_no": out_refund_no} if out_refund_no else {}
    key = hashlib.sha256(json.dumps([conflict.differences, about]).encode()).hexdigest()
    event = OrderEvent(
        order=order,
        conflict_key=key,
        kind=EventKinds.CONFLICTED,
        from_state=order.trade_state,
        to_state=order.trade_state,
        source=source,
        detail=about | {"differences": [list(row) for row in conflict.differences]},
        notification=notification,
        created_at=clock.now(),
    )
    try:
        # Inserted without a look first: in MySQL's REPEATABLE READ a look may miss the event that
        # another transaction has saved, before and after this one fails.
        with atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return None
    return event


def dispatch_events(*, limit: int = 100, stop: Callable[[], bool] = lambda: False) -> int:
    """Dispatch pending events, oldest first; return how many were dispatched.

    Ends early, between two events, when ``stop`` says so. Any number may run side by side.
    """
    return dispatch_pending(limit=limit, stop=stop).done


def dispatch_pending(*, limit: int, stop: Callable[[], bool] = lambda: False) -> Batch:
    """Do what ``dispatch_events`` does; return besides how many it found pending."""
    due = Q(next_dispatch_at__isnull=True) | Q(next_dispatch_at__lte=clock.now())
    pending = OrderEvent.objects.filter(due, dispatched_at__isnull=True, kind__in=heard_kinds())
    events = list(pending.select_related("order", "refund").order_by("id")[:limit])
    dispatched = 0
    for event in events:
        if stop():
            break
        # Leased first, so that the other workers neither wait for a slow receiver nor call it a
        # second time within the pause after it raised.
        if retry_on_lock(partial(_lease, event)):
            dispatched += dispatch_event(event, event.order)
    return Batch(found=len(events), done=dispatched)


def _lease(event: OrderEvent) -> bool:
    pending = OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True)
    return bool(claim(pending, "next_dispatch_at", clock.now() + LEASE))


def heard_kinds() -> list[str]:
    """Return the kinds of events that have a receiver in this process.

    An event of another kind stays pending, and is dispatched once there is one: a process that
    forgot to import the shop's receivers must not mark a paid order as told.
    """
    return [kind for kind, signal in _SIGNALS.items() if signal.has_listeners(Order)]


def dispatch_event(event: OrderEvent, order: Order) -> bool:
    """Send the signal of one event; return whether this call sent it and no receiver raised."""
    if event.kind not in heard_kinds():
        return False
    signal = _SIGNALS[event.kind]
    try:
        return retry_on_lock(lambda: _send(signal, event, order))
    except Exception as exc:  # noqa: BLE001 - a shop's receiver may raise anything; it is saved
        _postpone(event, exc)
        return False


def _send(signal: Signal, event: OrderEvent, order: Order) -> bool:
    with atomic():
        # Marked before it is sent: the row is locked, so of two who send it one sees the mark.
        if not _mark_dispatched(event):
            return False
        more = {} if event.refund_id is None else {"refund": event.refund}
        signal.send(sender=Order, order=order, event=event, **more)
    return True


def _mark_dispatched(event: OrderEvent) -> bool:
    now = clock.now()
    marked = OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True).update(
        dispatched_at=now,
        dispatch_attempts=F("dispatch_attempts") + 1,
        dispatch_error="",
        next_dispatch_at=None,
    )
    event.dispatched_at = now
    return bool(marked)


def _postpone(event: OrderEvent, exc: Exception) -> None:
    logger.error("a receiver of %s for event %s raised", event.kind, event.pk, exc_info=exc)
    event.dispatched_at = None
    pause = backoff(event.dispatch_attempts, _FIRST_PAUSE, _LONGEST_PAUSE)
    try:
        OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True).update(
            dispatch_attempts=F("dispatch_attempts") + 1,
            dispatch_error=f"{type(exc).__name__}: {exc}",
            next_dispatch_at=clock.now() + pause,
        )
    except DatabaseError:
        # The event stays pending, and its lease ends.
        logger.exception("event %s could not be postponed", event.pk)
