"""Retention: the rows that are deleted by their age, and the conditions under which they may be.

What a state is decided by stays. Orders, refunds and promotions have no row in the table; nor has
a notification that is not decided, an event that is not delivered, a note of a person, or a
conflict, by which the same contradiction is known again. Everything else of an order that is
deleted here can come again and changes nothing, since the order's own state decides.

An event of another product has no such state: by its notification alone it is known to have been
handed over. APIv3 signs the time, so that an old message is refused. v2 signs none, and whoever has
seen a message can send it again in years: of v2 the notification stays.

A platform certificate stays as well: a stored notification of APIv3 is verified with it whenever
it is replayed, and there is one in years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from django_wxpay import conf
from django_wxpay.models import (
    ApiReport,
    HourlyLatency,
    Notification,
    OrderEvent,
    Prepay,
    RefusalCount,
    ReportBacklog,
)
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.models.notification import DECIDED
from django_wxpay.models.sentences import Reasons
from django_wxpay.protocol.merchants import Api
from django_wxpay.services import clock
from django_wxpay.services.transactions import atomic, require_no_transaction, retry_on_lock

# SQLite has a single writer, so every payment waits while a batch commits: keep it small.
_BATCH: Final = 500

_KEPT: Final = (EventKinds.CONFLICTED, EventKinds.PAID_TWICE, EventKinds.NOTE)
_UNDECIDED: Final = tuple(each for each in NotificationOutcomes if each not in DECIDED)
_HANDED_ON_OVER_V2: Final = Q(
    api=Api.V2.value,
    reason_code=Reasons.OTHER_PRODUCT,
    outcome=NotificationOutcomes.APPLIED,
)
# A receiver of it is given the notification as well.
_NOT_DELIVERED: Final = OrderEvent.objects.filter(
    notification=OuterRef("pk"), kind=EventKinds.RECEIVED, dispatched_at__isnull=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """One table: its rows that may go, oldest first, and the setting that says when.

    ``by`` is the column of their order, with which an index begins. ``setting`` is the key in
    ``RETENTION_DAYS``, or ``ApiReport``, which has a setting of its own.
    """

    rows: str
    setting: str
    by: str
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
    older = rest = retention.older(before)
    done = 0
    while not stop():
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        found = list(rest.values_list("pk", retention.by)[: max(0, size)])
        if not found:
            break
        pks = [pk for pk, _ in found]
        # By their keys, for these databases have no limit to a DELETE; and only those that still
        # may go.
        batch = older.order_by().filter(pk__in=pks)
        done += retry_on_lock(partial(retention.delete, batch))
        # What stays is passed over once in a run, and not for each batch.
        rest = older.filter(**{f"{retention.by}__gte": found[-1][1]})
    return done


def _delete(rows: QuerySet[Any]) -> int:
    deleted, _ = rows.delete()
    return deleted


def _delete_notifications(rows: QuerySet[Notification]) -> int:
    with atomic():
        pks = list(rows.values_list("pk", flat=True))
        # That of another product's notification is nobody's history.
        events = OrderEvent.objects.filter(notification__in=pks)
        events.filter(kind=EventKinds.RECEIVED, dispatched_at__isnull=False).delete()
        # An event stays part of its order's history without the bytes that it came with.
        events.exclude(kind=EventKinds.RECEIVED).update(notification=None)
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
    rows = rows.exclude(outcome__in=_UNDECIDED).exclude(_HANDED_ON_OVER_V2)
    rows = rows.exclude(Exists(_NOT_DELIVERED))
    return rows.order_by("created_at", "id")


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


def _refusals(before: datetime) -> QuerySet[RefusalCount]:
    return RefusalCount.objects.filter(hour__lt=before).order_by("hour")


RETENTIONS: Final = (
    Retention(rows="calls", setting="ApiReport", by="created_at", older=_calls, delete=_delete),
    Retention(
        rows="notifications",
        setting="Notification",
        by="created_at",
        older=_notifications,
        delete=_delete_notifications,
    ),
    Retention(
        rows="order events", setting="OrderEvent", by="dispatched_at", older=_events, delete=_delete
    ),
    Retention(rows="prepays", setting="Prepay", by="created_at", older=_prepays, delete=_delete),
    Retention(
        rows="hours of latency", setting="HourlyLatency", by="hour", older=_hours, delete=_delete
    ),
    Retention(
        rows="hours of backlog", setting="HourlyLatency", by="hour", older=_backlogs, delete=_delete
    ),
    Retention(
        rows="hours of refusals", setting="RefusalCount", by="hour", older=_refusals, delete=_delete
    ),
)
