"""The one door for notify_url calls: verified, written down, settled, answered.

Decided means success, undecided means failure. A stranger's request costs no row: a count
and one log line that repeats nothing of what was sent. Nothing that goes wrong behind the
door gets out of it: it is saved with the notification and answered as a failure.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Final

from django.db import DatabaseError

from django_wxpay import conf
from django_wxpay.models import Notification, Order
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.protocol.errors import (
    ConfigurationError,
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
)
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.v3.encryption import TagMismatch
from django_wxpay.services.notifications import processing
from django_wxpay.services.notifications.parsing import read
from django_wxpay.services.notifications.responses import (
    Acknowledgement,
    Refusal,
    protocol_of,
    refused,
)
from django_wxpay.services.transactions import retry_on_lock

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
    api = protocol_of(headers)
    try:
        news = retry_on_lock(lambda: read(account, kind, headers, body))
    except _UNREAD as exc:
        return _refuse_stranger(account, kind, api, body, exc)
    except DatabaseError:
        logger.exception("a %s notification for merchant %s was not read", kind, merchant)
        return refused(api, Refusal.OUR_TROUBLE)

    def draft() -> Notification:
        return processing.draft_of(account, kind, headers, body, news)

    try:
        return retry_on_lock(lambda: processing.take_in(draft, news))
    except Exception as exc:  # noqa: BLE001 - the inbox is an edge: what it catches is saved
        return _keep_trouble(draft(), exc)


def replay_notification(notification: Notification) -> Acknowledgement:
    """Judge a stored notification again, from its own bytes, whatever became of it before."""
    account = conf.merchant(notification.merchant)
    body, kind, headers = bytes(notification.body), notification.kind, notification.headers
    try:
        news = read(account, kind, headers, body, replayed=True)
    except _UNREAD as exc:
        return _refuse_stranger(account, kind, protocol_of(headers), body, exc)
    try:
        return processing.judge_again(notification, news)
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


def _keep_trouble(notification: Notification, exc: Exception) -> Acknowledgement:
    """Save a notification that we could not settle; even that may fail, and is then logged.

    One that another delivery has settled meanwhile is decided, whatever our own trouble was.
    """
    logger.error("notification for %s not settled", notification.out_trade_no, exc_info=exc)
    reason = f"{Refusal.OUR_TROUBLE.reason} ({type(exc).__name__})"
    undecided = Notification.objects.filter(fingerprint=notification.fingerprint).exclude(
        outcome__in=DECIDED,
    )
    try:
        if undecided.update(outcome=NotificationOutcomes.FAILED, reason=reason):
            return refused(Api(notification.api), Refusal.OUR_TROUBLE)
        if Notification.objects.filter(fingerprint=notification.fingerprint).exists():
            return processing.acknowledge_again(notification)
        processing.keep(notification, NotificationOutcomes.FAILED, reason)
    except DatabaseError:
        logger.exception("notification for %s was not kept", notification.out_trade_no)
    return refused(Api(notification.api), Refusal.OUR_TROUBLE)
