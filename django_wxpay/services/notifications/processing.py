"""Processing of a verified notification: one row, one outcome, one answer."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError
from django.db.models import F, QuerySet, Subquery

from django_wxpay.models import Notification, Order
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.states import Conflict, Same, decide
from django_wxpay.services import clock
from django_wxpay.services.notifications.deliveries import Delivery
from django_wxpay.services.notifications.responses import (
    Acknowledgement,
    Refusal,
    accepted,
    refused,
)
from django_wxpay.services.transitions.events import save_notification, save_outcome
from django_wxpay.services.transitions.orders import apply_trade_fact, check_soon
from django_wxpay.services.transitions.refunds import apply_refund_fact, apply_refund_hint
from django_wxpay.services.transitions.seen_refunds import seen_refunds, with_refunds

# The beginning of the reason of what was authentic and could not be read.
UNREADABLE: Final = "not readable"

# The beginning of the reason of what was authentic and proves nothing by itself.
UNPROVEN: Final = "not proven"
# More hints at refunds of orders that we do not have are not kept: nobody has signed them.
MOST_WAITING_HINTS: Final = 100

# What a later reading of a stored notification may find out about it.
_FOUND_OUT: Final = ("kind", "event_id", "event_type", "out_trade_no", "transaction_id")


def process(delivery: Delivery, notice: Notice) -> Acknowledgement:
    """Save ``notice`` with its outcome, apply its fact, and return the answer."""
    try:
        return _process(delivery.row(notice), notice)
    except IntegrityError:
        # Another delivery of the same notice was saved first. Its row can be read now, and this
        # one needs a new row: a save that failed leaves its primary key behind.
        return _process(delivery.row(notice), notice)


def process_again(notification: Notification, notice: Notice) -> Acknowledgement:
    """Apply a stored notification, whatever its outcome was before."""
    _find_out(notification, notice)
    return _apply(notification, notice, _order(notification, notice))


def _process(row: Notification, notice: Notice) -> Acknowledgement:
    order = _order(row, notice)
    outcome = getattr(order, "notice_outcome", None)
    if outcome in DECIDED:
        return acknowledge_again(row)
    if order is not None and outcome is None:
        return _apply(row, notice, order)
    return _apply_known(row, notice, order)


def _order(notification: Notification, notice: Notice) -> Order | None:
    order = _orders(notification, notice).first()
    # Numbers are compared to the letter. A database may find "Case-abc" for "CASE-ABC", the order
    # of another program with the same mch_id.
    named = notification.merchant, notification.out_trade_no
    return order if order and (order.merchant, order.out_trade_no) == named else None


def _orders(notification: Notification, notice: Notice) -> QuerySet[Order]:
    # One query for the order, the outcome of this very notification and the refund: a payment
    # may cost six in all, a duplicate two.
    same = Notification.objects.filter(fingerprint=notification.fingerprint)
    orders = Order.objects.filter(
        merchant=notification.merchant,
        out_trade_no=notification.out_trade_no,
    ).annotate(notice_outcome=Subquery(same.values("outcome")[:1]))
    fact = notice.fact
    return with_refunds(orders, fact) if isinstance(fact, RefundFact) else orders


def _apply_known(row: Notification, notice: Notice, order: Order | None) -> Acknowledgement:
    notification = Notification.objects.filter(fingerprint=row.fingerprint).first()
    if notification is None:
        return _apply(row, notice, order)
    if notification.is_decided:
        return acknowledge_again(notification)
    # Seen is not done: one that failed before is applied again, in its own row.
    _count_delivery(notification)
    _find_out(notification, notice)
    return _apply(notification, notice, order)


def _find_out(notification: Notification, notice: Notice) -> None:
    # Its fingerprint stays: a delivery that was readable at once may have a row of its own, whose
    # fact is then known here, and applies nothing a second time.
    found = {name: getattr(notice, name) for name in _FOUND_OUT}
    new = {name: now for name, now in found.items() if now not in ("", getattr(notification, name))}
    if new:
        Notification.objects.filter(pk=notification.pk).update(**new)
        for name, value in new.items():
            setattr(notification, name, value)


def _apply(notification: Notification, notice: Notice, order: Order | None) -> Acknowledgement:
    fact = notice.fact
    if notice.unreadable:
        # Shown with its order, but for that its content is not applied.
        notification.order = order
        reason = f"{UNREADABLE}: {notice.unreadable}"
        return keep(notification, NotificationOutcomes.FAILED, reason, Refusal.UNREADABLE)
    if fact is None or (order is None and notice.product):
        return keep(notification, NotificationOutcomes.IGNORED, _nothing(notice))
    if order is not None:
        return _apply_to(order, notification, notice, fact)
    if _is_one_too_many(notification, notice):
        return refused(notice.api, Refusal.UNKNOWN_ORDER)
    answer = keep(notification, NotificationOutcomes.FAILED, Refusal.UNKNOWN_ORDER.reason)
    # Looked for again: an order created meanwhile looked for notifications that were waiting
    # for it before this one was kept, and so neither would find the other.
    order = _order(notification, notice)
    return answer if order is None else _apply_to(order, notification, notice, fact)


def _apply_to(
    order: Order, notification: Notification, notice: Notice, fact: TradeFact | RefundFact
) -> Acknowledgement:
    if isinstance(fact, RefundFact):
        return _apply_refund(notification, notice, order, fact)
    if doubt := notice.doubt or _unlike(order, fact, notice.api):
        return _apply_in_doubt(notification, order, fact, doubt)
    apply_trade_fact(order, fact, notification=notification)
    return accepted(notice.api)


def _is_one_too_many(notification: Notification, notice: Notice) -> bool:
    if notification.pk or not (notice.doubt and isinstance(notice.fact, RefundFact)):
        return False
    waiting = Notification.objects.filter(
        outcome=NotificationOutcomes.FAILED,
        merchant=notification.merchant,
        kind=notification.kind,
        api=notification.api,
    )
    return waiting.count() >= MOST_WAITING_HINTS


def _apply_refund(
    notification: Notification, notice: Notice, order: Order, fact: RefundFact
) -> Acknowledgement:
    seen = seen_refunds(order, fact)
    if not notice.doubt:
        apply_refund_fact(order, seen, fact, notification=notification)
    elif not apply_refund_hint(order, seen, fact, notification=notification) and notification.pk:
        # One that says nothing new leaves no row; this one has waited for its order.
        notification.order = order
        return keep(notification, NotificationOutcomes.IGNORED, f"{UNPROVEN}: {notice.doubt}")
    return accepted(notice.api)


def _unlike(order: Order, fact: TradeFact, api: Api) -> str:
    """Say what a v2 notification echoes otherwise than it was ordered; a v3 one is proven whole."""
    if api is Api.V2 and fact.attach and fact.attach != order.attach:
        return "its attach is not the order's"
    if api is Api.V2 and fact.trade_type and fact.trade_type != order.trade_type:
        return "its trade_type is not the order's"
    return ""


def _apply_in_doubt(
    notification: Notification, order: Order, fact: TradeFact, doubt: str
) -> Acknowledgement:
    """Save what ``order`` is by better proof; the caller asks WeChat Pay if that is undecided."""
    notification.order = order
    decision = decide(order.expectation(), fact)
    reason = f"{UNPROVEN}: {doubt}"
    if isinstance(decision, Same):
        save_outcome(notification, order, decision)
        return accepted(Api(notification.api))
    if isinstance(decision, Conflict):
        check_soon(order)
        return keep(notification, NotificationOutcomes.CONFLICT, reason)
    return keep(notification, NotificationOutcomes.FAILED, reason, Refusal.UNPROVEN)


def keep(
    notification: Notification,
    outcome: NotificationOutcomes,
    reason: str,
    why: Refusal = Refusal.UNKNOWN_ORDER,
) -> Acknowledgement:
    """Save an outcome that applied nothing, and return the answer to it."""
    notification.outcome = outcome
    notification.reason = reason
    save_notification(notification)
    api = Api(notification.api)
    return accepted(api) if outcome in DECIDED else refused(api, why)


def acknowledge_again(notification: Notification) -> Acknowledgement:
    """Count one more delivery of what is decided, and return success."""
    _count_delivery(notification)
    return accepted(Api(notification.api))


def _count_delivery(notification: Notification) -> None:
    Notification.objects.filter(fingerprint=notification.fingerprint).update(
        attempts=F("attempts") + 1,
        updated_at=clock.now(),
    )


def _nothing(notice: Notice) -> str:
    return f"not for us: {notice.product}" if notice.product else "result_code is not SUCCESS"
