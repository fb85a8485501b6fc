"""Notifications that failed, judged again: after growing pauses, by one worker at a time.

The claim is a conditional update that sets the time of the next try, so the pause is the
lease as well: a worker that dies leaves the row to the others when the pause is over. A row
is given up when it still fails ``GIVE_UP_AFTER`` it came, and was tried at least once; it
stays FAILED, and a person may replay it. WeChat Pay repeats its notifications for a day
besides, and each delivery is judged whatever stands here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError
from django.db.models import F, QuerySet

from django_wxpay.models import Notification
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.protocol.errors import WXPayError
from django_wxpay.services import clock
from django_wxpay.services.claims import Batch
from django_wxpay.services.notifications.receiving import replay_notification
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

logger = logging.getLogger("django_wxpay.notifications")

# Longer than judging takes, a download of certificates included; each pause doubles it.
FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(hours=6)
# Time for a person to notice a mistake, mend it, and have what it held up settle by itself.
GIVE_UP_AFTER: Final = timedelta(days=30)


def retry_notifications(
    *,
    limit: int = 100,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Judge up to ``limit`` FAILED notifications again whose time has come.

    Those due longest come first. Returns how many are settled now; what fails once more is
    due later. Ends early, between two of them, when ``stop`` says so. Any number may run
    side by side. ``InsideTransaction`` in an open transaction, for v3 may need the network.
    """
    return judge_failed(limit=limit, stop=stop).done


def judge_failed(
    *,
    limit: int,
    stop: Callable[[], bool] = lambda: False,
    is_due_only: bool = True,
) -> Batch:
    """Do what ``retry_notifications`` does; say besides how many it found.

    With ``is_due_only`` False, pauses and what was given up do not count: a person asks.
    """
    require_no_transaction("retry_notifications")
    found = _due(limit) if is_due_only else list(_failed().order_by("retries", "id")[:limit])
    settled = 0
    for notification in found:
        if stop():
            break
        if retry_on_lock(partial(_claim, notification)):
            settled += _judge(notification)
    return Batch(found=len(found), done=settled)


def _failed() -> QuerySet[Notification]:
    return Notification.objects.filter(outcome=NotificationOutcomes.FAILED)


def _due(limit: int) -> list[Notification]:
    """Return those never tried, the oldest first, then those due longest."""
    found = list(_never_tried()[:limit])
    return [*found, *_tried_and_due()[: limit - len(found)]]


# Two queries, for each is one range of the index on every database; together they are not.
def _never_tried() -> QuerySet[Notification]:
    return _failed().filter(next_retry_at__isnull=True, retries=0).order_by("id")


def _tried_and_due() -> QuerySet[Notification]:
    return _failed().filter(next_retry_at__lte=clock.now()).order_by("next_retry_at", "id")


def _claim(notification: Notification) -> bool:
    """Take the row from the other workers; False if one of them was quicker."""
    as_seen = _failed().filter(pk=notification.pk, retries=notification.retries)
    next_retry_at = _next_retry_at(notification, clock.now())
    claimed = as_seen.update(retries=F("retries") + 1, next_retry_at=next_retry_at)
    return bool(claimed)


def _next_retry_at(notification: Notification, now: datetime) -> datetime | None:
    """Return when it is due after this try; None: never again by itself."""
    if now - notification.created_at >= GIVE_UP_AFTER:
        return None
    return now + min(FIRST_PAUSE * (1 << min(notification.retries, 10)), LONGEST_PAUSE)


def _judge(notification: Notification) -> bool:
    try:
        return replay_notification(notification).accepted
    except (WXPayError, DatabaseError) as problem:
        # Such as a merchant that is not in the settings any more: its rows wait, others go on.
        logger.warning("notification %s was not judged again: %s", notification.pk, problem)
        return False
