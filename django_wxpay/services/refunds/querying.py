"""Querying refunds at WeChat Pay, and applying the answers."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Final

from django_wxpay import conf
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.errors import OutcomeUnknown, Refused
from django_wxpay.protocol.facts import RefundFact
from django_wxpay.protocol.refunds import RefundRef
from django_wxpay.services import clock, gateways
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import OutdatedAnswer
from django_wxpay.services.transitions.refund_requests import give_up
from django_wxpay.services.transitions.refunds import apply_refund_fact, standing

logger = logging.getLogger("django_wxpay.refunds")

# WeChat Pay's words for a refund that it does not have (protocol-v2 section 6.5, protocol-v3
# section 4.6).
_NOT_THERE: Final = frozenset({"REFUNDNOTEXIST", "RESOURCE_NOT_EXISTS"})
# After a notification had an order asked for; the sweep may be late, or in the pause between two.
_IN_QUESTION: Final = timedelta(hours=1)
# A refund moves a few times in its life, and each question is about the last of them.
_MOST_QUESTIONS: Final = 4


@conf.same_account()
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
        ask_for(refund.order, refund.ref())
    except Refused as refused:
        if not (is_unknown_there(refused) and refund.err_code and not refund.is_proven):
            raise
        retry_on_lock(partial(give_up, refund))
    refund.refresh_from_db()
    return refund


def query_refunds(order: Order) -> list[Refund]:
    """Query all refunds of ``order``, those made on the merchant platform too; return them.

    APIv3 has no such list in mainland: there the refunds that are known are queried one by one.
    Raises what ``query_refund`` raises.
    """
    require_no_transaction("query_refunds")
    asked_in = {each.out_refund_no: standing(each) for each in order.refunds.order_by("id")}
    facts = gateways.gateway(order.merchant).query_refunds(order.ref())
    if facts is None:
        _query_each(order)
    else:
        for fact in facts:
            apply(order, fact, asked_in=asked_in.get(fact.out_refund_no, ""))
    order.refresh_from_db()
    return list(order.refunds.order_by("id"))


def _query_each(order: Order) -> None:
    missing: Refused | None = None
    for refund in order.refunds.order_by("id"):
        try:
            query_refund(refund)
        except Refused as refused:
            # Such as a hint that somebody has made up: it stands in the way of no other.
            if not is_unknown_there(refused):
                raise
            missing = missing or refused
    if missing is not None:
        raise missing


def look_for_refunds(order: Order) -> None:
    """Query the refunds of an order that WeChat Pay calls refunded, if one may be unknown here.

    That is so where none is proven, and for a while after a notification had the order asked for.
    Never raises for a call that fails: it is logged.
    """
    is_in_question = order.checked_at and order.checked_at > clock.now() - _IN_QUESTION
    if not is_in_question and order.refunds.filter(refund_id__isnull=False).exists():
        return
    try:
        query_refunds(order)
    except (Refused, OutcomeUnknown) as problem:
        logger.warning("refunds of order %s were not found: %s", order.out_trade_no, problem)


def is_unknown_there(refused: Refused) -> bool:
    """Return whether WeChat Pay says that it does not have the refund."""
    return refused.kind in _NOT_THERE


def ask_for(order: Order, ref: RefundRef) -> None:
    """Query the refund of this number, and apply the answer; one that is not here is made."""
    for _ in range(_MOST_QUESTIONS):
        asked_in = standing(retry_on_lock(partial(_known, order, ref)))
        fact = gateways.gateway(order.merchant).query_refund(ref)
        try:
            retry_on_lock(partial(_apply, order, fact, asked_in))
        except OutdatedAnswer:
            # It has moved meanwhile: what WeChat Pay says next is later than that.
            continue
        return
    raise OutcomeUnknown(f"refund {ref.out_refund_no} keeps moving; ask again")


def _known(order: Order, ref: RefundRef) -> Refund | None:
    rows = Refund.objects.filter(merchant=order.merchant, out_refund_no=ref.out_refund_no)
    # To the letter, as numbers of orders are.
    return next((each for each in rows if each.out_refund_no == ref.out_refund_no), None)


def apply(order: Order, fact: RefundFact, *, asked_in: str) -> None:
    """Apply ``fact``, the answer to a question about a refund that stood so; ask if it moved."""
    try:
        retry_on_lock(partial(_apply, order, fact, asked_in))
    except OutdatedAnswer:
        ask_for(order, RefundRef(order=order.ref(), out_refund_no=fact.out_refund_no))


def _apply(order: Order, fact: RefundFact, asked_in: str) -> None:
    order.refresh_from_db()
    apply_refund_fact(order, fact, asked_in=asked_in)
