"""Asking for one order or refund that is due: its claim, the query, its end, and the next check.

Wire trouble moves ``next_check_at`` and nothing else. A claim is that column set ahead, in an
UPDATE on the value that was seen: of any number of workers one has it, whatever their clocks say,
and what a dead one has claimed is due again after ``LEASE``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import Error
from django.db.models import QuerySet

from django_wxpay import conf
from django_wxpay.models import Order, Prepay, Refund
from django_wxpay.protocol.errors import OrderPaid, WXPayError
from django_wxpay.protocol.facts import RefundStatus, TradeState, TradeType
from django_wxpay.protocol.states import OPEN
from django_wxpay.services.claims import claim_as_seen
from django_wxpay.services.orders.closing import close_order
from django_wxpay.services.orders.codepay import finish_sale
from django_wxpay.services.orders.leases import DECIDED
from django_wxpay.services.orders.placing import expiry
from django_wxpay.services.refunds.checking import check_refund
from django_wxpay.services.sync.answers import Answer, query
from django_wxpay.services.sync.schedule import (
    LAST_CHECK,
    OrderSchedule,
    next_refund_check,
    pause_without_answer,
)
from django_wxpay.services.transactions import retry_on_lock

logger = logging.getLogger("django_wxpay.orders")

# Longer than the calls about one order take with all their hosts.
LEASE: Final = timedelta(minutes=5)
_UNFINISHED: Final = frozenset({RefundStatus.PROCESSING, RefundStatus.ABNORMAL})

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Question:
    """One order or refund that was seen to be due."""

    row: Order | Refund

    @property
    def merchant(self) -> str:
        return self.row.merchant

    @property
    def key(self) -> tuple[type, int]:
        """The row's identity among orders and refunds."""
        return type(self.row), self.row.pk

    def ask(self, now: Now) -> Answer:
        """Claim the row, ask WeChat Pay for it, and set down when it is asked for next.

        Never raises for a call that fails.
        """
        until = now() + LEASE
        rows, seen = _rows(self.row), self.row.next_check_at
        if not retry_on_lock(partial(claim_as_seen, rows, "next_check_at", until, seen=seen)):
            return Answer.TAKEN
        if isinstance(self.row, Order):
            answer, next_at = _ask_for_order(self.row, now)
        else:
            answer, next_at = _ask_for_refund(self.row, now)
        # Not where the row has moved, or a notification has asked for another check since.
        retry_on_lock(partial(claim_as_seen, rows, "next_check_at", next_at, seen=until))
        return answer


def _rows(row: Order | Refund) -> QuerySet[Any]:
    table = Order.objects if isinstance(row, Order) else Refund.objects
    return table.filter(pk=row.pk)


def _ask_for_order(order: Order, now: Now) -> tuple[Answer, datetime | None]:
    if order.trade_type == TradeType.MICROPAY:
        return _ask_for_sale(order, now)
    answer = query(order)
    schedule = _schedule(order)
    if answer is Answer.SETTLED and schedule and schedule.is_to_be_closed(now()):
        answer = _end_unpaid(order)
    if answer is Answer.NONE:
        since = order.placed_at or order.created_at
        return answer, now() + pause_without_answer(since, now())
    return answer, schedule.next_after(now()) if schedule else None


def _ask_for_sale(order: Order, now: Now) -> tuple[Answer, datetime | None]:
    """Ask for a payment by code that nobody waits for; unpaid in its time, it is reversed."""
    answer = query(order, finish_sale)
    is_decided = TradeState(order.trade_state) in DECIDED
    # One that WeChat Pay does not know was refused, or a while after it was sent never arrived.
    is_old = bool(order.err_code) or now() > order.created_at + LAST_CHECK
    is_absent = answer is Answer.ABSENT and is_old
    if answer not in {Answer.NONE, Answer.BUSY} and (is_decided or is_absent):
        return answer, None
    return answer, now() + pause_without_answer(order.created_at, now())


def _schedule(order: Order) -> OrderSchedule | None:
    """Return the schedule of an order that was placed, or may have been, and may be paid."""
    if order.placed_at is None or TradeState(order.trade_state) not in OPEN:
        return None
    ends = Prepay.objects.filter(order=order).order_by("-id").values_list("expires_at", flat=True)
    return OrderSchedule(
        placed_at=order.placed_at,
        prepay_ends_at=ends.first() or expiry(order, order.placed_at),
        time_expire=order.time_expire,
        closes_at=_closes_at(order, order.placed_at),
    )


def _closes_at(order: Order, placed_at: datetime) -> datetime | None:
    hours = conf.current().close_unpaid_after_h
    if hours is None:
        return None
    life = timedelta(hours=hours)
    # One that is placed again later is not closed while its customer is paying.
    return order.created_at + life if placed_at < order.created_at + life else placed_at + life


def _end_unpaid(order: Order) -> Answer:
    """End an order that WeChat Pay has just called unpaid, and whose time is over."""
    try:
        close_order(order)
    except OrderPaid:
        # Paid between the query and the close; the second query has settled it.
        return Answer.SETTLED
    except (WXPayError, Error) as problem:
        logger.warning("order %s could not be closed: %s", order.out_trade_no, problem)
        return Answer.NONE
    return Answer.CLOSED


def _ask_for_refund(refund: Refund, now: Now) -> tuple[Answer, datetime | None]:
    if not check_refund(refund):
        return Answer.NONE, now() + pause_without_answer(refund.created_at, now())
    refund.refresh_from_db()
    if refund.is_hint or refund.refund_status not in _UNFINISHED:
        return Answer.SETTLED, None
    is_stuck = refund.refund_status == RefundStatus.ABNORMAL
    # When it was asked for again, or has got on, it is as good as new.
    return Answer.SETTLED, next_refund_check(refund.updated_at, now(), is_stuck=is_stuck)
