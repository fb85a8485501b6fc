"""What is written down when WeChat Pay contradicts what we know, and the verdict on a notice."""

from __future__ import annotations

import hashlib
import json

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.protocol.states import Conflict
from django_wxpay.services import clock


def judge(notification: Notification, order: Order, decision: object) -> None:
    """Save ``notification`` with what its news did to ``order``."""
    conflict = decision if isinstance(decision, Conflict) else None
    notification.order = order
    notification.outcome = (
        NotificationOutcomes.APPLIED if conflict is None else NotificationOutcomes.CONFLICT
    )
    notification.reason = "" if conflict is None else _sentence(conflict)
    save_verdict(notification)


def save_verdict(notification: Notification) -> None:
    """Save a new notification whole, of a known one the verdict alone.

    Its deliveries and tries are counted elsewhere, perhaps at this moment; what is decided
    has no next try. A new one that has been saved under its fingerprint before is an
    ``IntegrityError``.
    """
    if not notification.pk:
        notification.save(force_insert=True)
    elif notification.is_decided:
        notification.next_retry_at = None
        notification.save(update_fields=("order", "outcome", "reason", "next_retry_at"))
    else:
        notification.save(update_fields=("order", "outcome", "reason"))


def conflict_event(
    order: Order,
    conflict: Conflict,
    *,
    source: str,
    notification: Notification | None,
) -> OrderEvent | None:
    """Write a contradiction down once, however often it is told; return it if it is new."""
    key = hashlib.sha256(json.dumps(conflict.differences).encode()).hexdigest()
    event, new = OrderEvent.objects.get_or_create(
        order=order,
        conflict_key=key,
        defaults={
            "kind": EventKinds.CONFLICTED,
            "from_state": order.trade_state,
            "to_state": order.trade_state,
            "source": source,
            "detail": {"differences": [list(row) for row in conflict.differences]},
            "notification": notification,
            "created_at": clock.now(),
        },
    )
    return event if new else None


def _sentence(conflict: Conflict) -> str:
    parts = (f"{name}: expected {ours}, told {them}" for name, ours, them in conflict.differences)
    return "; ".join(parts)[:256]
