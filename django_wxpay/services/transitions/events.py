"""The record of what a fact did: the outcome of its notification, and the events of its order.

An ``OrderEvent`` is the outbox: it commits with the move, and ``dispatch`` delivers it afterwards.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from django.db import IntegrityError

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.protocol.states import Conflict
from django_wxpay.services.statements import Insert
from django_wxpay.services.transactions import atomic
from django_wxpay.services.transitions.dispatch import first_marks

_NOTIFICATION: Final = Insert(Notification)
_EVENT: Final = Insert(OrderEvent)


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
        _NOTIFICATION.run(notification)
        return
    # Not the counters: another delivery or a worker may be counting at this moment.
    columns = ["order", "outcome", "reason"]
    if notification.is_decided:
        notification.next_retry_at = None
        columns.append("next_retry_at")
    notification.save(update_fields=columns)


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
