"""Totals of chosen orders by currency: how many, what was paid, and what was paid back.

They are added up from the rows each time, in whole minor units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from django.db.models import QuerySet, Sum

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.states import PAID
from django_wxpay.services.transactions import retry_on_lock

_AT_ONCE: Final = 1000
_PAID: Final = frozenset(state.value for state in PAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The orders of one currency; ``paid`` and ``refunded`` are in its minor units."""

    fee_type: str
    orders: int
    payments: int
    paid: int
    refunded: int


class _Row(NamedTuple):
    pk: int
    trade_state: str
    fee_type: str
    total_fee: int


def totals(orders: QuerySet[Order], *, most: int) -> list[Total] | None:
    """Return what ``orders`` come to, by currency, or None where they are more than ``most``.

    They are read in their own order: in none, PostgreSQL may look for the newest at the far end.
    One query for the orders, and one for the refunds of each thousand paid ones of a currency.
    """
    rows = orders.values_list(*_Row._fields)[: most + 1]
    found: list[tuple[int, str, str, int]] = retry_on_lock(partial(list, rows))
    if len(found) > most:
        return None
    grouped: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in map(_Row._make, found):
        grouped[row.fee_type].append(row)
    return [_total(fee_type, grouped[fee_type]) for fee_type in sorted(grouped)]


def _total(fee_type: str, rows: list[_Row]) -> Total:
    paid = [row for row in rows if row.trade_state in _PAID]
    return Total(
        fee_type=fee_type,
        orders=len(rows),
        payments=len(paid),
        paid=sum(row.total_fee for row in paid),
        refunded=sum(paid_back([row.pk for row in paid]).values()),
    )


def paid_back(keys: Sequence[int]) -> dict[int, int]:
    """Return what was paid back of each order of these keys, in minor units, where anything was.

    One query for each thousand keys.
    """
    sums: dict[int, int] = {}
    for start in range(0, len(keys), _AT_ONCE):
        rows = Refund.objects.filter(
            order__in=keys[start : start + _AT_ONCE],
            position__isnull=False,
            refund_status=RefundStatus.SUCCESS,
        )
        summed = rows.order_by().values_list("order").annotate(Sum("refund_fee"))
        found: list[tuple[int, int]] = retry_on_lock(partial(list, summed))
        sums.update(found)
    return sums
