"""Retention: the rows that are deleted by their age, and the conditions under which they may be.

What a state is decided by stays. Orders, refunds and promotions have no row in the table; nor has
a notification that is not decided, an event that is not delivered, or a conflict, by which the
same contradiction is known again. Everything else that is deleted here can come again and changes
nothing, since the order's own state decides.

A platform certificate stays as well: a stored notification of APIv3 is verified with it whenever
it is replayed, and there is one in years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import QuerySet

from django_wxpay import conf
from django_wxpay.models import (
    ApiReport,
    HourlyLatency,
    Notification,
    OrderEvent,
    Prepay,
    ReportBacklog,
)
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.services import clock
from django_wxpay.services.transactions import atomic, require_no_transaction, retry_on_lock

# SQLite has a single writer, so every payment waits while a batch commits: keep it small.
_BATCH: Final = 500

_KEPT: Final = (EventKinds.CONFLICTED, EventKinds.PAID_TWICE)
_UNDECIDED: Final = tuple(each for each in NotificationOutcomes if each not in DECIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """One table: its rows that may go, oldest first, and the setting that says when.

    ``setting`` is the key in ``RETENTION_DAYS``, or ``ApiReport``, which has a setting of its own.
    """

    rows: str
    setting: str
    older: Callable[[datetime], QuerySet[Any]]
    delete: Callable[[QuerySet[Any]], int]


def prune(
    *, limit: int | None = None, stop: Callable[[], bool] = lambda: False
) -> Mapping[str, int]:
    """Delete up to ``limit`` rows (None: all) of each table that are older than their retention.

    Oldest first, a few hundred in a transaction. Ends early, between two of these, when ``stop``
    returns True. Returns how many were deleted, by the name of the rows; a table whose rows are
    kept for good is not in it. Any number may run side by side.
    """
    require_no_transaction("prune")
    now, config = clock.now(), conf.current()
    days = {**config.retention_days, "ApiReport": config.api_report_retention_days}
    kept = [(each, days.get(each.setting)) for each in RETENTIONS]
    return {
        each.rows: _prune(each, now - timedelta(days=its_days), limit, stop)
        for each, its_days in kept
        if its_days is not None
    }


def _prune(
    retention: Retention, before: datetime, limit: int | None, stop: Callable[[], bool]
) -> int:
    older, done = retention.older(before), 0
    while not stop():
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        pks = list(older.values_list("pk", flat=True)[: max(0, size)])
        if not pks:
            break
        # By their keys, for these databases have no limit to a DELETE; and only those that still
        # may go.
        batch = older.order_by().filter(pk__in=pks)
        done += retry_on_lock(partial(retention.delete, batch))
    return done


def _delete(rows: QuerySet[Any]) -> int:
    deleted, _ = rows.delete()
    return deleted


def _delete_notifications(rows: QuerySet[Notification]) -> int:
    with atomic():
        pks = list(rows.values_list("pk", flat=True))
        # An event stays part of its order's history without the bytes that it came with.
        OrderEvent.objects.filter(notification__in=pks).update(notification=None)
        return _delete(Notification.objects.filter(pk__in=pks))


def _calls(before: datetime) -> QuerySet[ApiReport]:
    # Only those that an hour counts, so no figure changes. One that still waits to be reported
    # goes with the others of its age.
    rows = ApiReport.objects.filter(created_at__lt=before)
    # Not "is": SQLite would look all of them up by the mark, and sort them.
    return rows.exclude(is_rolled_up=False).order_by("created_at", "id")


def _notifications(before: datetime) -> QuerySet[Notification]:
    # By the last delivery as well: what WeChat Pay still repeats is not old.
    rows = Notification.objects.filter(created_at__lt=before, updated_at__lt=before)
    # Not "in" the others: SQLite would look all of them up by their outcome, and sort them.
    return rows.exclude(outcome__in=_UNDECIDED).order_by("created_at", "id")


def _events(before: datetime) -> QuerySet[OrderEvent]:
    # By the delivery, which undelivered events do not have; an index begins with it.
    rows = OrderEvent.objects.filter(dispatched_at__lt=before)
    # Not "in" the other kinds: SQLite would look all of them up by their kind, and sort them.
    return rows.exclude(kind__in=_KEPT).order_by("dispatched_at")


def _prepays(before: datetime) -> QuerySet[Prepay]:
    rows = Prepay.objects.filter(created_at__lt=before, expires_at__lt=before)
    return rows.order_by("created_at", "id")


def _hours(before: datetime) -> QuerySet[HourlyLatency]:
    return HourlyLatency.objects.filter(hour__lt=before).order_by("hour")


def _backlogs(before: datetime) -> QuerySet[ReportBacklog]:
    return ReportBacklog.objects.filter(hour__lt=before).order_by("hour")


RETENTIONS: Final = (
    Retention(rows="calls", setting="ApiReport", older=_calls, delete=_delete),
    Retention(
        rows="notifications",
        setting="Notification",
        older=_notifications,
        delete=_delete_notifications,
    ),
    Retention(rows="order events", setting="OrderEvent", older=_events, delete=_delete),
    Retention(rows="prepays", setting="Prepay", older=_prepays, delete=_delete),
    Retention(rows="hours of latency", setting="HourlyLatency", older=_hours, delete=_delete),
    Retention(rows="hours of backlog", setting="HourlyLatency", older=_backlogs, delete=_delete),
)
