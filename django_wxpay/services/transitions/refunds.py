"""Transitions of refunds, and the only writer of ``refund_status``.

As for orders, a move is a conditional UPDATE on the status that was seen. The refund, its
event and the outcome of its notification commit together. A proven refund takes a place among
those of its order that no other can take, so no two are ever decided on the same sum.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

from django.db import IntegrityError
from django.db.models import Q

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
from django_wxpay.services.transitions.orders import check_soon
from django_wxpay.services.transitions.seen_refunds import SeenRefunds, look_again

logger = logging.getLogger("django_wxpay.notifications")

_ROUNDS: Final = 8
# An order can have no more (protocol-v2 section 6.4).
MOST_REFUNDS: Final = 50


class _OvertakenError(Exception):
    """Another writer was first, so the rows are read and decided on again."""


def apply_refund_fact(
    order: Order,
    seen: SeenRefunds,
    fact: RefundFact,
    *,
    notification: Notification,
) -> None:
    """Apply ``fact``, which WeChat Pay has signed, to the refund that it names.

    Saves ``notification`` with its outcome in the same transaction; if another delivery of it
    was saved first, that is an ``IntegrityError``. Raises ``OutcomeUnknown`` for a refund that
    other writers keep moving.
    """
    for _ in range(_ROUNDS):
        decision = decide_refund(_expectation(order, seen), fact)
        try:
            with atomic():
                event = _write(order, seen, fact, decision, notification)
        except _OvertakenError:
            seen = look_again(order, fact)
            continue
        if event is not None:
            after_commit(partial(dispatch_new, event, order))
        return
    raise OutcomeUnknown(f"refund {fact.out_refund_no} keeps moving; ask again")


def apply_refund_hint(
    order: Order,
    seen: SeenRefunds,
    fact: RefundFact,
    *,
    notification: Notification,
) -> bool:
    """Make known a refund that ``fact`` says there is, without a proof; return whether it is news.

    It moves nothing, contradicts nothing and settles no value (protocol-v2 section 7.4). If it is
    news, ``notification`` is saved with it, with the errors of ``apply_refund_fact``.
    """
    if not _is_news(order, seen, fact):
        return False
    with atomic():
        if seen.refund is None:
            _insert(order, fact, status=RefundStatus.PROCESSING, position=None)
        save_outcome(notification, order, Same())
    return True


def _is_news(order: Order, seen: SeenRefunds, fact: RefundFact) -> bool:
    known = seen.refund
    if known is not None and known.order_id == order.pk:
        is_open = known.refund_status in {RefundStatus.PROCESSING, RefundStatus.ABNORMAL}
        return is_open and known.refund_status != fact.refund_status
    decision = decide_refund(_expectation(order, seen), fact)
    if isinstance(decision, Conflict):
        logger.warning(
            "a hint at refund %s of order %s contradicts what is known, and was left out: %s",
            fact.out_refund_no,
            order.out_trade_no,
            ", ".join(name for name, *_ in decision.differences),
        )
        return False
    hinted = Refund.objects.filter(order=order, position__isnull=True)
    return hinted.count() < MOST_REFUNDS


def _expectation(order: Order, seen: SeenRefunds) -> RefundExpectation:
    refund = seen.refund
    is_proven = refund is not None and refund.is_proven
    return RefundExpectation(
        order=order.expectation(),
        # Of a hint nothing is held against a proof.
        status=RefundStatus(refund.refund_status) if refund and is_proven else None,
        refund_fee=refund.refund_fee if refund and is_proven else None,
        refund_id=refund.refund_id if refund and is_proven else "",
        refunded_fee=seen.refunded_fee,
        belongs_elsewhere=refund is not None and refund.order_id != order.pk,
        id_taken=seen.id_taken,
    )


def _write(
    order: Order,
    seen: SeenRefunds,
    fact: RefundFact,
    decision: RefundMove | Same | Conflict,
    notification: Notification,
) -> OrderEvent | None:
    refund = seen.refund
    if isinstance(decision, RefundMove):
        try:
            refund = _move(order, seen, fact)
        except IntegrityError:
            # Its place or its number was taken since; what is there now is decided on.
            raise _OvertakenError from None
    save_outcome(notification, order, decision)
    if isinstance(decision, Conflict):
        check_soon(order)
        return save_conflict(
            order,
            decision,
            source=fact.source,
            notification=notification,
            out_refund_no=fact.out_refund_no,
        )
    if isinstance(decision, RefundMove) and decision.is_settled:
        return _event(order, refund, fact, notification)
    return None


def _move(order: Order, seen: SeenRefunds, fact: RefundFact) -> Refund:
    refund, place = seen.refund, seen.last_position + 1
    if refund is None:
        return _insert(order, fact, status=fact.refund_status, position=place)
    values = {"refund_status": fact.refund_status} | _columns(fact)
    if not refund.is_proven:
        values |= {"refund_fee": fact.refund_fee, "position": place}
    as_seen = Refund.objects.filter(
        Q(position=refund.position) if refund.is_proven else Q(position__isnull=True),
        pk=refund.pk,
        refund_status=refund.refund_status,
    )
    if not as_seen.update(**values):
        raise _OvertakenError
    for name, value in values.items():
        setattr(refund, name, value)
    return refund


def _insert(
    order: Order, fact: RefundFact, *, status: RefundStatus, position: int | None
) -> Refund:
    # What is merely hinted at is shown, but for the outcome and for a number that could then be
    # missing where it is proven.
    described = {} if position is None else _columns(fact)
    now = clock.now()
    return Refund.objects.create(
        **described
        | {
            "order": order,
            "merchant": order.merchant,
            "out_refund_no": fact.out_refund_no,
            "refund_fee": fact.refund_fee,
            "refund_status": status,
            "position": position,
            "created_at": now,
            "updated_at": now,
        }
    )


def _columns(fact: RefundFact) -> dict[str, Any]:
    values = {
        "refund_id": fact.refund_id,
        "user_received_account": fact.user_received_account,
        "success_time": fact.success_time,
    }
    return {name: value for name, value in values.items() if value} | {"updated_at": clock.now()}


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
