"""Transitions of refunds, and the only writer of ``refund_status``.

As for orders, a move is a conditional UPDATE on the status that was seen. The refund, its
event and the outcome of its notification commit together. A proven refund takes a place among
those of its order that no other can take, so no two are ever decided on the same sum.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db import IntegrityError
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Sum

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
from django_wxpay.services.transitions.events import dispatch_event, save_conflict, save_outcome
from django_wxpay.services.transitions.orders import check_soon

logger = logging.getLogger("django_wxpay.notifications")

_ROUNDS: Final = 8
# An order can have no more (protocol-v2 section 6.4).
MOST_REFUNDS: Final = 50

# The columns of a refund that its next status is decided by.
_SEEN: Final = (
    "id",
    "order_id",
    "out_refund_no",
    "refund_id",
    "refund_fee",
    "refund_status",
    "position",
)


class _OvertakenError(Exception):
    """Another writer was first, so the rows are read and decided on again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRefunds:
    """What a fact about a refund is decided on.

    ``refund`` is the row of its number, or None. ``refunded_fee`` is the sum of the order's other
    proven refunds that are not closed, ``last_position`` the place of the last of them.
    """

    refund: Refund | None
    refunded_fee: int
    last_position: int
    id_taken: bool


def with_refunds(orders: QuerySet[Order], fact: RefundFact) -> QuerySet[Order]:
    """Return ``orders`` with the columns that ``seen_refunds`` reads, for one query altogether."""
    of_merchant = Refund.objects.filter(merchant=OuterRef("merchant")).order_by()
    same = of_merchant.filter(out_refund_no=fact.out_refund_no)
    namesakes = of_merchant.filter(refund_id=fact.refund_id, position__isnull=False)
    proven = Refund.objects.filter(order=OuterRef("pk"), position__isnull=False).order_by()
    others = proven.exclude(out_refund_no=fact.out_refund_no).exclude(
        refund_status=RefundStatus.CLOSED
    )
    return orders.annotate(
        **{f"seen_{name}": Subquery(same.values(name)[:1]) for name in _SEEN},
        seen_refunded_fee=Subquery(_aggregate(others, Sum("refund_fee"))),
        seen_last_position=Subquery(_aggregate(proven, Max("position"))),
        seen_namesake=Subquery(
            namesakes.exclude(out_refund_no=fact.out_refund_no).values("refund_id")[:1]
        ),
    )


def seen_refunds(order: Order, fact: RefundFact) -> SeenRefunds:
    """Return what the query of ``with_refunds`` found for ``order``."""
    columns = order.__dict__
    return SeenRefunds(
        refund=_seen_refund(order, fact),
        refunded_fee=columns["seen_refunded_fee"] or 0,
        last_position=columns["seen_last_position"] or 0,
        # To the letter, as numbers of orders are.
        id_taken=bool(fact.refund_id) and columns["seen_namesake"] == fact.refund_id,
    )


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
            seen = _look_again(order, fact)
            continue
        if event is not None:
            after_commit(partial(dispatch_event, event, order))
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


def _look_again(order: Order, fact: RefundFact) -> SeenRefunds:
    return seen_refunds(with_refunds(Order.objects.filter(pk=order.pk), fact).get(), fact)


def _aggregate(refunds: QuerySet[Refund], total: Any) -> QuerySet[Any]:
    return refunds.values("order").annotate(total=total).values("total")


def _seen_refund(order: Order, fact: RefundFact) -> Refund | None:
    known = {name: order.__dict__[f"seen_{name}"] for name in _SEEN}
    if known["id"] is None or known["out_refund_no"] != fact.out_refund_no:
        return None
    known["merchant"] = order.merchant
    fields = Refund._meta.concrete_fields  # noqa: SLF001 - Django's documented model API
    columns = [field.attname for field in fields if field.attname in known]
    # As if loaded with all other columns deferred. An instance of our making would hand receivers
    # empty columns; a query of its own would be one too many.
    database = order._state.db  # noqa: SLF001 - Django's documented model API
    refund = Refund.from_db(database, columns, [known[name] for name in columns])
    if refund.order_id == order.pk:
        refund.order = order
    return refund


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
        created_at=clock.now(),
    )
