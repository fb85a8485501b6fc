"""Checks that a transition asks for: when WeChat Pay is queried next, written with the move.

Anybody who has seen a notification may send it again, changed a little. So what notifications ask
for is a minute apart, over all processes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    When,
)

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.services import clock
from django_wxpay.services.statements import Slot

CHECK_PAUSE: Final = timedelta(minutes=1)


def check_soon(order: Order) -> None:
    """Have WeChat Pay asked for ``order``: a notification contradicts what is known of it.

    At once, or a minute after the last time that one did.
    """
    now = clock.now()
    Order.objects.filter(pk=order.pk).update(
        # Before ``checked_at``, which MariaDB would already show as written.
        next_check_at=soonest_check(now),
        checked_at=Case(When(_just_asked(now), then=F("checked_at")), default=now),
    )


def soonest_check(now: datetime) -> Case:
    """Return the expression for a check at once, or a minute after the row's ``checked_at``."""
    later = ExpressionWrapper(F("checked_at") + CHECK_PAUSE, output_field=DateTimeField())
    return Case(When(_just_asked(now), then=later), default=now, output_field=DateTimeField())


def _just_asked(now: datetime) -> Q:
    return Q(checked_at__gt=now - CHECK_PAUSE, checked_at__lte=now)


def check_of_paid(*, is_scheduled: bool) -> Case:
    """Return when an order is asked for that becomes paid: never, unless it is refunded already.

    A refund that was stated before the payment has asked for a check (``follow_refund``). It is in
    the UPDATE, for it may be written at this moment. Its slots are ``now``, and ``seen_check``
    where the order ``is_scheduled`` for a check.
    """
    stated = Refund.objects.filter(order=OuterRef("pk"), refund_id__isnull=False)
    is_refunded = Exists(stated.exclude(refund_status=RefundStatus.CLOSED))
    seen = Slot(Order, "next_check_at", "seen_check")
    is_as_seen = Q(next_check_at=seen) if is_scheduled else Q(next_check_at__isnull=True)
    return Case(
        When(is_refunded, then=Slot(Order, "next_check_at", "now")),
        When(is_as_seen, then=None),
        default=F("next_check_at"),
        output_field=DateTimeField(),
    )
