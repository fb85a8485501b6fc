"""The one door for notify_url calls: verified, written down, settled, answered.

Decided means success, undecided means failure. A stranger's request costs no row: a count
and one log line that repeats nothing of what was sent. Seen is not done: a notification
that failed before is judged again when it comes again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from django.db import DatabaseError, IntegrityError
from django.db.models import F, QuerySet, Subquery

from django_wxpay import conf
from django_wxpay.models import Notification, Order, Refund
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.protocol.errors import (
    ConfigurationError,
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
)
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.v3.aead import TagMismatch
from django_wxpay.services import clock
from django_wxpay.services.acknowledging import (
    Acknowledgement,
    Refusal,
    accepted,
    asks_in,
    refused,
)
from django_wxpay.services.reading import News, kept_headers, read
from django_wxpay.services.refund_settling import settle_refund
from django_wxpay.services.settling import settle
from django_wxpay.services.transactions import patiently
from django_wxpay.services.verdicts import save_verdict

logger = logging.getLogger("django_wxpay.notifications")

# Requests that were not WeChat Pay's, by merchant and reason, since this process started.
strangers: Counter[tuple[str, str]] = Counter()

# The most particular class first. The last two are behind a good signature: our own keys.
_REFUSALS: Final[tuple[tuple[type[Exception], Refusal], ...]] = (
    (MessageTooLarge, Refusal.TOO_LARGE),
    (MalformedMessage, Refusal.MALFORMED),
    (TagMismatch, Refusal.OUR_TROUBLE),
    (NotAuthentic, Refusal.NOT_AUTHENTIC),
    (ConfigurationError, Refusal.OUR_TROUBLE),
)
_UNREAD: Final = tuple(kind for kind, _ in _REFUSALS)


def receive_notification(
    merchant: str,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Acknowledgement:
    """Take in one call of notify_url and say what to answer.

    ``kind`` is "payment" or "refund". Never raises for what was sent, nor for our own
    trouble in settling it; raises ``UnknownMerchant`` for an alias that is not in the
    settings. Sources: protocol-v2 section 7, protocol-v3 section 6.
    """
    account = conf.merchant(merchant)
    api = asks_in(headers)
    try:
        news = patiently(lambda: read(account, kind, headers, body))
    except _UNREAD as exc:
        return _refuse_stranger(account, kind, api, body, exc)
    except DatabaseError:
        logger.exception("a %s notification for merchant %s was not read", kind, merchant)
        return refused(api, Refusal.OUR_TROUBLE)

    def draft() -> Notification:
        return _draft(account, kind, headers, body, news)

    try:
        return patiently(lambda: _take_in_once(draft, news))
    except Exception as exc:  # noqa: BLE001 - the inbox is an edge: what it catches is saved
        return _keep_trouble(draft(), exc)


def replay_notification(notification: Notification) -> Acknowledgement:
    """Judge a stored notification again, from its own bytes, whatever became of it before."""
    account = conf.merchant(notification.merchant)
    body, kind, headers = bytes(notification.body), notification.kind, notification.headers
    try:
        news = read(account, kind, headers, body, replayed=True)
    except _UNREAD as exc:
        return _refuse_stranger(account, kind, asks_in(headers), body, exc)
    try:
        return _settle(notification, news, _orders(notification, news).first())
    except Exception as exc:  # noqa: BLE001 - as above
        return _keep_trouble(notification, exc)


def settle_waiting(order: Order) -> None:
    """Judge again what came for this order before it was there."""
    waiting = Notification.objects.filter(
        merchant=order.merchant,
        out_trade_no=order.out_trade_no,
        outcome=NotificationOutcomes.FAILED,
    )
    answers = [replay_notification(notification) for notification in waiting.order_by("id")]
    if answers:
        order.refresh_from_db()


def _refuse_stranger(
    account: Merchant,
    kind: str,
    api: Api,
    body: bytes,
    exc: Exception,
) -> Acknowledgement:
    reason = type(exc).__name__
    strangers[account.alias, reason] += 1
    logger.warning(
        "refused a %s notification for merchant %s: %s (%d bytes, %d so far)",
        kind,
        account.alias,
        exc,
        len(body),
        strangers[account.alias, reason],
    )
    return refused(api, next(why for kind_of, why in _REFUSALS if isinstance(exc, kind_of)))


def _draft(
    account: Merchant,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
    news: News,
) -> Notification:
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


def _take_in_once(draft: Callable[[], Notification], news: News) -> Acknowledgement:
    try:
        return _take_in(draft(), news)
    except IntegrityError:
        # Another delivery of the same news was quicker; its row is there to be looked at now.
        return _take_in(draft(), news)


def _take_in(draft: Notification, news: News) -> Acknowledgement:
    order = _orders(draft, news).first()
    outcome = getattr(order, "notice_outcome", None)
    if outcome in DECIDED:
        return _acknowledge_again(draft)
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


def _settle_known(draft: Notification, news: News, order: Order | None) -> Acknowledgement:
    """Judge again what failed before, in its own row; or write down what fits no order."""
    notification = Notification.objects.filter(fingerprint=draft.fingerprint).first()
    if notification is None:
        return _settle(draft, news, order)
    if notification.is_decided:
        return _acknowledge_again(notification)
    _count_delivery(notification)
    return _settle(notification, news, order)


def _settle(notification: Notification, news: News, order: Order | None) -> Acknowledgement:
    subject = news.subject
    if subject is None:
        return _keep(notification, NotificationOutcomes.IGNORED, _nothing(news))
    if order is None:
        answer = _keep(notification, NotificationOutcomes.FAILED, _reason(Refusal.UNKNOWN_ORDER))
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


def _keep(
    notification: Notification,
    outcome: NotificationOutcomes,
    reason: str,
) -> Acknowledgement:
    notification.outcome = outcome
    notification.reason = reason
    save_verdict(notification)
    api = Api(notification.api)
    return accepted(api) if outcome in DECIDED else refused(api, Refusal.UNKNOWN_ORDER)


def _acknowledge_again(notification: Notification) -> Acknowledgement:
    _count_delivery(notification)
    return accepted(Api(notification.api))


def _count_delivery(notification: Notification) -> None:
    Notification.objects.filter(fingerprint=notification.fingerprint).update(
        attempts=F("attempts") + 1,
        updated_at=clock.now(),
    )


def _keep_trouble(notification: Notification, exc: Exception) -> Acknowledgement:
    """Save a notification that we could not settle; even that may fail, and is then logged.

    One that another delivery has settled meanwhile is decided, whatever our own trouble was.
    """
    logger.error("notification for %s not settled", notification.out_trade_no, exc_info=exc)
    reason = f"{_reason(Refusal.OUR_TROUBLE)} ({type(exc).__name__})"
    undecided = Notification.objects.filter(fingerprint=notification.fingerprint).exclude(
        outcome__in=DECIDED,
    )
    try:
        if undecided.update(outcome=NotificationOutcomes.FAILED, reason=reason):
            return refused(Api(notification.api), Refusal.OUR_TROUBLE)
        if Notification.objects.filter(fingerprint=notification.fingerprint).exists():
            return _acknowledge_again(notification)
        _keep(notification, NotificationOutcomes.FAILED, reason)
    except DatabaseError:
        logger.exception("notification for %s was not kept", notification.out_trade_no)
    return refused(Api(notification.api), Refusal.OUR_TROUBLE)


def _reason(why: Refusal) -> str:
    return str(why.value[0])


def _nothing(news: News) -> str:
    return f"not for us: {news.event_type}" if news.event_type else "result_code is not SUCCESS"
