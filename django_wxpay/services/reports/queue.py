"""Queue of calls that wait to be reported: its claims and its length.

A row is claimed with a lease. Of any number of workers one has it, and the rows of a worker
that died are free again when the lease ends. Only the claimant may change a claimed row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import F, QuerySet

from django_wxpay.models import ApiReport, ReportBacklog
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.services import clock
from django_wxpay.services.claims import claim, is_free
from django_wxpay.services.latency.rollup import start_of_hour
from django_wxpay.services.latency.summary import Period
from django_wxpay.services.transactions import retry_on_lock

# Far more than a batch takes, even if each of its reports times out in both tries.
LEASE: Final = timedelta(minutes=10)

# Counting stops here, so that a page or a check never counts millions of rows.
COUNTED_UP_TO: Final = 100_000

_OVER: Final = tuple(each for each in ReportStatuses if each != ReportStatuses.PENDING)


class ReportQueue:
    """The queue as one run sees it, which holds the rows that it has claimed."""

    def __init__(self) -> None:
        self._claimant = clock.nonce()
        # No row that waits was made before this, as the run saw it.
        self._since: datetime | None = None

    def claim(self, count: int, *, except_merchants: Sequence[str]) -> list[ApiReport]:
        """Claim up to ``count`` more rows, the oldest first; [] if none is free."""
        column = "report_claimed_until"
        lease_is_over = is_free(column, longest=LEASE, now=clock.now())
        # PostgreSQL expects what waits all over the table. Without a beginning it would pass over
        # every call that was sent, for each batch; to find the beginning it reads an index alone.
        self._since = self._since or _oldest_at()
        if self._since is None:
            return []
        waiting = _waiting().filter(lease_is_over, created_at__gte=self._since)
        free = waiting.exclude(merchant__in=except_merchants)
        oldest = free.order_by("created_at", "id").values_list("pk", flat=True)
        while pks := list(oldest[: max(0, count)]):
            until = clock.now() + LEASE
            # Not "is": SQLite would read all that wait, instead of looking the keys up.
            rows = ApiReport.objects.filter(pk__in=pks).exclude(report_status__in=_OVER)
            mine = partial(claim, rows, column, until, longest=LEASE)
            retry_on_lock(partial(mine, report_claim=self._claimant))
            # Where another worker was faster, fewer rows are claimed than were seen, or none.
            if claimed := list(self._claimed(pks).order_by("created_at", "id")):
                return claimed
        return []

    def mark_sent(self, pks: Sequence[int]) -> None:
        self._release(pks, tries=1, report_status=ReportStatuses.SENT, reported_at=clock.now())

    def give_up(self, pks: Sequence[int]) -> None:
        """Mark rows that were tried and will not be tried again."""
        self._release(pks, tries=1, report_status=ReportStatuses.FAILED)

    def mark_not_reportable(self, pks: Sequence[int]) -> None:
        self._release(pks, tries=0, report_status=ReportStatuses.NOT_REPORTABLE)

    def release(self, pks: Sequence[int], *, tries: int) -> None:
        """Leave rows to the next run."""
        self._release(pks, tries=tries)

    def _release(self, pks: Sequence[int], *, tries: int, **values: Any) -> None:
        if pks:
            attempts = F("report_attempts") + tries
            free = {"report_claim": "", "report_claimed_until": None, "report_attempts": attempts}
            retry_on_lock(partial(self._claimed(pks).update, **free, **values))

    def _claimed(self, pks: Sequence[int]) -> QuerySet[ApiReport]:
        return ApiReport.objects.filter(pk__in=pks, report_claim=self._claimant)


@dataclass(frozen=True, slots=True)
class Backlog:
    """``waiting`` calls, at most ``COUNTED_UP_TO``; the oldest was made at ``oldest_at``."""

    waiting: int
    oldest_at: datetime | None


def backlog() -> Backlog:
    """Return what waits to be reported now."""
    return Backlog(
        waiting=_waiting().order_by()[:COUNTED_UP_TO].count(),
        oldest_at=_oldest_at(),
    )


def _oldest_at() -> datetime | None:
    oldest = _waiting().order_by("created_at", "id").values_list("created_at", flat=True)
    return oldest.first()


def record_backlog() -> Backlog:
    """Keep what waits now, if it is the most of this hour."""
    seen = backlog()
    hour, created = ReportBacklog.objects.get_or_create(
        hour=start_of_hour(clock.now()),
        defaults={"waiting": seen.waiting},
    )
    if not created:
        # The condition is in the UPDATE, for another worker may have counted more meanwhile.
        less = ReportBacklog.objects.filter(pk=hour.pk, waiting__lt=seen.waiting)
        less.update(waiting=seen.waiting)
    return seen


def backlog_by_hour(period: Period) -> Mapping[datetime, int]:
    """Return the most that waited in each hour in which a worker counted."""
    rows = ReportBacklog.objects.filter(hour__gte=period.start, hour__lt=period.end)
    return dict(rows.order_by("hour").values_list("hour", "waiting"))


def _waiting() -> QuerySet[ApiReport]:
    return ApiReport.objects.filter(report_status=ReportStatuses.PENDING)
