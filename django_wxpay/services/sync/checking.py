"""Checking of one order out of turn: for a notification that proves nothing, or a page that waits.

What was sent to us may have been sent by anybody who has seen a notification, and anybody may
reload a page, so neither must make us call WeChat Pay at will: the pauses hold over all processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django_wxpay import conf
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.states import OPEN
from django_wxpay.services import clock, patience
from django_wxpay.services.claims import claim, claim_as_seen
from django_wxpay.services.refunds.checking import check_refund
from django_wxpay.services.sync.answers import Answer, query
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.checks import CHECK_PAUSE

logger = logging.getLogger("django_wxpay.orders")

# A page that waits longer for one answer looks broken.
_PAGE_WAITS_S: Final = 3.0
_LONGEST_EVERY_S: Final = 86_400


@conf.same_account()
def check_order(order: Order, *, every_s: float = 10.0) -> Order:
    """Return ``order`` up to date, after a query if it may have been paid meanwhile.

    For a page on which a customer waits: over all processes the order is asked for at most once
    in ``every_s`` seconds, from so long after its placing. It never raises for a call that fails
    or takes more than a few seconds: the order is then returned as it is. One that is over, or was
    never placed, is not asked for, nor is a payment by code: the call that charges it sees to it,
    and then the sweep. Raises ``ValueError`` for fewer than one second, and ``InsideTransaction``.
    """
    require_no_transaction("check_order")
    # NaN is not, either.
    if isinstance(every_s, bool) or not every_s >= 1:
        raise ValueError("every_s is a number of seconds, 1 or more")
    order.refresh_from_db()
    pause = timedelta(seconds=min(every_s, _LONGEST_EVERY_S))
    is_payable = TradeState(order.trade_state) in OPEN and order.trade_type != TradeType.MICROPAY
    is_old_enough = order.placed_at is not None and order.placed_at <= clock.now() - pause
    if is_payable and is_old_enough and _take_turn(order, pause):
        # A row of its own, for the query may go on beside the caller.
        asked = Order.objects.get(pk=order.pk)
        if _ended_within(partial(_query, asked), _PAGE_WAITS_S) is not None:
            order.refresh_from_db()
    return order


def check_order_within(order: Order, seconds: float) -> bool:
    """Query ``order`` and settle the answer; return whether there was one within ``seconds``.

    If not, the query goes on without the caller, and settles the order when it is answered. False
    as well within a minute after the last check. Never raises for a call that fails: it is logged,
    and the caller comes back.
    """
    if not _take_turn(order):
        return False
    answered = _ended_within(partial(_query, order), seconds)
    return answered is not None and answered.result()


def check_hint_within(merchant: str, out_refund_no: str, seconds: float) -> None:
    """Query the refund that somebody has hinted at, if it is due, within ``seconds``.

    After them the query goes on without the caller. A refund is asked for like this once a minute.
    One that nothing but hints speaks of takes the turn of its order, for anybody who has seen a
    notification can make up more of them. What is not asked for now stays due for ``sync_orders``.
    """
    due = Refund.objects.filter(
        merchant=merchant, out_refund_no=out_refund_no, next_check_at__lte=clock.now()
    )
    refund = due.select_related("order").first()
    if refund is None or (refund.is_hint and not _take_turn(refund.order)):
        return
    if not _take_turn(refund):
        return
    # Without an answer the sweep asks, and not at once.
    later = clock.now() + CHECK_PAUSE
    retry_on_lock(partial(claim_as_seen, due, "next_check_at", later, seen=refund.next_check_at))
    _ended_within(partial(check_refund, refund), seconds)


def _ended_within(check: Callable[[], bool], seconds: float) -> Future[bool] | None:
    """Begin ``check`` on a thread and return its end, None where there was none in time."""
    try:
        begun = patience.start(check, name="wxpay-check")
    except RuntimeError as problem:
        # The process may start no more threads. The sweep asks.
        logger.warning("an order could not be checked: %s", problem)
        return None
    return begun if patience.has_ended(begun, seconds) else None


def _take_turn(row: Order | Refund, pause: timedelta = CHECK_PAUSE) -> bool:
    now = clock.now()
    table: Any = Order.objects if isinstance(row, Order) else Refund.objects
    rows = table.filter(pk=row.pk)
    mine = partial(claim, rows, "checked_at", now, due_by=now - pause, longest=timedelta())
    return bool(retry_on_lock(mine))


def _query(order: Order) -> bool:
    return query(order) not in {Answer.NONE, Answer.BUSY}
