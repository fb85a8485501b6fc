"""Which measured calls wait to be reported, whose they are meanwhile, and how they leave.

A row is claimed by a conditional update with a lease: of any number of workers one has it,
and what a worker that died has left is anybody's when the lease is over. Only whoever holds
a row's claim may settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from django_wxpay.models import ApiReport
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.services import clock
from django_wxpay.services.transactions import retry_on_lock

# Far more than a batch takes, even if every one of its reports waits out both of its tries.
LEASE: Final = timedelta(minutes=10)


class Claim:
    """The rows that one run has taken."""

    def __init__(self) -> None:
        self._name = clock.nonce()

    def take(self, count: int, *, but_of: Sequence[str]) -> list[ApiReport]:
        """Return up to ``count`` more rows, the oldest first; [] if none is free.

        ``but_of`` are merchants whose rows are left alone.
        """
        due = _free().exclude(merchant__in=but_of).order_by("created_at", "id")
        while seen := list(due.values_list("pk", flat=True)[: max(0, count)]):
            free, until = _free().filter(pk__in=seen), clock.now() + LEASE
            retry_on_lock(partial(free.update, report_claim=self._name, report_claimed_until=until))
            # Where another worker was quicker, fewer are ours than were seen, perhaps none.
            if rows := list(self._ours(seen).order_by("created_at", "id")):
                return rows
        return []

    def sent(self, rows: Sequence[int]) -> None:
        """Mark rows that WeChat Pay has."""
        self._leave(rows, tried=1, report_status=ReportStatuses.SENT, reported_at=clock.now())

    def give_up(self, rows: Sequence[int]) -> None:
        """Mark rows that nobody will try again."""
        self._leave(rows, tried=1, report_status=ReportStatuses.FAILED)

    def cannot_be_sent(self, rows: Sequence[int]) -> None:
        """Mark rows that there is no key or no sub-merchant for."""
        self._leave(rows, tried=0, report_status=ReportStatuses.NOT_REPORTABLE)

    def free(self, rows: Sequence[int], *, tried: int) -> None:
        """Let rows wait on, for whichever run comes next."""
        self._leave(rows, tried=tried)

    def _leave(self, rows: Sequence[int], *, tried: int, **more: Any) -> None:
        if rows:
            attempts = F("report_attempts") + tried
            left = {"report_claim": "", "report_claimed_until": None, "report_attempts": attempts}
            retry_on_lock(partial(self._ours(rows).update, **left, **more))

    def _ours(self, rows: Sequence[int]) -> QuerySet[ApiReport]:
        return ApiReport.objects.filter(pk__in=rows, report_claim=self._name)


def _free() -> QuerySet[ApiReport]:
    nobodys = Q(report_claimed_until__isnull=True) | Q(report_claimed_until__lt=clock.now())
    return ApiReport.objects.filter(nobodys, report_status=ReportStatuses.PENDING)
