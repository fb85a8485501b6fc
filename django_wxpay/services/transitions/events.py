"""The record of what a fact did: the outcome of its notification, and the events of its order.

An ``OrderEvent`` is the outbox: it commits with the move, and ``dispatch`` delivers it afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from django.db import IntegrityError

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.base import storable_json
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.models.sentences import Reasons
from django_wxpay.protocol.states import Conflict
from django_wxpay.services.statements import Insert
from django_wxpay.services.transactions import after_commit, atomic
from django_wxpay.services.transitions.dispatch import dispatch_new, first_marks

_NOTIFICATION: Final = Insert(Notification)
_EVENT: Final = Insert(OrderEvent)
# IGNORED as well: before there was a signal for other products, their events were.
_NOT_HANDED_ON: Final = (NotificationOutcomes.FAILED, NotificationOutcomes.IGNORED)


def save_outcome(notification: Notification, order: Order, decision: object) -> None:
    """Save ``notification`` with what its fact did to ``order``."""
    notification.order = order
    notification.outcome = NotificationOutcomes.APPLIED
    notification.reason_code, notification.reason_params = "", {}
    if isinstance(decision, Conflict):
        notification.outcome = NotificationOutcomes.CONFLICT
        differences = [list(row) for row in decision.differences]
        notification.set_reason(Reasons.DIFFERENT, differences=differences, fee_type=order.fee_type)
    save_notification(notification)


def save_notification(
    notification: Notification, *, seen: str = NotificationOutcomes.FAILED
) -> None:
    """Save a new notification whole, of a known one the outcome alone.

    ``seen`` is the outcome that it had when it was read: if it is undecided still, that is saved
    only while no other process has decided it. Raises ``IntegrityError`` for a new one whose
    fingerprint another delivery saved first.
    """
    if not notification.pk:
        _NOTIFICATION.run(notification)
        return
    rows = Notification.objects.filter(pk=notification.pk)
    # Not the counters: another delivery or a worker may be counting at this moment.
    columns = ["order", "outcome", "reason_code", "reason_params"]
    if notification.is_decided:
        notification.next_retry_at = None
        columns.append("next_retry_at")
    else:
        rows = rows.filter(outcome=seen)
    rows.update(**{name: getattr(notification, name) for name in columns})


def save_for_receivers(
    notification: Notification,
    *,
    fingerprint: str,
    product: str,
    resource: Mapping[str, Any],
) -> bool:
    """Save ``notification`` with the event by which ``notification_received`` is sent, once.

    Return False where that was done before. Raises ``IntegrityError`` if another notification of
    this ``fingerprint`` exists.
    """
    notification.outcome = NotificationOutcomes.APPLIED
    notification.set_reason(Reasons.OTHER_PRODUCT, product=product)
    event = OrderEvent(
        kind=EventKinds.RECEIVED,
        source=f"{notification.api}.notice",
        detail=storable_json({"event_type": notification.event_type, "resource": resource}),
        notification=notification,
        **first_marks(EventKinds.RECEIVED),
    )
    with atomic():
        if not _save_handed_on(notification, fingerprint):
            return False
        # Its key is known only now.
        event.notification = notification
        save_event(event)
    after_commit(partial(dispatch_new, event, None))
    return True


def _save_handed_on(notification: Notification, fingerprint: str) -> bool:
    if not notification.pk:
        _NOTIFICATION.run(notification)
        return True
    # A move like an order's: on the outcome that was seen, so that of two replays one is first. Its
    # fingerprint is from now on the content's, by which the next delivery finds it.
    notification.fingerprint, notification.next_retry_at = fingerprint, None
    rows = Notification.objects.filter(pk=notification.pk, outcome__in=_NOT_HANDED_ON)
    columns = ("outcome", "reason_code", "reason_params", "fingerprint", "next_retry_at")
    return bool(rows.update(**{name: getattr(notification, name) for name in columns}))


def save_event(event: OrderEvent) -> None:
    """Save a new event."""
    _EVENT.run(event)


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
        **first_marks(EventKinds.CONFLICTED),
    )
    try:
        # Inserted without a look first: in MySQL's REPEATABLE READ a look may miss the event that
        # another transaction has saved, before and after this one fails.
        with atomic():
            save_event(event)
    except IntegrityError:
        return None
    return event
