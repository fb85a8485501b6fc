"""Transitions of refunds, and the only writer of ``refund_status``.

As for orders, a move is a conditional UPDATE on the status that was seen. The refund, its
event and the outcome of its notification commit together.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

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
from django_wxpay.services.transactions import after_commit, atomic
from django_wxpay.services.transitions.dispatch import dispatch_new, first_marks
from django_wxpay.services.transitions.events import save_conflict, save_outcome

_ROUNDS: Final = 8


def apply_refund_fact(
    order: Order,
    refund: Refund | None,
    fact: RefundFact,
    *,
    notification: Notification,
    is_proven: bool,
) -> None:
    """Apply ``fact`` to ``refund``, the row of its number, or None if there is none yet.

    Saves ``notification`` with its outcome in the same transaction; if another delivery of it
    was saved first, that is an ``IntegrityError``. Raises ``OutcomeUnknown`` for a refund that
    other writers keep moving.
    """
    if not is_proven:
        # It may make a refund known, and moves nothing (protocol-v2 section 7.4).
        fact = replace(fact, refund_status=RefundStatus.PROCESSING, success_time=None)
    for _ in range(_ROUNDS):
        decision = decide_refund(_expectation(order, refund), fact)
        with atomic():
            is_written, event = _write(order, refund, fact, decision, notification)
        if is_written:
            if event is not None:
                after_commit(partial(dispatch_new, event, order))
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
    save_outcome(notification, order, decision)
    if isinstance(decision, Conflict):
        return True, save_conflict(order, decision, source=fact.source, notification=notification)
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
        refund_status=fact.refund_status,
        **_columns(fact, now),
    )


def _move(refund: Refund, fact: RefundFact) -> Refund | None:
    values = _columns(fact, clock.now())
    seen = Refund.objects.filter(pk=refund.pk, refund_status=refund.refund_status)
    # No row: somebody else moved the refund first. Read again, decide again.
    if not seen.update(refund_status=fact.refund_status, **values):
        return None
    refund.refund_status = fact.refund_status
    for name, value in values.items():
        setattr(refund, name, value)
    return refund


def _columns(fact: RefundFact, now: Any) -> dict[str, Any]:
    return {
        "refund_id": fact.refund_id,
        "user_received_account": fact.user_received_account,
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
        **first_marks(EventKinds.REFUND_SETTLED),
    )
