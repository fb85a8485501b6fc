"""Answers of WeChat Pay about one order, for callers who come back if there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from django.db import Error

from django_wxpay.models import Order
from django_wxpay.protocol.errors import OrderBusy, Refused, WXPayError
from django_wxpay.services.orders.querying import query_order

logger = logging.getLogger("django_wxpay.orders")

# WeChat Pay's own word that there is nothing to settle (protocol-v2 section 5.4).
_NOTHING_THERE: Final = "ORDERNOTEXIST"


class Answer(Enum):
    """The result of one order or refund: an answer, none, or another worker's business.

    ``BUSY`` is the business of a call that is no worker's, such as a till's: WeChat Pay was not
    asked, and so has not been silent.
    """

    SETTLED = auto()
    # WeChat Pay does not know the order.
    ABSENT = auto()
    CLOSED = auto()
    NONE = auto()
    BUSY = auto()
    TAKEN = auto()


def query(order: Order, ask: Callable[[Order], object] = query_order) -> Answer:
    """Query ``order`` and settle the answer. Never raises for a call that fails: it is logged."""
    try:
        ask(order)
    except Refused as refused:
        logger.warning("order %s was asked for and refused: %s", order.out_trade_no, refused)
        return Answer.ABSENT if refused.kind == _NOTHING_THERE else Answer.NONE
    except OrderBusy as busy:
        logger.info("order %s is not asked for now: %s", order.out_trade_no, busy)
        return Answer.BUSY
    except (WXPayError, Error) as problem:
        logger.warning("order %s could not be asked for: %s", order.out_trade_no, problem)
        return Answer.NONE
    return Answer.SETTLED
