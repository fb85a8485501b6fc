"""Querying refunds at WeChat Pay, and applying the answers."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.errors import OutcomeUnknown, Refused
from django_wxpay.protocol.facts import RefundFact
from django_wxpay.services import gateways
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.refund_requests import give_up
from django_wxpay.services.transitions.refunds import apply_refund_fact

logger = logging.getLogger("django_wxpay.refunds")

# WeChat Pay's words for a refund that it does not have (protocol-v2 section 6.5, protocol-v3
# section 4.6).
_NOT_THERE: Final = frozenset({"REFUNDNOTEXIST", "RESOURCE_NOT_EXISTS"})


def query_refund(refund: Refund) -> Refund:
    """Query ``refund`` and return it up to date; a contradiction becomes a conflict event.

    One that was refused, and that WeChat Pay does not have, is closed. Raises
    ``InsideTransaction``, ``Refused`` (REFUNDNOTEXIST among others, for one that may still be
    sent), ``OutcomeUnknown``, ``BadSignature``. Sources: protocol-v2 section 6.5, protocol-v3
    sections 3.6 and 4.4.
    """
    require_no_transaction("query_refund")
    refund.refresh_from_db()
    try:
        fact = gateways.gateway(refund.merchant).query_refund(refund.ref())
    except Refused as refused:
        if not (is_unknown_there(refused) and refund.err_code and not refund.is_proven):
            raise
        retry_on_lock(partial(give_up, refund))
    else:
        apply(refund, fact)
    refund.refresh_from_db()
    return refund


def query_refunds(order: Order) -> list[Refund]:
    """Query all refunds of ``order``, those made on the merchant platform too; return them.

    APIv3 has no such list in mainland: there the refunds that are known are queried one by one.
    Raises what ``query_refund`` raises.
    """
    require_no_transaction("query_refunds")
    facts = gateways.gateway(order.merchant).query_refunds(order.ref())
    if facts is None:
        for refund in order.refunds.order_by("id"):
            query_refund(refund)
    else:
        for fact in facts:
            retry_on_lock(partial(_apply, order, fact))
    order.refresh_from_db()
    return list(order.refunds.order_by("id"))


def look_for_refunds(order: Order) -> None:
    """Query the refunds of an order that WeChat Pay calls refunded and that has none proven here.

    Never raises for a call that fails: it is logged.
    """
    if order.refunds.filter(refund_id__isnull=False).exists():
        return
    try:
        query_refunds(order)
    except (Refused, OutcomeUnknown) as problem:
        logger.warning("refunds of order %s were not found: %s", order.out_trade_no, problem)


def is_unknown_there(refused: Refused) -> bool:
    """Return whether WeChat Pay says that it does not have the refund."""
    return refused.kind in _NOT_THERE


def apply(refund: Refund, fact: RefundFact) -> None:
    """Apply ``fact`` to ``refund`` and its order."""
    retry_on_lock(partial(_apply, refund.order, fact))


def _apply(order: Order, fact: RefundFact) -> None:
    order.refresh_from_db()
    apply_refund_fact(order, fact)
