"""The sweep: every order whose check is due, by any number of workers.

``Order.next_check_at`` is the schedule. It is set by a notification that contradicts its order,
and cleared by WeChat Pay's answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django_wxpay.models import Order
from django_wxpay.services import clock
from django_wxpay.services.claims import claim
from django_wxpay.services.sync.checking import check_order
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

# Longer than a call takes with all its hosts; after it, the order of a process that died is due
# again.
LEASE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """The counts of one run: ``found`` orders were due, and ``settled`` of them had an answer."""

    found: int
    settled: int


def sync_orders(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> SyncRun:
    """Query the orders whose check is due, those due longest first, and settle the answers.

    Any number may run side by side. Ends early, between two orders, when ``stop`` returns True.
    An order without an answer is due again after a pause. Raises ``InsideTransaction`` in an open
    transaction.
    """
    require_no_transaction("sync_orders")
    due = Order.objects.filter(next_check_at__lte=clock.now()).order_by("next_check_at", "id")
    orders = list(due[:limit])
    settled = 0
    for order in orders:
        if stop():
            break
        until = clock.now() + LEASE
        if retry_on_lock(partial(_lease, order, until)) and check_order(order):
            settled += retry_on_lock(partial(_clear, order, until))
    return SyncRun(found=len(orders), settled=settled)


def _lease(order: Order, until: datetime) -> int:
    return claim(Order.objects.filter(pk=order.pk), "next_check_at", until)


def _clear(order: Order, until: datetime) -> int:
    # Not where a notification has asked for another check since.
    leased = Order.objects.filter(pk=order.pk, next_check_at=until)
    return leased.update(next_check_at=None)
