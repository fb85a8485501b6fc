"""Balances of orders: what was paid, what is refunded, and what refunds under way have taken.

They are summed up from the refunds each time, so that no second number can contradict them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Amounts of one order in minor units; all are 0 for an order that is not paid.

    ``stuck`` is what WeChat Pay could not return. ``left`` can still be refunded.
    """

    paid: int = 0
    refunded: int = 0
    in_progress: int = 0
    stuck: int = 0

    @property
    def left(self) -> int:
        return self.paid - self.refunded - self.in_progress - self.stuck


def balances(orders: Iterable[Order]) -> dict[int, Balance]:
    """Return the balance of each order by its key: one query for all of them, or none."""
    every = list(orders)
    paid = [order.pk for order in every if order.is_paid]
    sums: dict[int, dict[str, int]] = {}
    for key, status, total in _taken(paid) if paid else ():
        sums.setdefault(key, {})[status] = total
    return {order.pk: _balance(order, sums.get(order.pk, {})) for order in every}


def _taken(paid: list[int]) -> Iterable[tuple[int, str, int]]:
    taken = Refund.objects.filter(order__in=paid, position__isnull=False).exclude(
        refund_status=RefundStatus.CLOSED
    )
    grouped = taken.order_by().values("order", "refund_status")
    return grouped.annotate(total=Sum("refund_fee")).values_list("order", "refund_status", "total")


def _balance(order: Order, sums: dict[str, int]) -> Balance:
    if not order.is_paid:
        return Balance()
    return Balance(
        paid=order.total_fee,
        refunded=sums.get(RefundStatus.SUCCESS, 0),
        in_progress=sums.get(RefundStatus.PROCESSING, 0),
        stuck=sums.get(RefundStatus.ABNORMAL, 0),
    )
