"""How many measured calls wait to be reported, now and hour by hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django_wxpay.models import ApiReport, ReportBacklog
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.services import clock
from django_wxpay.services.latency.rollup import full_hour
from django_wxpay.services.latency.summary import Period

# Beyond this nobody counts on: "more than a hundred thousand" says enough.
COUNTED_UP_TO: Final = 100_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """``waiting`` calls, at most ``COUNTED_UP_TO``; the first of them was made ``oldest_at``."""

    waiting: int
    oldest_at: datetime | None


def backlog() -> Backlog:
    """Return what waits to be reported at this moment."""
    waiting = ApiReport.objects.filter(report_status=ReportStatuses.PENDING)
    oldest = waiting.order_by("created_at", "id").values_list("created_at", flat=True)
    return Backlog(
        waiting=waiting.order_by()[:COUNTED_UP_TO].count(),
        oldest_at=oldest.first(),
    )


def note_backlog() -> Backlog:
    """Write down what waits at this moment, if no more has been seen waiting in this hour."""
    seen = backlog()
    hour, created = ReportBacklog.objects.get_or_create(
        hour=full_hour(clock.now()),
        defaults={"waiting": seen.waiting},
    )
    if not created:
        less = ReportBacklog.objects.filter(pk=hour.pk, waiting__lt=seen.waiting)
        less.update(waiting=seen.waiting)
    return seen


def backlog_by_hour(period: Period) -> Mapping[datetime, int]:
    """Return the most that waited in each hour in which somebody looked."""
    rows = ReportBacklog.objects.filter(hour__gte=period.start, hour__lt=period.end)
    return dict(rows.order_by("hour").values_list("hour", "waiting"))
