"""Processing of a verified notification: one row, one outcome, one answer."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError
from django.db.models import F, QuerySet, Subquery

from django_wxpay.models import Notification, Order
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.models.sentences import Reasons
from django_wxpay.protocol.facts import RefundFact, TradeFact, TradeType
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.notices import OTHER, Doubt, Notice
from django_wxpay.protocol.states import Conflict, Older, Same, announced, decide
from django_wxpay.services import clock
from django_wxpay.services.notifications.deliveries import Delivery
from django_wxpay.services.notifications.responses import (
    Acknowledgement,
    Refusal,
    accepted,
    refused,
)
from django_wxpay.services.statements import Found, Select, Slot, Update
from django_wxpay.services.transitions.checks import check_soon
from django_wxpay.services.transitions.events import (
    save_for_receivers,
    save_notification,
    save_outcome,
)
from django_wxpay.services.transitions.orders import apply_trade_fact
from django_wxpay.services.transitions.refunds import apply_refund_fact, apply_refund_hint
from django_wxpay.services.transitions.seen_refunds import (
    asked_refund,
    seen_refunds,
    with_refunds,
)

# More hints at refunds of orders that we do not have are not kept: nobody has signed them.
MOST_WAITING_HINTS: Final = 100

# What a later reading of a stored notification may find out about it.
_FOUND_OUT: Final = ("kind", "event_id", "event_type", "out_trade_no", "transaction_id")


def process(delivery: Delivery, notice: Notice) -> Acknowledgement:
    """Save ``notice`` with its outcome, apply its fact, and return the answer."""
    try:
        return _process(delivery, notice)
    except IntegrityError:
        # Another delivery of the same notice was saved first. Its row can be read now, and this
        # one needs a new row: a save that failed leaves its primary key behind.
        return _process(delivery, notice)


def process_again(notification: Notification, notice: Notice) -> Acknowledgement:
    """Apply a stored notification, whatever its outcome was before."""
    order = _order(notification, notice)
    _find_out(notification, notice, order)
    return _apply(notification, notice, order)


def _process(delivery: Delivery, notice: Notice) -> Acknowledgement:
    alias, number = delivery.merchant.alias, notice.out_trade_no
    found = _find(alias, number, notice.fingerprint, notice.fact)
    outcome = found.annotation("notice_outcome") if found else None
    if outcome in DECIDED:
        return acknowledge_again(notice.fingerprint, notice.api)
    row, order = delivery.row(notice), _named(found, alias, number)
    if order is not None and outcome is None:
        return _apply(row, notice, order)
    return _apply_known(row, notice, order)


def _order(notification: Notification, notice: Notice) -> Order | None:
    # What was found out before stays where the document does not say it any more.
    named = notification.merchant, notice.out_trade_no or notification.out_trade_no
    return _named(_find(*named, notification.fingerprint, notice.fact), *named)


# One query for the order, the outcome of this very notification and the refund: a payment may cost
# six in all, a duplicate two.
_SAME: Final = Notification.objects.filter(fingerprint=Slot(Notification, "fingerprint"))
_ORDERS: Final[QuerySet[Order]] = Order.objects.filter(
    merchant=Slot(Order, "merchant"), out_trade_no=Slot(Order, "out_trade_no")
).annotate(notice_outcome=Subquery(_SAME.values("outcome")[:1]))
_OF_PAYMENT: Final = Select(_ORDERS)
_OF_REFUND: Final = Select(with_refunds(_ORDERS))


def _find(
    alias: str, number: str, fingerprint: str, fact: TradeFact | RefundFact | None
) -> Found[Order] | None:
    values = {"merchant": alias, "out_trade_no": number, "fingerprint": fingerprint}
    if isinstance(fact, RefundFact):
        return _OF_REFUND.run(**values, **asked_refund(fact))
    return _OF_PAYMENT.run(**values)


def _named(found: Found[Order] | None, alias: str, number: str) -> Order | None:
    order = found.row() if found else None
    # Numbers are compared to the letter. A database may find "Case-abc" for "CASE-ABC", the order
    # of another program with the same mch_id.
    is_it = order is not None and (order.merchant, order.out_trade_no) == (alias, number)
    return order if is_it else None


def _apply_known(row: Notification, notice: Notice, order: Order | None) -> Acknowledgement:
    notification = Notification.objects.filter(fingerprint=row.fingerprint).first()
    if notification is None:
        return _apply(row, notice, order)
    if notification.is_decided:
        return acknowledge_again(notification.fingerprint, notice.api)
    # Seen is not done: one that failed before is applied again, in its own row.
    _count_delivery(notification.fingerprint)
    _find_out(notification, notice, order)
    return _apply(notification, notice, order)


def _find_out(notification: Notification, notice: Notice, order: Order | None) -> None:
    # Its fingerprint stays: a delivery that was readable at once may have a row of its own, whose
    # fact is then known here, and applies nothing a second time.
    found = {name: getattr(notice, name) for name in _FOUND_OUT}
    if _is_for_others(notice, order):
        found["kind"] = OTHER
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
        return _keep_unread(notification, notice.unreadable)
    if _is_for_others(notice, order):
        return _hand_on(notification, notice)
    if fact is None:
        notification.set_reason(Reasons.NOT_SUCCESS)
        return keep(notification, NotificationOutcomes.IGNORED)
    if order is not None:
        return _apply_to(order, notification, notice, fact)
    if _is_one_too_many(notification, notice):
        return refused(notice.api, Refusal.UNKNOWN_ORDER)
    notification.set_reason(Reasons.UNKNOWN_ORDER)
    answer = keep(notification, NotificationOutcomes.FAILED)
    # Looked for again: an order created meanwhile looked for notifications that were waiting
    # for it before this one was kept, and so neither would find the other.
    order = _order(notification, notice)
    return answer if order is None else _apply_to(order, notification, notice, fact)


def _is_for_others(notice: Notice, order: Order | None) -> bool:
    return bool(notice.product) and (notice.fact is None or order is None)


def _keep_unread(notification: Notification, problem: str) -> Acknowledgement:
    notification.set_reason(Reasons.UNREADABLE, problem=problem)
    return keep(notification, NotificationOutcomes.FAILED, Refusal.UNREADABLE)


def _hand_on(notification: Notification, notice: Notice) -> Acknowledgement:
    """Give an event of another product to the receivers of ``notification_received``."""
    # Also where it reads like a payment or a refund: of no order here it is neither.
    notification.kind = OTHER
    if notice.incomplete:
        return _keep_unread(notification, notice.incomplete)
    if notice.fact is None and notice.doubt:
        # A document of v2 that its signature does not prove. Nothing can be asked about it.
        notification.set_reason(Reasons.UNPROVEN, doubt=notice.doubt)
        return keep(notification, NotificationOutcomes.IGNORED)
    others = Notification.objects.filter(fingerprint=notice.fingerprint)
    others = others.exclude(pk=notification.pk) if notification.pk else others.none()
    try:
        save_for_receivers(
            notification,
            fingerprint=notice.fingerprint,
            product=notice.product,
            resource=notice.resource,
        )
    except IntegrityError:
        # For a new one, a delivery that was saved first; for whatever else, a fault of our own.
        if not others.exists():
            raise
        # One that could not be read at first, and that has come again since and could be.
        notification.refresh_from_db()
        notification.set_reason(Reasons.SAID_ALREADY)
        keep(notification, NotificationOutcomes.IGNORED)
    return accepted(notice.api)


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
        apply_refund_fact(order, fact, seen=seen, notification=notification)
    elif not apply_refund_hint(order, seen, fact, notification=notification) and notification.pk:
        # One that says nothing new leaves no row; this one has waited for its order.
        notification.order = order
        notification.set_reason(Reasons.UNPROVEN, doubt=notice.doubt)
        return keep(notification, NotificationOutcomes.IGNORED)
    return accepted(notice.api)


def _unlike(order: Order, fact: TradeFact, api: Api) -> Doubt | None:
    """Say what a v2 notification echoes otherwise than it was ordered; a v3 one is proven whole.

    Of neither protocol is one of a payment by code, which a call may be reversing at this moment.
    """
    if order.trade_type == TradeType.MICROPAY:
        return Doubt.BY_CODE
    if api is Api.V2 and fact.attach and fact.attach != order.attach:
        return Doubt.OTHER_ATTACH
    if api is Api.V2 and fact.trade_type and fact.trade_type != order.trade_type:
        return Doubt.OTHER_TRADE_TYPE
    return None


def _apply_in_doubt(
    notification: Notification, order: Order, fact: TradeFact, doubt: Doubt
) -> Acknowledgement:
    """Save what ``order`` is by better proof; the caller asks WeChat Pay if that is undecided."""
    notification.order = order
    expected = order.expectation()
    decision = announced(decide(expected, fact), expected, fact)
    if isinstance(decision, Same):
        if isinstance(decision, Older):
            check_soon(order)
        save_outcome(notification, order, decision)
        return accepted(Api(notification.api))
    notification.set_reason(Reasons.UNPROVEN, doubt=doubt)
    if isinstance(decision, Conflict):
        check_soon(order)
        return keep(notification, NotificationOutcomes.CONFLICT)
    return keep(notification, NotificationOutcomes.FAILED, Refusal.UNPROVEN)


def keep(
    notification: Notification,
    outcome: NotificationOutcomes,
    why: Refusal = Refusal.UNKNOWN_ORDER,
) -> Acknowledgement:
    """Save an outcome that applied nothing, with its reason, and return the answer to it."""
    seen, notification.outcome = notification.outcome, outcome
    save_notification(notification, seen=seen)
    api = Api(notification.api)
    return accepted(api) if outcome in DECIDED else refused(api, why)


def acknowledge_again(fingerprint: str, api: Api) -> Acknowledgement:
    """Count one more delivery of what is decided, and return success."""
    _count_delivery(fingerprint)
    return accepted(api)


_ONE_MORE: Final = Update(
    _SAME, attempts=F("attempts") + 1, updated_at=Slot(Notification, "updated_at")
)


def _count_delivery(fingerprint: str) -> None:
    _ONE_MORE.run(fingerprint=fingerprint, updated_at=clock.now())
