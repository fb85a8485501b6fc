"""Transitions of refunds by what WeChat Pay states; ``refund_requests`` has those of our own.

As for orders, a move is a conditional UPDATE on the status that was seen. The refund, its
event, the move of its order and the outcome of its notification commit together. A refund takes
a place among those of its order that no other can take, so no two are ever decided on the same
sum.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from django.db import IntegrityError
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.models.choices import EventKinds
from django_wxpay.protocol.errors import OutcomeUnknown
from django_wxpay.protocol.facts import RefundFact, RefundStatus
from django_wxpay.protocol.refunds import MOST_REFUNDS
from django_wxpay.protocol.states import (
    Conflict,
    Older,
    RefundExpectation,
    RefundMove,
    Same,
    announced_refund,
    decide_refund,
)
from django_wxpay.services import clock
from django_wxpay.services.transactions import after_commit, atomic
from django_wxpay.services.transitions.checks import check_soon, soonest_check
from django_wxpay.services.transitions.dispatch import dispatch_new, first_marks
from django_wxpay.services.transitions.events import save_conflict, save_event, save_outcome
from django_wxpay.services.transitions.orders import (
    OutdatedAnswer,
    follow_refund,
    save_refunded,
)
from django_wxpay.services.transitions.refund_requests import FIRST_CHECK
from django_wxpay.services.transitions.seen_refunds import SeenRefunds, look_again

logger = logging.getLogger("django_wxpay.notifications")

_ROUNDS: Final = 8
# The statuses that nothing follows (protocol-v3 section 8.2).
OVER: Final = frozenset({RefundStatus.SUCCESS, RefundStatus.CLOSED})


class _OvertakenError(Exception):
    """Another writer was first, so the rows are read and decided on again."""


def apply_refund_fact(
    order: Order,
    fact: RefundFact,
    *,
    seen: SeenRefunds | None = None,
    notification: Notification | None = None,
    asked_in: str | None = None,
) -> RefundMove | Same | Conflict:
    """Apply ``fact``, which WeChat Pay has stated, to the refund that it names.

    ``seen`` is what ``seen_refunds`` found, if the caller has it; what was decided is returned.
    Saves ``notification`` with its outcome in the same transaction; if another delivery of it
    was saved first, that is an ``IntegrityError``. ``asked_in`` is the ``standing`` of the refund
    when WeChat Pay was asked for it. Raises ``OutdatedAnswer`` for anything but the same about a
    later one, as a refund that is stuck may go on, and ``OutcomeUnknown`` for a refund that other
    writers keep moving.
    """
    seen = seen or look_again(order, fact)
    for _ in range(_ROUNDS):
        expected = _expectation(order, seen)
        decision = decide_refund(expected, fact)
        if notification is not None:
            decision = announced_refund(decision, expected, fact)
        is_later = asked_in is not None and standing(seen.refund) != asked_in
        if is_later and not isinstance(decision, Same):
            raise OutdatedAnswer
        try:
            with atomic():
                event = _write(order, seen, fact, decision, notification)
        except _OvertakenError:
            seen = look_again(order, fact)
            continue
        if event is not None:
            after_commit(partial(dispatch_new, event, order))
        return decision
    raise OutcomeUnknown(f"refund {fact.out_refund_no} keeps moving; ask again")


def standing(refund: Refund | None) -> str:
    """Return the status that WeChat Pay has stated of ``refund``, "" where it has stated none."""
    return refund.refund_status if refund is not None and refund.is_proven else ""


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
        else:
            known = Refund.objects.filter(pk=seen.refund.pk)
            known.update(next_check_at=soonest_check(clock.now()))
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
            "a hint at refund %s of order %s contradicts what is known, and is asked for: %s",
            fact.out_refund_no,
            order.out_trade_no,
            ", ".join(name for name, *_ in decision.differences),
        )
        # It may be all that ever comes of a refund that the merchant platform made.
        check_soon(order)
        return False
    hinted = Refund.objects.filter(order=order, position__isnull=True)
    return hinted.count() < MOST_REFUNDS


def _expectation(order: Order, seen: SeenRefunds) -> RefundExpectation:
    refund = seen.refund
    # Of a hint nothing is held against a proof.
    is_ours = refund is not None and not refund.is_hint
    return RefundExpectation(
        order=order.expectation(),
        status=RefundStatus(known) if (known := standing(refund)) else None,
        refund_fee=refund.refund_fee if refund and is_ours else None,
        refund_id=refund.refund_id if refund else "",
        refunded_fee=seen.refunded_fee,
        is_reserved=refund is not None and refund.is_reserved,
        belongs_elsewhere=refund is not None and refund.order_id != order.pk,
        id_taken=seen.id_taken,
    )


def _write(
    order: Order,
    seen: SeenRefunds,
    fact: RefundFact,
    decision: RefundMove | Same | Conflict,
    notification: Notification | None,
) -> OrderEvent | None:
    refund, has_moved = seen.refund, False
    if isinstance(decision, RefundMove):
        has_moved = follow_refund(order, fact.refund_status)
        try:
            refund = _move(order, seen, fact)
        except IntegrityError:
            # Its place or its number was taken since; what is there now is decided on.
            raise _OvertakenError from None
    if notification is not None:
        save_outcome(notification, order, decision)
    if has_moved:
        save_refunded(order, source=fact.source, notification=notification)
    if notification is not None and isinstance(decision, Conflict | Older):
        check_soon(order)
    if isinstance(decision, Conflict):
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
    if not refund.is_reserved:
        # Of a hint, or of one that was given up and that WeChat Pay has made all the same.
        values |= {"refund_fee": fact.refund_fee, "position": place}
    as_seen = Refund.objects.filter(
        Q(position__isnull=True) if refund.is_hint else Q(position=refund.position),
        Q(refund_id__isnull=not refund.is_proven),
        pk=refund.pk,
        refund_status=refund.refund_status,
    )
    # One that was given up, or no longer asked for, may have got on: it is asked for again.
    due = Coalesce(F("next_check_at"), Value(values["updated_at"] + FIRST_CHECK))
    if not as_seen.update(**{"next_check_at": due} | values):
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
    # A hint is asked for at once, and a proven refund until it is over.
    check_at = now if position is None else now + FIRST_CHECK
    return Refund.objects.create(
        **{"next_check_at": check_at}
        | described
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
    payout = fact.payout
    values = {
        "refund_id": fact.refund_id,
        "user_received_account": fact.user_received_account,
        "success_time": fact.success_time,
        "channel": payout.channel,
        "funds_account": payout.funds_account,
        "settlement_refund_fee": payout.settlement_refund_fee,
        "payer_refund": payout.payer_refund,
        "payer_currency": payout.payer_currency,
        "coupon_refund_fee": payout.coupon_refund_fee,
        "coupons": [asdict(coupon) for coupon in payout.coupons],
    }
    stated: dict[str, Any] = {
        name: value for name, value in values.items() if value not in ("", None, [])
    }
    # What refused an earlier try is over.
    stated |= {"err_code": "", "err_code_des": "", "updated_at": clock.now()}
    if fact.refund_status in OVER:
        stated["next_check_at"] = None
    return stated


def _event(
    order: Order,
    refund: Refund | None,
    fact: RefundFact,
    notification: Notification | None,
) -> OrderEvent:
    event = OrderEvent(
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
    save_event(event)
    return event
