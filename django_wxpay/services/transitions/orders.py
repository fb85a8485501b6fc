"""Transitions of orders, and the only writer of ``trade_state``.

A move is a conditional UPDATE on the state that was seen, so it holds on every database, with
or without row locks. The move, its event and the outcome of its notification commit together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any, Final

from django.db import IntegrityError

from django_wxpay.models import Notification, Order, OrderEvent, Prepay, Promotion
from django_wxpay.protocol.errors import OutcomeUnknown
from django_wxpay.protocol.facts import Payment, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.states import (
    OPEN,
    Conflict,
    Decision,
    Demand,
    EventKind,
    Move,
    Older,
    Same,
    announced,
    decide,
)
from django_wxpay.services import clock
from django_wxpay.services.statements import Insert, Slot, Update
from django_wxpay.services.transactions import after_commit, atomic
from django_wxpay.services.transitions.checks import check_of_paid, check_soon
from django_wxpay.services.transitions.dispatch import dispatch_new, first_marks
from django_wxpay.services.transitions.events import save_conflict, save_event, save_outcome


class OutdatedAnswer(Exception):
    """An answer contradicts a state that came after its question, so it proves nothing."""


class _OvertakenError(Exception):
    """Somebody else moved the order first, so it is read and decided on again."""


class _TransactionTakenError(Exception):
    """The transaction of a fact has paid another order."""


# Each lost race means that another writer got on; more than a few in a row means a fault.
_ROUNDS = 8


def apply_trade_fact(
    order: Order,
    fact: TradeFact,
    *,
    notification: Notification | None = None,
    only_while: Container[str] = frozenset(TradeState),
    asked_in: str | None = None,
) -> Decision:
    """Apply ``fact`` to ``order``, which is up to date afterwards; return what was decided.

    A ``notification``, new or known, is saved with its outcome in the same transaction; if
    it is new and another delivery of it was saved first, that is an ``IntegrityError``. In a
    state outside ``only_while`` the fact is overtaken, and applies nothing. ``asked_in`` is the
    state that was known when WeChat Pay was asked for it. Raises ``OutdatedAnswer`` for a
    contradiction to a later one, and ``OutcomeUnknown`` for an order that other writers keep
    moving.
    """
    for _ in range(_ROUNDS):
        is_current = order.trade_state in only_while
        expected = order.expectation()
        decision = decide(expected, fact) if is_current else Same()
        if notification is not None:
            decision = announced(decision, expected, fact)
        is_later = asked_in is not None and order.trade_state != asked_in
        if is_later and isinstance(decision, Conflict):
            raise OutdatedAnswer
        try:
            return _apply(order, fact, decision, notification)
        except _OvertakenError:
            order.refresh_from_db()
        except _TransactionTakenError:
            return _apply(order, fact, _taken(fact), notification)
    raise OutcomeUnknown(f"order {order.out_trade_no} keeps moving; ask again")


def accept(order: Order, prepay: Prepay) -> None:
    """Save the ``prepay`` the gateway granted; an order it had not accepted before is NOTPAY.

    Ends the lease under which ``order`` was placed, if it has that still and is accepted for the
    first time. May be called again after a lost connection, whose COMMIT may have arrived.
    """
    if prepay.pk and Prepay.objects.filter(pk=prepay.pk, order=order).exists():
        order.refresh_from_db()
        return
    prepay.pk = None
    values = {"err_code": "", "err_code_des": "", "updated_at": prepay.created_at}
    lease = {"id": order.pk, "leased_until": order.placing_until}
    with atomic():
        # The order first: inserting a prepay takes a shared lock on the order it refers to, and
        # two who hold that lock deadlock when both go on to update the order.
        is_first = bool(_ACCEPT_UNDER_LEASE.run(**lease, **values))
        if is_first or _accept_after_lease(order, values):
            move = Move(TradeState.NOTPAY, EventKind.MOVED)
            save_event(_event(order, move, source="unifiedorder"))
        _PREPAY.run(prepay)
    if not is_first:
        order.refresh_from_db()
        return
    order.trade_state, order.placing_until = TradeState.NOTPAY.value, None
    for name, value in values.items():
        setattr(order, name, value)


_PREPAY: Final = Insert(Prepay)
_ACCEPT_UNDER_LEASE: Final = Update(
    Order.objects.filter(
        pk=Slot(Order, "id"),
        trade_state=TradeState.CREATED,
        placing_until=Slot(Order, "placing_until", "leased_until"),
    ),
    trade_state=TradeState.NOTPAY,
    placing_until=None,
    err_code=Slot(Order, "err_code"),
    err_code_des=Slot(Order, "err_code_des"),
    updated_at=Slot(Order, "updated_at"),
)


def _accept_after_lease(order: Order, values: dict[str, Any]) -> bool:
    """Save ``values`` to an order whose lease is over; return whether it is accepted by that."""
    row = Order.objects.filter(pk=order.pk)
    created = row.filter(trade_state=TradeState.CREATED)
    if created.update(trade_state=TradeState.NOTPAY, **values):
        return True
    row.update(**values)
    return False


_REFUNDED = Move(TradeState.REFUND, EventKind.MOVED)


def follow_refund(order: Order, status: RefundStatus) -> bool:
    """Move a paid order to REFUND, as its first refund that is not closed does at WeChat Pay.

    Joins the caller's transaction, before it inserts anything that refers to the order: two who
    have done that wait for one another. Returns whether it moved; then ``save_refunded`` is to
    be called. An order that is not known to be paid is asked for instead.
    """
    if status is RefundStatus.CLOSED or order.trade_state == TradeState.REFUND:
        return False
    if not order.is_paid:
        check_soon(order)
        return False
    paid = Order.objects.filter(pk=order.pk, trade_state=TradeState.SUCCESS)
    # The description is of the state that it was given for.
    values = {
        "trade_state": _REFUNDED.state.value,
        "trade_state_desc": "",
        "updated_at": clock.now(),
    }
    # Another writer may have moved it, and then there is nothing left to do.
    return bool(paid.update(**values))


def save_refunded(order: Order, *, source: str, notification: Notification | None) -> None:
    """Save the event of the move that ``follow_refund`` has made, and show it on ``order``."""
    event = _event(order, _REFUNDED, source=source)
    event.notification = notification
    save_event(event)
    order.trade_state, order.trade_state_desc = _REFUNDED.state.value, ""


def _apply(
    order: Order,
    fact: TradeFact,
    decision: Decision,
    notification: Notification | None,
) -> Decision:
    with atomic():
        event = _write(order, fact, decision, notification)
    if event is not None:
        after_commit(partial(dispatch_new, event, order))
    return decision


def _taken(fact: TradeFact) -> Conflict:
    return Conflict((("transaction_id", Demand.OF_NO_OTHER_ORDER.value, fact.transaction_id),))


def _write(
    order: Order,
    fact: TradeFact,
    decision: Decision,
    notification: Notification | None,
) -> OrderEvent | None:
    values = {} if isinstance(decision, Conflict) else _values(order, fact, decision)
    if values:
        _update(order, values)
    if notification is not None:
        save_outcome(notification, order, decision)
    event = _new_event(order, decision, fact, notification)
    if not isinstance(decision, Conflict):
        _save_promotions(order, fact.payment)
    if notification is not None and isinstance(decision, Conflict | Older):
        check_soon(order)
    for name, value in values.items():
        setattr(order, name, value)
    return event


def _update(order: Order, values: dict[str, Any]) -> None:
    is_paid = values.get("trade_state") == TradeState.SUCCESS
    move = _move(tuple(values), is_paid=is_paid, is_scheduled=order.next_check_at is not None)
    seen = {"id": order.pk, "seen_state": order.trade_state, "seen_check": order.next_check_at}
    try:
        moved = move.run(**values, **seen, now=values["updated_at"])
    except IntegrityError:
        # The only unique column among them: the payment is another order's.
        raise _TransactionTakenError from None
    if not moved:
        raise _OvertakenError


# Facts fill few sets of columns: those of a payment of either protocol, and of an end.
@lru_cache(maxsize=64)
def _move(columns: tuple[str, ...], *, is_paid: bool, is_scheduled: bool) -> Update:
    as_seen = Order.objects.filter(
        pk=Slot(Order, "id"), trade_state=Slot(Order, "trade_state", "seen_state")
    )
    values: dict[str, Any] = {name: Slot(Order, name) for name in columns}
    if is_paid:
        values["next_check_at"] = check_of_paid(is_scheduled=is_scheduled)
    return Update(as_seen, **values)


def _values(order: Order, fact: TradeFact, decision: Decision) -> dict[str, Any]:
    # The first statement of a value stands: a later fact only fills what is empty.
    values = {
        name: value
        for name, value in _columns(fact).items()
        if value not in ("", None, []) and getattr(order, name) in ("", None, [])
    }
    if isinstance(decision, Move):
        values["trade_state"] = decision.state.value
        if decision.state not in OPEN:
            values["next_check_at"] = None
    same_state = fact.trade_state == values.get("trade_state", order.trade_state)
    if same_state and fact.trade_state_desc not in ("", order.trade_state_desc):
        values["trade_state_desc"] = fact.trade_state_desc
    elif isinstance(decision, Move) and order.trade_state_desc:
        values["trade_state_desc"] = ""
    return {**values, "updated_at": clock.now()} if values else {}


def _columns(fact: TradeFact) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "transaction_id": fact.transaction_id,
        "success_time": fact.success_time,
        "bank_type": fact.bank_type,
    }
    paid = fact.payment
    if paid is not None:
        columns |= {
            "payer_openid": paid.openid,
            "payer_sp_openid": paid.sp_openid,
            "payer_sub_openid": paid.sub_openid,
            "payer_total": paid.payer_total,
            "payer_currency": paid.payer_currency,
            "cash_fee": paid.cash_fee,
            "cash_fee_type": paid.cash_fee_type,
            "settlement_total_fee": paid.settlement_total_fee,
            "coupon_fee": paid.coupon_fee,
            "coupons": [asdict(coupon) for coupon in paid.coupons],
            "exchange_rate_type": paid.exchange_rate_type,
            "exchange_rate": paid.exchange_rate,
        }
    return columns


def _new_event(
    order: Order,
    decision: Decision,
    fact: TradeFact,
    notification: Notification | None,
) -> OrderEvent | None:
    if isinstance(decision, Move):
        event = _event(order, decision, source=fact.source)
        event.notification = notification
        save_event(event)
        return event
    if isinstance(decision, Conflict):
        return save_conflict(order, decision, source=fact.source, notification=notification)
    return None


def _event(order: Order, move: Move, *, source: str) -> OrderEvent:
    states = order.trade_state, move.state.value
    is_conflict = move.kind is EventKind.CONFLICTED
    return OrderEvent(
        order=order,
        kind=move.kind.value,
        from_state=order.trade_state,
        to_state=move.state.value,
        source=source,
        # In the words of every other conflict, for pages and receivers to show.
        detail={"differences": [["trade_state", *states]]} if is_conflict else {},
        **first_marks(move.kind.value),
    )


def _save_promotions(order: Order, payment: Payment | None) -> None:
    if payment is None or not payment.promotions:
        return
    column = Promotion._meta.get_field("promotion_id")  # noqa: SLF001 - Django's documented model API
    rows = []
    seen: Counter[str] = Counter()
    for promotion in payment.promotions:
        values = asdict(promotion)
        # Counted by the id as its column holds it, for that is what is unique.
        stored = values["promotion_id"] = column.get_prep_value(promotion.promotion_id)
        values["goods_detail"] = list(values["goods_detail"])
        seen[stored] += 1
        rows.append(Promotion(order=order, occurrence=seen[stored], **values))
    Promotion.objects.bulk_create(rows, ignore_conflicts=True)
