"""Telling the shop's own code, exactly once where its work is in the database.

The signal is sent inside the transaction that marks the event as told. A receiver that
raises undoes both; the event is told again later, with growing pauses, and shows its error.

What is left over is leased, by a conditional update, before it is told: of any number of
workers one tells it, and the others neither wait for a slow receiver nor call it a second
time in the pause that its trouble has earned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.dispatch import Signal

from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.services import clock
from django_wxpay.services.claims import Batch
from django_wxpay.services.transactions import retry_on_lock
from django_wxpay.signals import order_closed, order_conflicted, order_paid, refund_settled

logger = logging.getLogger("django_wxpay.dispatch")

_SIGNALS: Final[dict[str, Signal]] = {
    EventKinds.PAID: order_paid,
    EventKinds.CLOSED: order_closed,
    EventKinds.CONFLICTED: order_conflicted,
    EventKinds.REFUND_SETTLED: refund_settled,
}
_LONGEST_PAUSE: Final = timedelta(hours=6)
# Longer than receivers take; after it, the event of a process that died is anybody's.
LEASE: Final = timedelta(minutes=5)


def dispatch_events(*, limit: int = 100, stop: Callable[[], bool] = lambda: False) -> int:
    """Tell the shop of what is left over, oldest first; return how many it took in.

    Ends early, between two events, when ``stop`` says so. Any number may run side by side.
    """
    return tell_left_over(limit=limit, stop=stop).done


def tell_left_over(*, limit: int, stop: Callable[[], bool] = lambda: False) -> Batch:
    """Do what ``dispatch_events`` does; say besides how many it found left over."""
    events = list(_due().select_related("order", "refund").order_by("id")[:limit])
    told = 0
    for event in events:
        if stop():
            break
        if retry_on_lock(partial(_lease, event)):
            told += dispatch_event(event, event.order)
    return Batch(found=len(events), done=told)


def _due() -> QuerySet[OrderEvent]:
    return OrderEvent.objects.filter(
        Q(next_dispatch_at__isnull=True) | Q(next_dispatch_at__lte=clock.now()),
        dispatched_at__isnull=True,
    )


def _lease(event: OrderEvent) -> bool:
    """Take the event from the other workers; False if one of them has it.

    MariaDB waits for every row that it looks at in order to write. So what somebody has is
    not written to, and the condition is one that no index helps with: it looks at this row.
    """
    now = clock.now()
    due_at = Coalesce("next_dispatch_at", Value(now))
    mine = OrderEvent.objects.filter(pk=event.pk, dispatched_at__isnull=True)
    due = mine.annotate(due_at=due_at).filter(due_at__lte=now)
    return due.exists() and bool(due.update(next_dispatch_at=now + LEASE))


def dispatch_event(event: OrderEvent, order: Order) -> bool:
    """Tell the shop of one event; return whether this call told it and no receiver raised."""
    signal = _SIGNALS.get(event.kind)
    if signal is None:
        return False
    try:
        return retry_on_lock(lambda: _tell(signal, event, order))
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
