"""Telling the shop's own code, exactly once where its work is in the database.

The signal is sent inside the transaction that marks the event as told. A receiver that
raises undoes both; the event is told again later, with growing pauses, and shows its error.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.dispatch import Signal

from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.services import clock
from django_wxpay.services.transactions import patiently
from django_wxpay.signals import order_closed, order_conflicted, order_paid, refund_settled

logger = logging.getLogger("django_wxpay.dispatch")

_SIGNALS: Final[dict[str, Signal]] = {
    EventKinds.PAID: order_paid,
    EventKinds.CLOSED: order_closed,
    EventKinds.CONFLICTED: order_conflicted,
    EventKinds.REFUND_SETTLED: refund_settled,
}
_LONGEST_PAUSE: Final = timedelta(hours=6)


def dispatch_events(*, limit: int = 100) -> int:
    """Tell the shop of what is left over, oldest first; return how many it took in."""
    due = OrderEvent.objects.filter(
        Q(next_dispatch_at__isnull=True) | Q(next_dispatch_at__lte=clock.now()),
        dispatched_at__isnull=True,
    )
    events = due.select_related("order", "refund").order_by("id")[:limit]
    return sum(dispatch_event(event, event.order) for event in events)


def dispatch_event(event: OrderEvent, order: Order) -> bool:
    """Tell the shop of one event; return whether this call told it and no receiver raised."""
    signal = _SIGNALS.get(event.kind)
    if signal is None:
        return False
    try:
        return patiently(lambda: _tell(signal, event, order))
    except Exception as exc:  # noqa: BLE001 - a shop's receiver may raise anything; it is saved
        _postpone(event, exc)
        return False


def _tell(signal: Signal, event: OrderEvent, order: Order) -> bool:
    with transaction.atomic():
        if not _claim(event):
            return False
        more = {} if event.refund_id is None else {"refund": event.refund}
        signal.send(sender=Order, order=order, event=event, **more)
    return True


def _claim(event: OrderEvent) -> bool:
    now = clock.now()
    claimed = OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True).update(
        dispatched_at=now,
        dispatch_attempts=F("dispatch_attempts") + 1,
        dispatch_error="",
        next_dispatch_at=None,
    )
    event.dispatched_at = now
    return bool(claimed)


def _postpone(event: OrderEvent, exc: Exception) -> None:
    logger.error("a receiver of %s for event %s raised", event.kind, event.pk, exc_info=exc)
    attempts = event.dispatch_attempts + 1
    pause = min(timedelta(minutes=2 ** min(attempts, 10)), _LONGEST_PAUSE)
    event.dispatched_at = None
    try:
        OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True).update(
            dispatch_attempts=F("dispatch_attempts") + 1,
            dispatch_error=f"{type(exc).__name__}: {exc}"[:512],
            next_dispatch_at=clock.now() + pause,
        )
    except DatabaseError:
        # The event stays pending, so it is told with the left-over ones.
        logger.exception("event %s could not be postponed", event.pk)
