"""Requests of refunds that we make: taken from what can be refunded before anything is sent.

The amount is taken by inserting the refund under the next place of its order, which is unique:
of any number of clerks at the same moment one is written, and every other reads the sum anew and
decides again. Nobody waits for a lock, on any database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import IntegrityError
from django.db.models import Count, Max, Q, Sum

from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.models.choices import EventKinds
from django_wxpay.protocol.errors import (
    NotRefundable,
    OrderBusy,
    RefundConflict,
    Refused,
)
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.protocol.refunds import MOST_REFUNDS, RefundTerms
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock
from django_wxpay.services.transactions import after_commit, atomic
from django_wxpay.services.transitions.dispatch import dispatch_new, first_marks

# Each lost race means that another refund was written, and an order has 50 at most.
_ROUNDS: Final = MOST_REFUNDS
_SOURCE: Final = "refund"
# The soonest that a refund has got any further (protocol-v3 section 3.6).
FIRST_CHECK: Final = timedelta(minutes=1)


def request_refund(order: Order, terms: RefundTerms) -> tuple[Refund, bool]:
    """Return the refund of these terms and whether it is new or asked for anew.

    Raises ``RefundConflict`` for a number that is another refund's, and ``NotRefundable`` if the
    order is not paid or has less left. One that WeChat Pay has refused may be asked for again.
    """
    for _round in range(_ROUNDS):
        known = _known(order, terms)
        if known is not None and (known.is_proven or known.is_reserved):
            return known, False
        place = _free_place(order, terms)
        try:
            with atomic():
                taken = (
                    _insert(order, terms, place) if known is None else _take(known, terms, place)
                )
        except IntegrityError:
            continue
        if taken is not None:
            return taken, True
    raise OrderBusy(f"order {order.out_trade_no} is being refunded by others; ask again")


def note_refusal(refund: Refund, refused: Refused, *, lease: datetime) -> None:
    """Save why WeChat Pay refused to take a refund, and show it; nothing is decided by it.

    Nothing is saved by a call that has lost its ``lease``: another may be sending it by now.
    """
    columns = {
        "err_code": refused.err_code,
        "err_code_des": refused.err_code_des,
        "updated_at": clock.now(),
    }
    mine = Refund.objects.filter(pk=refund.pk, refund_id__isnull=True, sending_until=lease)
    mine.update(**columns)
    for name, value in columns.items():
        setattr(refund, name, value)


def give_up(refund: Refund) -> bool:
    """Close a refund that was refused and that WeChat Pay does not have; return whether it did.

    Its amount can be refunded again. ``refund`` is as it was when WeChat Pay was asked for it:
    nothing is closed that has been proven, is being sent again, or was refused once more, since.
    """
    with atomic():
        as_seen = Refund.objects.filter(
            pk=refund.pk,
            position=refund.position,
            refund_id__isnull=True,
            refund_status=RefundStatus.PROCESSING,
            # Each refusal writes it. A try in between may have arrived, whatever it was answered.
            updated_at=refund.updated_at,
        ).exclude(err_code="")
        now = clock.now()
        is_mine = as_seen.update(
            refund_status=RefundStatus.CLOSED, next_check_at=None, updated_at=now
        )
        if not is_mine:
            return False
        # A copy: what the caller saw is what a second run, after a deadlock, has to compare with.
        closed = Refund.objects.select_related("order").get(pk=refund.pk)
        event = _event(closed)
    after_commit(partial(dispatch_new, event, closed.order))
    return True


def _known(order: Order, terms: RefundTerms) -> Refund | None:
    known = Refund.objects.filter(
        merchant=order.merchant, out_refund_no=terms.out_refund_no
    ).first()
    # To the letter, as numbers of orders are.
    if known is None or known.out_refund_no != terms.out_refund_no:
        return None
    ours = {"order": known.order_id}
    asked = {"order": order.pk}
    if not known.is_hint:
        ours |= {"refund_fee": known.refund_fee}
        asked |= {"refund_fee": terms.refund_fee}
    if differing := tuple(name for name, value in asked.items() if ours[name] != value):
        raise RefundConflict(terms.out_refund_no, differing)
    known.order = order
    return known


def _free_place(order: Order, terms: RefundTerms) -> int:
    if order.trade_state == TradeState.REVOKED:
        raise NotRefundable(_("the order was reversed, so the money is back"), refundable=0)
    if not order.is_paid:
        raise NotRefundable(
            _("the order is not paid"),
            _("query the order if the customer says otherwise"),
            refundable=0,
        )
    left, last, count = _taken(order)
    if terms.refund_fee > left:
        rule = _("at most %(left)s, for the rest is refunded or on its way", left=left)
        raise NotRefundable(_("more than is left of the order"), rule, refundable=left)
    if count >= MOST_REFUNDS:
        rule = _("an order has at most %(most_refunds)s refunds", most_refunds=MOST_REFUNDS)
        raise NotRefundable(_("one refund too many"), rule, refundable=0)
    return last + 1


def _taken(order: Order) -> tuple[int, int, int]:
    """Return what is left, the last place, and the number of refunds that have taken something."""
    refunds = Refund.objects.filter(order=order, position__isnull=False)
    is_open = ~Q(refund_status=RefundStatus.CLOSED)
    # One statement, so that the place and the sum are of the same moment.
    found = refunds.aggregate(
        taken=Sum("refund_fee", filter=is_open),
        last=Max("position"),
        count=Count("pk", filter=is_open),
    )
    left = max(0, order.total_fee - (found["taken"] or 0))
    return left, found["last"] or 0, found["count"]


def _insert(order: Order, terms: RefundTerms, place: int) -> Refund:
    now = clock.now()
    refund = Refund(
        order=order,
        merchant=order.merchant,
        out_refund_no=terms.out_refund_no,
        refund_fee=terms.refund_fee,
        refund_desc=terms.refund_desc,
        notify_url=terms.notify_url,
        refund_status=RefundStatus.PROCESSING,
        position=place,
        # With the row, for the process may die before it sends anything.
        next_check_at=now + FIRST_CHECK,
        created_at=now,
        updated_at=now,
    )
    refund.save(force_insert=True)
    return refund


def _take(refund: Refund, terms: RefundTerms, place: int) -> Refund | None:
    """Take the amount for a refund that was hinted at, or refused; None if another was first."""
    as_seen = Refund.objects.filter(
        Q(position__isnull=True) if refund.is_hint else Q(position=refund.position),
        pk=refund.pk,
        refund_id__isnull=True,
        refund_status=refund.refund_status,
    )
    now = clock.now()
    is_mine = as_seen.update(
        refund_fee=terms.refund_fee,
        refund_desc=terms.refund_desc,
        notify_url=terms.notify_url,
        refund_status=RefundStatus.PROCESSING,
        position=place,
        err_code="",
        err_code_des="",
        next_check_at=now + FIRST_CHECK,
        updated_at=now,
    )
    if not is_mine:
        return None
    refund.refresh_from_db()
    return refund


def _event(refund: Refund) -> OrderEvent:
    order = refund.order
    return OrderEvent.objects.create(
        order=order,
        refund=refund,
        kind=EventKinds.REFUND_SETTLED,
        from_state=order.trade_state,
        to_state=order.trade_state,
        source=_SOURCE,
        detail={
            "out_refund_no": refund.out_refund_no,
            "refund_status": refund.refund_status,
            "err_code": refund.err_code,
        },
        **first_marks(EventKinds.REFUND_SETTLED),
    )
