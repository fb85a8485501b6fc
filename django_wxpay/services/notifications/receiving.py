"""The door for notify_url calls: verified, saved, applied, answered.

A decided notification is answered with success, an undecided one with failure. One that is
not authentic costs no row: a count, and a log line that repeats nothing of what was sent. One
that is authentic always has a row, also where it cannot be read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from django_wxpay import conf
from django_wxpay.models import Notification, Order
from django_wxpay.models.choices import NotificationOutcomes, RefusalReasons
from django_wxpay.models.notification import DECIDED
from django_wxpay.models.sentences import Reasons
from django_wxpay.protocol.errors import (
    ConfigurationError,
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
    OutcomeUnknown,
    UnknownMerchant,
)
from django_wxpay.protocol.facts import RefundFact
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.v2 import notices as v2
from django_wxpay.protocol.v2.xml import LARGEST_BODY as LARGEST_BODY_V2
from django_wxpay.protocol.v3 import notices as v3
from django_wxpay.protocol.v3.documents import LARGEST_BODY
from django_wxpay.protocol.v3.encryption import TagMismatch
from django_wxpay.protocol.v3.signing import signature_fault
from django_wxpay.services import clock, gateways, telemetry
from django_wxpay.services.notifications import processing
from django_wxpay.services.notifications.deliveries import Delivery, api_of, is_signed_in_header
from django_wxpay.services.notifications.refusals import reason_of, refusals
from django_wxpay.services.notifications.responses import Acknowledgement, Refusal, refused
from django_wxpay.services.sync.checking import check_hint_within, check_order_within
from django_wxpay.services.transactions import retry_on_lock

logger = logging.getLogger("django_wxpay.notifications")

# The most particular class first. Some are our own fault: a key of ours is wrong, or not here yet.
_REFUSALS: Final[tuple[tuple[type[Exception], Refusal], ...]] = (
    (MessageTooLarge, Refusal.TOO_LARGE),
    (MalformedMessage, Refusal.MALFORMED),
    (TagMismatch, Refusal.OUR_TROUBLE),
    (NotAuthentic, Refusal.NOT_AUTHENTIC),
    (ConfigurationError, Refusal.OUR_TROUBLE),
    # The key that it names is being downloaded at this moment; it is sent again.
    (OutcomeUnknown, Refusal.OUR_TROUBLE),
)
# Of the five seconds in which WeChat Pay wants its answer (protocol-v2 section 7.1).
_ASK_FOR_S: Final = 3.0
_UNREAD: Final = tuple(kind for kind, _ in _REFUSALS)


@conf.same_account()
def receive_notification(
    merchant: str,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Acknowledgement:
    """Process one call of notify_url and return the answer to it.

    ``kind`` is "payment" or "refund". Never raises for what was sent, nor for our own fault
    in applying it; raises ``UnknownMerchant`` for an alias that is not in the settings.
    Sources: protocol-v2 section 7, protocol-v3 section 6.
    """
    try:
        account = conf.merchant(merchant)
    except UnknownMerchant:
        # Not by the alias that it names, for anybody can think of another.
        _count("", RefusalReasons.UNKNOWN_MERCHANT)
        raise
    except ConfigurationError as problem:
        # Without settings nothing can be verified, so nothing is kept; it is sent again.
        logger.error("a %s notification was not read: %s", kind, problem)  # noqa: TRY400 - it says all
        _count("", RefusalReasons.OUR_TROUBLE)
        return refused(api_of(headers, body), Refusal.OUR_TROUBLE)
    except Exception:
        # Such as a file of keys that is replaced at this moment.
        logger.exception("a %s notification was not read", kind)
        _count("", RefusalReasons.OUR_TROUBLE)
        return refused(api_of(headers, body), Refusal.OUR_TROUBLE)
    delivery = Delivery(merchant=account, kind=kind, headers=headers, body=body)
    with telemetry.notification(account.alias, kind, delivery.api.value) as end:
        answer = _receive(delivery)
        end(answer.refusal.name if answer.refusal else "ACCEPTED")
    refusals.write_if_due()
    return answer


def _receive(delivery: Delivery) -> Acknowledgement:
    alias = delivery.merchant.alias
    try:
        notice = read(delivery)
    except _UNREAD as exc:
        _count(alias, reason_of(exc, delivery.body))
        return _refuse(delivery, exc)
    except Exception:
        # Not WeChat Pay's as far as we know, so it has no row; if it is, it comes again.
        logger.exception("a %s notification for merchant %s was not read", delivery.kind, alias)
        _count(alias, RefusalReasons.OUR_TROUBLE)
        return refused(delivery.api, Refusal.OUR_TROUBLE)
    try:
        return _settle(lambda: processing.process(delivery, notice), alias, notice)
    except Exception as exc:  # noqa: BLE001 - this door is an edge: what it catches is saved
        return _keep_trouble(delivery.row(notice), exc)


def _count(merchant: str, reason: RefusalReasons) -> None:
    telemetry.refused(merchant, reason.value)
    refusals.add(merchant, reason)


@conf.same_account()
def replay_notification(notification: Notification) -> Acknowledgement:
    """Verify and apply a stored notification again, whatever its outcome was before."""
    return _replay(notification, may_ask=True)


def _replay(notification: Notification, *, may_ask: bool) -> Acknowledgement:
    delivery = Delivery(
        merchant=conf.merchant(notification.merchant),
        kind=notification.kind,
        headers=notification.headers,
        body=bytes(notification.body),
        is_replayed=True,
    )
    try:
        notice = read(delivery)
    except _UNREAD as exc:
        return _refuse(delivery, exc)
    except Exception as exc:  # noqa: BLE001 - as above; it has a row already
        return _keep_trouble(notification, exc)
    try:
        return _settle(
            lambda: processing.process_again(notification, notice),
            notification.merchant,
            notice,
            may_ask=may_ask,
        )
    except Exception as exc:  # noqa: BLE001 - as above
        return _keep_trouble(notification, exc)


def apply_waiting(order: Order) -> None:
    """Replay what came for ``order`` before it was created."""
    waiting = Notification.objects.filter(
        merchant=order.merchant,
        out_trade_no=order.out_trade_no,
        outcome=NotificationOutcomes.FAILED,
    )
    # Hardly ever is there one, and to see that needs no column.
    if not waiting.exists():
        return
    for notification in waiting.order_by("id"):
        # Nothing is asked: to create an order is a matter of the database alone.
        _replay(notification, may_ask=False)
    order.refresh_from_db()


def read(delivery: Delivery) -> Notice:
    """Return the verified notification in ``delivery``, which says itself if it is unreadable.

    Raises ``MalformedMessage`` (``MessageTooLarge``) and ``NotAuthentic`` for what is not WeChat
    Pay's, ``ConfigurationError`` where a key of ours to verify with cannot be used.
    """
    merchant = delivery.merchant
    if delivery.api is Api.V3:
        _verify_v3(delivery)
        return v3.read_notice(delivery.body, merchant=merchant)
    if not merchant.api_key:
        raise NotAuthentic("this merchant has no v2 key", cause="NO_KEYS")
    return v2.read_notice(delivery.body, merchant=merchant)


def _settle(
    process: Callable[[], Acknowledgement], merchant: str, notice: Notice, *, may_ask: bool = True
) -> Acknowledgement:
    """Process ``notice``; if it is in doubt, have WeChat Pay asked for what it is about.

    A payment is processed once more then. A refund is settled by the answer itself.
    """
    answer = retry_on_lock(process)
    if may_ask and notice.doubt and isinstance(notice.fact, RefundFact) and answer.accepted:
        check_hint_within(merchant, notice.fact.out_refund_no, _ASK_FOR_S)
    if not may_ask or answer.refusal is not Refusal.UNPROVEN:
        return answer
    stored = Notification.objects.select_related("order").get(fingerprint=notice.fingerprint)
    if stored.order is None or not check_order_within(stored.order, _ASK_FOR_S):
        return answer
    return retry_on_lock(lambda: processing.process_again(stored, notice))


def _verify_v3(delivery: Delivery) -> None:
    # Before the signature, so that what is too large is answered as that, and not as forged.
    # Without the header it could be of v2, for all that can be seen.
    largest = LARGEST_BODY if is_signed_in_header(delivery.headers) else LARGEST_BODY_V2
    if len(delivery.body) > largest:
        raise MessageTooLarge(f"a notice is at most {largest} bytes long")
    if not is_signed_in_header(delivery.headers):
        raise NotAuthentic(
            "it is no XML and has no Wechatpay-Signature header; did a proxy drop it",
            cause="UNSIGNED",
        )
    if not delivery.merchant.api_v3_key:
        raise NotAuthentic("this merchant has no keys for v3", cause="NO_KEYS")
    is_past = delivery.is_replayed
    find = gateways.platform_key_of_past if is_past else gateways.platform_key
    fault = signature_fault(
        delivery.headers,
        delivery.body,
        now=None if is_past else int(clock.now().timestamp()),
        key_of=lambda serial: retry_on_lock(lambda: find(delivery.merchant.alias, serial)),
    )
    if fault is not None:
        raise NotAuthentic(f"the notice {fault}", cause=fault.name)


def _refuse(delivery: Delivery, exc: Exception) -> Acknowledgement:
    logger.warning(
        "refused a %s notification for merchant %s: %s (%d bytes)",
        delivery.kind,
        delivery.merchant.alias,
        exc,
        len(delivery.body),
    )
    why = next(why for kind, why in _REFUSALS if isinstance(exc, kind))
    return refused(delivery.api, why)


def _keep_trouble(notification: Notification, exc: Exception) -> Acknowledgement:
    logger.error("notification for %s not applied", notification.out_trade_no, exc_info=exc)
    api = Api(notification.api)
    notification.set_reason(Reasons.OUR_TROUBLE, error=type(exc).__name__)
    reason = {
        "reason_code": notification.reason_code,
        "reason_params": notification.reason_params,
    }
    same = Notification.objects.filter(fingerprint=notification.fingerprint)
    try:
        # Not what is decided: another delivery may have applied it meanwhile, and then it is
        # done, whatever our own trouble was.
        undecided = same.exclude(outcome__in=DECIDED)
        if undecided.update(outcome=NotificationOutcomes.FAILED, **reason):
            return refused(api, Refusal.OUR_TROUBLE)
        if same.exists():
            return processing.acknowledge_again(notification.fingerprint, api)
        processing.keep(notification, NotificationOutcomes.FAILED)
    except Exception:
        # A driver's own exceptions are no DatabaseError when a connection dies.
        logger.exception("notification for %s was not kept", notification.out_trade_no)
    return refused(api, Refusal.OUR_TROUBLE)
