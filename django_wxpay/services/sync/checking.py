"""Checking of one order: a query that a notification made necessary, once a minute at most.

What was sent to us may have been sent by anybody who has seen a notification, so it must not make
us call WeChat Pay at will.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError

from django_wxpay.models import Order
from django_wxpay.protocol.errors import Refused, WXPayError
from django_wxpay.services import clock, patience
from django_wxpay.services.claims import claim
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.transactions import retry_on_lock

logger = logging.getLogger("django_wxpay.orders")

# Over all processes.
PAUSE: Final = timedelta(minutes=1)
# WeChat Pay's own word that there is nothing to settle (protocol-v2 section 5.4).
_NOTHING_THERE: Final = "ORDERNOTEXIST"


def check_order(order: Order) -> bool:
    """Query ``order`` and settle the answer; return whether there was one.

    False as well within a minute after the last check. Never raises for a call that fails: it is
    logged, and the caller comes back.
    """
    return _take_turn(order) and _query(order)


def check_order_within(order: Order, seconds: float) -> bool:
    """Do what ``check_order`` does; return False if there is no answer within ``seconds``.

    The query then goes on without the caller, and settles the order when it is answered.
    """
    if not _take_turn(order):
        return False
    answered = patience.start(partial(_query, order), name="wxpay-check")
    return patience.has_ended(answered, seconds) and answered.result()


def _take_turn(order: Order) -> bool:
    now = clock.now()
    row = Order.objects.filter(pk=order.pk)
    mine = partial(claim, row, "checked_at", now, due_by=now - PAUSE, longest=timedelta())
    return bool(retry_on_lock(mine))


def _query(order: Order) -> bool:
    try:
        query_order(order)
    except Refused as refused:
        logger.warning("order %s was asked for and refused: %s", order.out_trade_no, refused)
        return refused.kind == _NOTHING_THERE
    except (WXPayError, DatabaseError) as problem:
        logger.warning("order %s could not be asked for: %s", order.out_trade_no, problem)
        return False
    return True
