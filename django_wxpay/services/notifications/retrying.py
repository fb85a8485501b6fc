"""Retries of notifications that failed, after growing pauses, by one worker at a time.

One is given up when it still fails ``GIVE_UP_AFTER`` it came, and was tried at least once; it
stays FAILED, and a person may replay it. WeChat Pay repeats its notifications for a day
besides, and each delivery is processed whatever stands here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import Error
from django.db.models import F, QuerySet

from django_wxpay.models import Notification
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.protocol.errors import WXPayError
from django_wxpay.services import clock
from django_wxpay.services.claims import SKEW, Batch, backoff, claim
from django_wxpay.services.notifications.receiving import replay_notification
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

logger = logging.getLogger("django_wxpay.notifications")

# Also the lease: longer than one try takes, a download of certificates included.
FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(hours=6)
# Time for a person to notice a mistake, correct it, and have what it held up applied by itself.
GIVE_UP_AFTER: Final = timedelta(days=30)


def retry_notifications(
    *,
    limit: int = 100,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Process up to ``limit`` FAILED notifications again that are due, longest due first.

    Returns how many are decided now; what fails once more is due later. Ends early, between
    two of them, when ``stop`` says so. Any number may run side by side. Raises
    ``InsideTransaction`` in an open transaction, for v3 may need the network.
    """
    return retry_failed(limit=limit, stop=stop).done


def retry_failed(
    *,
    limit: int,
    stop: Callable[[], bool] = lambda: False,
    is_due_only: bool = True,
) -> Batch:
    """Do what ``retry_notifications`` does; return besides how many it found.

    With ``is_due_only`` False, pauses and what was given up do not count: a person asks.
    """
    require_no_transaction("retry_notifications")
    found = _due(limit) if is_due_only else list(_failed().order_by("retries", "id")[:limit])
    decided = 0
    for notification in found:
        if stop():
            break
        if retry_on_lock(partial(_claim, notification, is_due_only=is_due_only)):
            decided += _retry(notification)
    return Batch(found=len(found), done=decided)


def _failed() -> QuerySet[Notification]:
    return Notification.objects.filter(outcome=NotificationOutcomes.FAILED)


def failing_again() -> QuerySet[Notification]:
    """Return the FAILED notifications that were tried again in vain, and will be once more."""
    return _failed().filter(retries__gt=0, next_retry_at__isnull=False)


def _due(limit: int) -> list[Notification]:
    found: list[Notification] = []
    for rows in (_never_tried(), _tried_and_due(), _held_by_no_clock()):
        found += rows[: limit - len(found)]
    return found


# Three queries, for each is one range of the index on every database; together they are not.
def _never_tried() -> QuerySet[Notification]:
    return _failed().filter(next_retry_at__isnull=True, retries=0).order_by("id")


def _tried_and_due() -> QuerySet[Notification]:
    return _failed().filter(next_retry_at__lte=clock.now()).order_by("next_retry_at", "id")


def _held_by_no_clock() -> QuerySet[Notification]:
    ahead = clock.now() + LONGEST_PAUSE + SKEW
    return _failed().filter(next_retry_at__gt=ahead).order_by("next_retry_at", "id")


def _claim(notification: Notification, *, is_due_only: bool) -> bool:
    # As it was seen: whoever was quicker has counted a try, or decided it.
    as_seen = _failed().filter(pk=notification.pk, retries=notification.retries)
    next_retry_at = _next_retry_at(notification, clock.now())
    due_by = None if is_due_only else notification.next_retry_at
    mine = partial(claim, as_seen, "next_retry_at", next_retry_at, longest=LONGEST_PAUSE)
    return bool(mine(due_by=due_by, retries=F("retries") + 1))


def _next_retry_at(notification: Notification, now: datetime) -> datetime | None:
    if now - notification.created_at >= GIVE_UP_AFTER:
        return None
    return now + backoff(notification.retries, FIRST_PAUSE, LONGEST_PAUSE)


def _retry(notification: Notification) -> bool:
    try:
        return replay_notification(notification).accepted
    except (WXPayError, Error) as problem:
        # Such as a merchant that is not in the settings any more: its rows wait, others go on.
        logger.warning("notification %s was not retried: %s", notification.pk, problem)
    except Exception:
        # Such as a driver's own when a connection dies, or a file of keys that is being replaced.
        logger.exception("notification %s was not retried", notification.pk)
    return False
