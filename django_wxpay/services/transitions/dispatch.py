"""Dispatch of events to the shop's own code: what it writes commits once, whatever breaks.

A try is counted when it is leased, before the receiver runs, so that one which never ends shows.
The receiver runs in a transaction whose last statement marks the event as dispatched: its own
database work and that mark commit together or not at all, and no lock of ours is held meanwhile.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import F, Q
from django.dispatch import Signal

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.models.sentences import error_text, in_english, no_end
from django_wxpay.services import clock
from django_wxpay.services.claims import (
    Batch,
    backoff,
    is_free,
    second_half,
)
from django_wxpay.services.statements import Slot, Update
from django_wxpay.services.transactions import retry_on_lock
from django_wxpay.services.transitions.crew import Crew, place_of
from django_wxpay.services.transitions.delivery import DeliveredAlready, Delivery
from django_wxpay.signals import (
    notification_received,
    order_closed,
    order_conflicted,
    order_paid,
    refund_settled,
)

logger = logging.getLogger("django_wxpay.dispatch")

SIGNALS: Final[dict[str, Signal]] = {
    EventKinds.PAID: order_paid,
    EventKinds.CLOSED: order_closed,
    EventKinds.CONFLICTED: order_conflicted,
    EventKinds.REFUND_SETTLED: refund_settled,
    EventKinds.RECEIVED: notification_received,
}
# The lease of an event that is dispatched by the process that wrote it, at once.
FIRST_LEASE: Final = timedelta(minutes=1)
# Longer than RECEIVER_TIMEOUT_S may be: a slow receiver has ended before it is called again.
LEASE: Final = timedelta(minutes=5)
_FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(hours=6)


def first_marks(kind: str) -> dict[str, Any]:
    """Return the columns of dispatch for a new event of ``kind``.

    One that has a receiver here is born leased, with its first try counted: ``dispatch_new``
    needs no query of its own for that, and if this process dies a worker takes over soon.
    """
    now = clock.now()
    if kind not in SIGNALS:
        # A mere move is history: no signal is sent for it, so nothing stays pending.
        return {"created_at": now, "dispatched_at": now}
    if not _is_heard(kind):
        return {"created_at": now}
    return {"created_at": now, "dispatch_attempts": 1, "next_dispatch_at": now + FIRST_LEASE}


def heard_kinds() -> list[str]:
    """Return the kinds of events that have a receiver in this process.

    An event of another kind stays pending, and is dispatched once there is one: a process that
    forgot to import the shop's receivers must not mark a paid order's event as delivered.
    """
    return [kind for kind in SIGNALS if _is_heard(kind)]


def _is_heard(kind: str) -> bool:
    sender = Notification if kind == EventKinds.RECEIVED else Order
    return kind in SIGNALS and SIGNALS[kind].has_listeners(sender)


def kinds_without_receiver() -> list[str]:
    """Return the kinds of events that wait until a receiver is connected in this process."""
    return [kind for kind in SIGNALS if kind not in heard_kinds()]


def is_due(now: datetime) -> Q:
    """Return the condition that an event may be tried now, as far as its lease goes."""
    return is_free("next_dispatch_at", longest=LONGEST_PAUSE, now=now)


def began_at(event: OrderEvent) -> datetime | None:
    """Return when a try began whose end was never seen: it goes on, hangs, or was killed."""
    if event.dispatched_at or event.dispatch_error or not event.dispatch_attempts:
        return None
    if event.next_dispatch_at in {None, event.created_at + FIRST_LEASE}:
        return event.created_at
    return event.next_dispatch_at - _lease_length(event.dispatch_attempts)


def dispatch_events(*, limit: int = 100, stop: Callable[[], bool] = lambda: False) -> int:
    """Dispatch pending events, oldest first; return how many were dispatched.

    Ends early, between two events, when ``stop`` says so. Any number may run side by side.
    A receiver that takes longer than ``RECEIVER_TIMEOUT_S`` is not waited for any more.
    """
    return dispatch_pending(limit=limit, stop=stop).done


def dispatch_pending(*, limit: int, stop: Callable[[], bool] = lambda: False) -> Batch:
    """Do what ``dispatch_events`` does; return besides how many it found pending."""
    found, passed_over = 0, limit
    with Crew(on_overdue=_save_overdue) as crew:
        while passed_over and found < limit:
            events, taken = _pending(crew, limit - found)
            left = _dispatch_each(events, crew, stop)
            found += len(events) - left
            # Where another worker was faster, there may be more: look again.
            passed_over = left + taken
    return Batch(found=found, done=crew.delivered)


def _pending(crew: Crew, most: int) -> tuple[list[OrderEvent], int]:
    """Return the events to dispatch, and how many another worker took while they were read."""
    due = OrderEvent.objects.filter(is_due(clock.now()), dispatched_at__isnull=True)
    # Not by the key itself: PostgreSQL would walk along all keys for it. It takes the mark and
    # the kind for independent, and kinds without a receiver wait for good.
    places = crew.places_in_hand()
    free = due.exclude(order_id__in={each for each in places if each > 0})
    free = free.exclude(id__in={-each for each in places if each < 0}).order_by(F("id") + 0)
    oldest = free.values_list("id", flat=True)
    # A query for each kind, which is one range of an index.
    keys = sorted(key for kind in heard_kinds() for key in oldest.filter(kind=kind)[:most])[:most]
    if not keys:
        return [], 0
    # Due still: another worker may have leased one since, and what is read here is leased as seen.
    rows = due.filter(id__in=keys).select_related("order", "refund")
    events = list(rows.order_by("id"))
    return events, len(keys) - len(events)


def _dispatch_each(events: list[OrderEvent], crew: Crew, stop: Callable[[], bool]) -> int:
    """Dispatch ``events`` in turn; return how many were passed over, and left to another worker."""
    left = deque(events)
    passed_over = 0
    while left and not stop():
        event = left.popleft()
        # One at a time of each order, so that what happened later is not told first.
        if place_of(event) in crew.places_in_hand():
            continue
        crew.make_room()
        # Leased first, so that the other workers neither wait for a slow receiver nor call it
        # a second time within the pause after it raised.
        if retry_on_lock(partial(_lease, event)):
            crew.deliver(_delivery(event, event.order), _try)
        else:
            # Another worker is in the same place of the same list, and would be there next time.
            passed_over += len(left)
            left = second_half(left, key=place_of)
            passed_over -= len(left)
    return passed_over


def dispatch_new(event: OrderEvent, order: Order | None) -> bool:
    """Send the signal of an event that this process has just saved with ``first_marks``.

    Returns whether it was sent and no receiver raised.
    """
    if not _is_heard(event.kind):
        return False
    # The transaction that saved it may have been open for longer than its lease.
    is_leased = event.next_dispatch_at is not None and event.next_dispatch_at > clock.now()
    return dispatch_event(event, order) if not is_leased else _try(_delivery(event, order))


def dispatch_event(event: OrderEvent, order: Order | None) -> bool:
    """Send the signal of one event whatever its pause; return whether no receiver raised.

    Refused while another try goes on that began less than ``LEASE`` ago.
    """
    began = began_at(event)
    is_in_hand = began is not None and began > clock.now() - LEASE
    if not _is_heard(event.kind) or (is_in_hand and not _is_over(event)):
        return False
    if not retry_on_lock(partial(_lease, event)):
        return False
    return _try(_delivery(event, order))


def _is_over(event: OrderEvent) -> bool:
    return event.next_dispatch_at is None or event.next_dispatch_at <= clock.now()


def _lease(event: OrderEvent) -> bool:
    tries = event.dispatch_attempts + 1
    until, seen = clock.now() + _lease_length(tries), event.next_dispatch_at
    take = _TAKE_NEVER_LEASED if seen is None else _TAKE_AS_SEEN
    taken = take.run(
        id=event.pk,
        seen_attempts=event.dispatch_attempts,
        seen_lease=seen,
        dispatch_attempts=tries,
        next_dispatch_at=until,
    )
    if not taken:
        return False
    event.dispatch_attempts, event.next_dispatch_at, event.dispatch_error = tries, until, ""
    return True


_UNTRIED_SINCE: Final = OrderEvent.objects.filter(
    pk=Slot(OrderEvent, "id"),
    dispatched_at__isnull=True,
    dispatch_attempts=Slot(OrderEvent, "dispatch_attempts", "seen_attempts"),
)
_TAKEN: Final[dict[str, Any]] = {
    "dispatch_attempts": Slot(OrderEvent, "dispatch_attempts"),
    "next_dispatch_at": Slot(OrderEvent, "next_dispatch_at"),
    # That of the try before goes, so that what stands there is always of the latest one.
    "dispatch_error": "",
}
_TAKE_NEVER_LEASED: Final = Update(
    _UNTRIED_SINCE.filter(next_dispatch_at__isnull=True),
    **_TAKEN,
)
_TAKE_AS_SEEN: Final = Update(
    _UNTRIED_SINCE.filter(next_dispatch_at=Slot(OrderEvent, "next_dispatch_at", "seen_lease")),
    **_TAKEN,
)


def _lease_length(tries: int) -> timedelta:
    # As long as the pause would be, so that an event which kills its process every time, or hangs,
    # is tried more and more seldom.
    return max(LEASE, backoff(tries - 1, _FIRST_PAUSE, LONGEST_PAUSE))


def _delivery(event: OrderEvent, order: Order | None) -> Delivery:
    return Delivery(event, order, SIGNALS[event.kind])


def _try(delivery: Delivery) -> bool:
    try:
        retry_on_lock(delivery)
    except DeliveredAlready:
        return False
    except Exception as exc:  # noqa: BLE001 - a shop's receiver may raise anything; it is saved
        _save_error(delivery.event, exc)
        return False
    return True


def _save_error(event: OrderEvent, exc: Exception) -> None:
    logger.error("a receiver of %s for event %s raised", event.kind, event.pk, exc_info=exc)
    tries = max(event.dispatch_attempts, 1)
    pause = backoff(tries - 1, _FIRST_PAUSE, LONGEST_PAUSE)
    _save(
        event,
        dispatch_error=f"{type(exc).__name__}: {exc}",
        next_dispatch_at=clock.now() + pause,
    )


def _save_overdue(event: OrderEvent, waited_s: float) -> None:
    error = no_end(waited_s)
    words = in_english(lambda: error_text(error))
    logger.error("a receiver of %s for event %s: %s", event.kind, event.pk, words)
    # Its lease goes on: should the receiver end after all, that is noted then.
    _save(event, dispatch_error=error)


def _save(event: OrderEvent, **columns: Any) -> None:
    # Of this try alone: one that ends after the next has begun says nothing about that one.
    same_try = OrderEvent.objects.filter(
        pk=event.pk, dispatched_at__isnull=True, dispatch_attempts=event.dispatch_attempts
    )
    try:
        retry_on_lock(partial(same_try.update, **columns))
    except Exception:
        # The event stays pending, and its lease ends.
        logger.exception("the error of event %s was not saved", event.pk)
