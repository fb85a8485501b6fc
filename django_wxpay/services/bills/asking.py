"""Asking WeChat Pay for what a bill says and we do not, and settling it through the one door.

Most differences end here: a notification that was lost, a refund made on the merchant platform.
In turn, for there are few; a merchant whose gateway does not answer is left alone, and a run ends
however many there are. What was not asked for stays different, and is asked for the next time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from django.db import Error

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.errors import Refused, WXPayError
from django_wxpay.protocol.refunds import RefundRef
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.refunds.querying import ask_for
from django_wxpay.services.transactions import retry_on_lock

logger = logging.getLogger("django_wxpay.bills")

# For one bill.
LONGEST_S: Final = 600.0
_MOST_SILENCES: Final = 5
_NOT_ASKED: Final = "not asked: too many, or no answer"


class Asking:
    """The questions of one run; ``asked`` counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self._ends_at = time.monotonic() + LONGEST_S
        self._silences = 0
        self._answers: dict[tuple[str, str], str] = {}

    def for_order(self, order: Order) -> str:
        """Query ``order``, once in a run, and bring it up to date; return "" or what went wrong."""
        answer = self._once(("order", str(order.pk)), partial(query_order, order))
        order.refresh_from_db()
        return answer

    def for_refund(self, order: Order, out_refund_no: str) -> str:
        """Query the refund of this number; one that is not here is made. Return as ``for_order``.

        By its number, which both protocols find, and not by the list of all, which one has not.
        """
        ref = RefundRef(order=order.ref(), out_refund_no=out_refund_no)
        key = (f"refund of {order.pk}", out_refund_no)
        return self._once(key, partial(ask_for, order, ref))

    def _once(self, key: tuple[str, str], ask: Callable[[], object]) -> str:
        if key in self._answers:
            return self._answers[key]
        if self._silences >= _MOST_SILENCES or time.monotonic() > self._ends_at:
            return _NOT_ASKED
        self.asked += 1
        self._answers[key] = answer = self._ask(key, ask)
        return answer

    def _ask(self, key: tuple[str, str], ask: Callable[[], object]) -> str:
        problem: Exception
        try:
            ask()
        except Refused as refused:
            self._silences = 0
            problem = refused
        except (WXPayError, Error) as error:
            self._silences += 1
            problem = error
        else:
            self._silences = 0
            return ""
        logger.warning("%s %s is in a bill, and could not be settled: %s", *key, problem)
        return problem.kind if isinstance(problem, Refused) else type(problem).__name__


def refund_here(order: Order, out_refund_no: str) -> Refund | None:
    """Return the refund of this number, if it is here after asking."""
    refunds = Refund.objects.filter(merchant=order.merchant, out_refund_no=out_refund_no)
    return retry_on_lock(lambda: refunds.select_related("order").first())
