"""What becomes of a notification that was believed: one row, one verdict, one answer.

Seen is not done: one that failed before is judged again, in its own row, when it comes
again. What is decided is only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import IntegrityError
from django.db.models import F, QuerySet, Subquery

from django_wxpay.models import Notification, Order, Refund
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.services import clock
from django_wxpay.services.notifications.parsing import News, kept_headers
from django_wxpay.services.notifications.responses import (
    Acknowledgement,
    Refusal,
    accepted,
    refused,
)
from django_wxpay.services.transitions.orders import settle
from django_wxpay.services.transitions.outcomes import save_verdict
from django_wxpay.services.transitions.refunds import settle_refund


def draft_of(
    account: Merchant,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
    news: News,
) -> Notification:
    """Return the row that ``news`` would be, not yet saved and not yet decided."""
    now = clock.now()
    return Notification(
        merchant=account.alias,
        # v3 may tell of a refund where payments are told of; it is a refund all the same.
        kind=NotificationKinds.REFUND if isinstance(news.subject, RefundFact) else kind,
        api=news.api.value,
        event_id=news.event_id[:64],
        event_type=news.event_type[:64],
        fingerprint=news.fingerprint,
        out_trade_no=news.out_trade_no[:32],
        transaction_id=news.transaction_id[:32],
        outcome=NotificationOutcomes.FAILED,
        headers=kept_headers(headers),
        body=body,
        created_at=now,
        updated_at=now,
    )


def take_in(draft: Callable[[], Notification], news: News) -> Acknowledgement:
    """Write ``news`` down with what it did; ``draft`` makes a new row for each try."""
    try:
        return _take_in(draft(), news)
    except IntegrityError:
        # Another delivery of the same news was quicker; its row is there to be looked at now.
        return _take_in(draft(), news)


def _take_in(draft: Notification, news: News) -> Acknowledgement:
    order = _orders(draft, news).first()
    outcome = getattr(order, "notice_outcome", None)
    if outcome in DECIDED:
        return acknowledge_again(draft)
    if order is not None and outcome is None:
        return _settle(draft, news, order)
    return _settle_known(draft, news, order)


def _orders(notification: Notification, news: News) -> QuerySet[Order]:
    """Return the order and, in the same query, what became of this very notification."""
    same = Notification.objects.filter(fingerprint=notification.fingerprint)
    orders = Order.objects.filter(
        merchant=notification.merchant,
        out_trade_no=notification.out_trade_no,
    ).annotate(notice_outcome=Subquery(same.values("outcome")[:1]))
    if not isinstance(news.subject, RefundFact):
        return orders
    refund = Refund.objects.filter(
        merchant=notification.merchant,
        out_refund_no=news.subject.out_refund_no,
    )
    return orders.annotate(
        seen_refund_pk=Subquery(refund.values("pk")[:1]),
        seen_refund_status=Subquery(refund.values("refund_status")[:1]),
        seen_refund_fee=Subquery(refund.values("refund_fee")[:1]),
    )


def judge_again(notification: Notification, news: News) -> Acknowledgement:
    """Settle a stored notification, whatever became of it before."""
    return _settle(notification, news, _orders(notification, news).first())


def _settle_known(draft: Notification, news: News, order: Order | None) -> Acknowledgement:
    """Judge again what failed before, in its own row; or write down what fits no order."""
    notification = Notification.objects.filter(fingerprint=draft.fingerprint).first()
    if notification is None:
        return _settle(draft, news, order)
    if notification.is_decided:
        return acknowledge_again(notification)
    _count_delivery(notification)
    return _settle(notification, news, order)


def _settle(notification: Notification, news: News, order: Order | None) -> Acknowledgement:
    subject = news.subject
    if subject is None:
        return keep(notification, NotificationOutcomes.IGNORED, _nothing(news))
    if order is None:
        answer = keep(notification, NotificationOutcomes.FAILED, Refusal.UNKNOWN_ORDER.reason)
        # An order made meanwhile has looked for waiting news before this was kept.
        order = _orders(notification, news).first()
        if order is None:
            return answer
    if isinstance(subject, TradeFact):
        settle(order, subject, notification=notification)
    else:
        settle_refund(
            order,
            _seen_refund(order, subject.out_refund_no),
            subject,
            notification=notification,
            is_hint=news.is_hint,
        )
    return accepted(Api(notification.api))


def _seen_refund(order: Order, out_refund_no: str) -> Refund | None:
    """Return the refund's row as far as the order's own query has brought it along."""
    pk: int | None = getattr(order, "seen_refund_pk", None)
    if pk is None:
        return None
    return Refund(
        pk=pk,
        order=order,
        merchant=order.merchant,
        out_refund_no=out_refund_no,
        refund_status=getattr(order, "seen_refund_status"),  # noqa: B009 - an annotation
        refund_fee=getattr(order, "seen_refund_fee"),  # noqa: B009 - an annotation
    )


def keep(
    notification: Notification,
    outcome: NotificationOutcomes,
    reason: str,
) -> Acknowledgement:
    """Save a verdict that settles nothing, and answer by it."""
    notification.outcome = outcome
    notification.reason = reason
    save_verdict(notification)
    api = Api(notification.api)
    return accepted(api) if outcome in DECIDED else refused(api, Refusal.UNKNOWN_ORDER)


def acknowledge_again(notification: Notification) -> Acknowledgement:
    """Count one more delivery of what is decided, and answer success."""
    _count_delivery(notification)
    return accepted(Api(notification.api))


def _count_delivery(notification: Notification) -> None:
    Notification.objects.filter(fingerprint=notification.fingerprint).update(
        attempts=F("attempts") + 1,
        updated_at=clock.now(),
    )


def _nothing(news: News) -> str:
    return f"not for us: {news.event_type}" if news.event_type else "result_code is not SUCCESS"
