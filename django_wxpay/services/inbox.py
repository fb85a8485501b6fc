"""The one door for notify_url calls: verified, written down, settled, answered.

Decided means success, undecided means failure. A stranger's request costs no row: a count
and one log line that repeats nothing of what was sent. Seen is not done: a notification
that failed before is judged again when it comes again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, IntegrityError
from django.db.models import F, QuerySet, Subquery

from django_wxpay import conf
from django_wxpay.models import Notification, Order
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge, NotAuthentic
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2.notices import ACKNOWLEDGED, PaymentNotice, read_payment, refusal
from django_wxpay.services import clock
from django_wxpay.services.settling import settle
from django_wxpay.services.transactions import patiently

logger = logging.getLogger("django_wxpay.notifications")

# Requests that were not WeChat Pay's, by merchant and reason, since this process started.
strangers: Counter[tuple[str, str]] = Counter()

_UNKNOWN_ORDER: Final = "no such order"
_OUR_TROUBLE: Final = "not settled, please send again"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer to give, byte for byte; ``accepted`` says whether WeChat Pay will stop."""

    status: int
    content_type: str
    body: bytes
    accepted: bool


ACCEPTED: Final = Acknowledgement(200, "text/xml; charset=utf-8", ACKNOWLEDGED, accepted=True)


def receive_notification(
    merchant: str,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Acknowledgement:
    """Take in one call of notify_url and say what to answer.

    Never raises for what was sent, nor for our own trouble in settling it; raises
    ``UnknownMerchant`` for an alias that is not in the settings. Source: protocol-v2
    section 7.
    """
    account = conf.merchant(merchant)
    try:
        notice = _read(account, kind, headers, body)
    except MessageTooLarge as exc:
        return _refuse_stranger(account, kind, body, exc, status=413)
    except (MalformedMessage, NotAuthentic) as exc:
        return _refuse_stranger(account, kind, body, exc)
    try:
        return patiently(lambda: _take_in(_draft(account, kind, body, notice), notice))
    except Exception as exc:  # noqa: BLE001 - the inbox is an edge: what it catches is saved
        return _keep_trouble(_draft(account, kind, body, notice), exc)


def replay_notification(notification: Notification) -> Acknowledgement:
    """Judge a stored notification again, from its own bytes, whatever became of it before."""
    account = conf.merchant(notification.merchant)
    body = bytes(notification.body)
    try:
        notice = _read(account, notification.kind, notification.headers, body)
    except (MalformedMessage, NotAuthentic) as exc:
        return _refuse_stranger(account, notification.kind, body, exc)
    try:
        return _settle(notification, notice, _orders(notification).first())
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


def _read(account: Merchant, kind: str, headers: Mapping[str, str], body: bytes) -> PaymentNotice:
    if "wechatpay-signature" in {name.lower() for name in headers}:
        raise NotAuthentic("this merchant has no APIv3 keys")
    if kind != NotificationKinds.PAYMENT:
        raise MalformedMessage("not a payment notification")
    return read_payment(body, merchant=account)


def _refuse_stranger(
    account: Merchant,
    kind: str,
    body: bytes,
    exc: Exception,
    *,
    status: int = 200,
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
    said = "not authentic" if isinstance(exc, NotAuthentic) else "malformed"
    return _failure(said, status=status)


def _failure(reason: str, *, status: int = 200) -> Acknowledgement:
    return Acknowledgement(status, "text/xml; charset=utf-8", refusal(reason), accepted=False)


def _draft(account: Merchant, kind: str, body: bytes, notice: PaymentNotice) -> Notification:
    now = clock.now()
    return Notification(
        merchant=account.alias,
        kind=kind,
        fingerprint=notice.fingerprint,
        out_trade_no=notice.fields.get("out_trade_no", "")[:32],
        transaction_id=notice.fields.get("transaction_id", "")[:32],
        outcome=NotificationOutcomes.FAILED,
        body=body,
        created_at=now,
        updated_at=now,
    )


def _take_in(draft: Notification, notice: PaymentNotice) -> Acknowledgement:
    order = _orders(draft).first()
    outcome = getattr(order, "notice_outcome", None)
    if outcome in DECIDED:
        return _acknowledge_again(draft)
    if order is not None and outcome is None:
        return _settle(draft, notice, order)
    return _settle_known(draft, notice, order)


def _orders(notification: Notification) -> QuerySet[Order]:
    """Return the order and, in the same query, what became of this very notification."""
    same = Notification.objects.filter(fingerprint=notification.fingerprint)
    return Order.objects.filter(
        merchant=notification.merchant,
        out_trade_no=notification.out_trade_no,
    ).annotate(notice_outcome=Subquery(same.values("outcome")[:1]))


def _settle_known(
    draft: Notification,
    notice: PaymentNotice,
    order: Order | None,
) -> Acknowledgement:
    """Judge again what failed before, in its own row; or write down what fits no order."""
    notification = Notification.objects.filter(fingerprint=draft.fingerprint).first()
    if notification is None:
        return _settle(draft, notice, order)
    if notification.is_decided:
        return _acknowledge_again(notification)
    notification.attempts += 1
    notification.updated_at = draft.updated_at
    return _settle(notification, notice, order)


def _settle(
    notification: Notification,
    notice: PaymentNotice,
    order: Order | None,
) -> Acknowledgement:
    if notice.fact is None:
        return _keep(notification, NotificationOutcomes.IGNORED, "result_code is not SUCCESS")
    if order is None:
        return _keep(notification, NotificationOutcomes.FAILED, _UNKNOWN_ORDER)
    try:
        settle(order, notice.fact, notification=notification)
    except IntegrityError:
        # Another delivery of the same news was quicker; if it is decided, so is this one.
        same = Notification.objects.filter(fingerprint=notification.fingerprint).first()
        if same is None or not same.is_decided:
            raise
        return _acknowledge_again(same)
    return ACCEPTED


def _keep(
    notification: Notification,
    outcome: NotificationOutcomes,
    reason: str,
) -> Acknowledgement:
    notification.outcome = outcome
    notification.reason = reason
    notification.save()
    return ACCEPTED if outcome in DECIDED else _failure(reason)


def _acknowledge_again(notification: Notification) -> Acknowledgement:
    Notification.objects.filter(fingerprint=notification.fingerprint).update(
        attempts=F("attempts") + 1,
        updated_at=clock.now(),
    )
    return ACCEPTED


def _keep_trouble(notification: Notification, exc: Exception) -> Acknowledgement:
    """Save a notification that we could not settle; even that may fail, and is then logged."""
    logger.error("notification for %s not settled", notification.out_trade_no, exc_info=exc)
    reason = f"{_OUR_TROUBLE} ({type(exc).__name__})"
    undecided = Notification.objects.filter(fingerprint=notification.fingerprint).exclude(
        outcome__in=DECIDED,
    )
    try:
        if not undecided.update(outcome=NotificationOutcomes.FAILED, reason=reason):
            _keep(notification, NotificationOutcomes.FAILED, reason)
    except DatabaseError:
        logger.exception("notification for %s was not kept", notification.out_trade_no)
    return _failure(_OUR_TROUBLE)
