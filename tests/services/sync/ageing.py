"""Time that passes for an order: every moment of its rows, moved back."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import DateTimeField, F
from django.db.models.expressions import CombinedExpression, ExpressionWrapper

from django_wxpay.models import Order, Prepay, Refund

_ORDER = (
    "created_at",
    "placed_at",
    "next_check_at",
    "checked_at",
    "time_expire",
    "placing_until",
    "reversing_until",
)
_REFUND = ("created_at", "updated_at", "next_check_at", "sending_until")


def pass_time(order: Order, **length: float) -> None:
    """Let so much time pass for ``order``, its prepays and its refunds."""
    delta = timedelta(**length)
    Order.objects.filter(pk=order.pk).update(**{name: _earlier(name, delta) for name in _ORDER})
    for name in ("created_at", "expires_at"):
        Prepay.objects.filter(order=order).update(**{name: _earlier(name, delta)})
    for name in _REFUND:
        Refund.objects.filter(order=order).update(**{name: _earlier(name, delta)})
    order.refresh_from_db()


def _earlier(name: str, delta: timedelta) -> ExpressionWrapper:
    moved: CombinedExpression = F(name) - delta
    return ExpressionWrapper(moved, output_field=DateTimeField())
