"""The door through which facts about refunds reach their rows.

As for orders, a move is a conditional UPDATE on the status that was seen. The refund, its
event and the verdict on its notification commit together. A hint (protocol-v2 section 7.4)
may make a refund known, and moves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from django.db import transaction

from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.models.choices import EventKinds
from django_wxpay.protocol.errors import OutcomeUnknown
from django_wxpay.protocol.facts import RefundFact, RefundStatus
from django_wxpay.protocol.states import (
    Conflict,
    RefundExpectation,
    RefundMove,
    Same,
    decide_refund,
)
from django_wxpay.services import clock
from django_wxpay.services.transactions import after_commit
from django_wxpay.services.transitions.events import dispatch_event
from django_wxpay.services.transitions.outcomes import conflict_event, judge

_ROUNDS: Final = 8


def settle_refund(
    order: Order,
    refund: Refund | None,
    fact: RefundFact,
    *,
    notification: Notification,
    is_hint: bool = False,
) -> None:
    """Bring ``fact`` to ``refund``, the row of its number, or None if there is none yet.

    Saves ``notification`` with its verdict in the same transaction; if another delivery of
    it was quicker, that is an ``IntegrityError``.
    """
    if is_hint:
        fact = replace(fact, refund_status=RefundStatus.PROCESSING, success_time=None)
    for _ in range(_ROUNDS):
        decision = decide_refund(_expectation(order, refund), fact)
        with transaction.atomic():
            written, event = _write(order, refund, fact, decision, notification)
        if written:
            if event is not None:
                after_commit(partial(dispatch_event, event, order))
            return
        refund = Refund.objects.filter(
            merchant=order.merchant,
            out_refund_no=fact.out_refund_no,
        ).first()
    raise OutcomeUnknown(f"refund {fact.out_refund_no} keeps moving; ask again")


def _expectation(order: Order, refund: Refund | None) -> RefundExpectation:
    return RefundExpectation(
        order=order.expectation(),
        status=RefundStatus(refund.refund_status) if refund else None,
        refund_fee=refund.refund_fee if refund else None,
    )


def _write(
    order: Order,
    refund: Refund | None,
    fact: RefundFact,
    decision: RefundMove | Same | Conflict,
    notification: Notification,
) -> tuple[bool, OrderEvent | None]:
    if isinstance(decision, RefundMove):
        refund = _insert(order, fact) if refund is None else _move(refund, fact)
        if refund is None:
            return False, None
    judge(notification, order, decision)
    if isinstance(decision, Conflict):
        return True, conflict_event(order, decision, source=fact.source, notification=notification)
    if isinstance(decision, RefundMove) and decision.is_settled:
        return True, _event(order, refund, fact, notification)
    return True, None


def _insert(order: Order, fact: RefundFact) -> Refund:
    now = clock.now()
    return Refund.objects.create(
        order=order,
        merchant=order.merchant,
        out_refund_no=fact.out_refund_no,
        created_at=now,
        refund_fee=fact.refund_fee,
        **_told(fact, now),
    )


def _move(refund: Refund, fact: RefundFact) -> Refund | None:
    values = _told(fact, clock.now())
    seen = Refund.objects.filter(pk=refund.pk, refund_status=refund.refund_status)
    if not seen.update(**values):
        return None
    for name, value in values.items():
        setattr(refund, name, value)
    return refund


def _told(fact: RefundFact, now: Any) -> dict[str, Any]:
    return {
        "refund_id": fact.refund_id,
        "refund_status": fact.refund_status.value,
        "user_received_account": fact.user_received_account[:64],
        "success_time": fact.success_time,
        "updated_at": now,
    }


def _event(
    order: Order,
    refund: Refund | None,
    fact: RefundFact,
    notification: Notification,
) -> OrderEvent:
    return OrderEvent.objects.create(
        order=order,
        refund=refund,
        kind=EventKinds.REFUND_SETTLED,
        from_state=order.trade_state,
        to_state=order.trade_state,
        source=fact.source,
        detail={"out_refund_no": fact.out_refund_no, "refund_status": fact.refund_status.value},
        notification=notification,
        created_at=clock.now(),
    )
