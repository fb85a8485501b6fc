"""Leases on rows, pauses that grow, and the result of a batch.

A claim is a conditional UPDATE of a time column, so of any number of workers on any number of
machines one has a row, and the row of a worker that died is free again when its time is over::

    if retry_on_lock(partial(claim, Thing.objects.filter(pk=pk), "leased_until", now + LEASE)):
        work()

Rows claimed in a batch are marked with the claimant's name in the same UPDATE
(``report_claim=name``), and read back by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from django_wxpay.services import clock

Duration = TypeVar("Duration", timedelta, float)

# Past this many doublings every pause is its longest, and no number overflows.
_MOST_DOUBLINGS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``found`` pieces of work that were due, of which ``done`` are done with now.

    The others were claimed by another worker, failed and have a later try ahead of them, or
    were left because the run was to stop.
    """

    found: int
    done: int


def claim(
    rows: QuerySet[Any],
    column: str,
    until: datetime | None,
    *,
    due_by: datetime | None = None,
    **values: Any,
) -> int:
    """Claim those of ``rows`` that are free, and return how many are the caller's now.

    A row is free while ``column`` is null or not after ``due_by`` (default: now). It is given
    ``until``, and ``values`` in the same UPDATE. A column that holds when a row was taken,
    instead of until when, is claimed with ``until`` now and ``due_by`` the oldest age allowed.
    """
    due_by = due_by or clock.now()
    # MariaDB waits for the lock of every row that it looks at in order to write. COALESCE is a
    # condition that no index on the column serves, so it looks up the rows themselves ...
    free = rows.alias(_free_at=Coalesce(column, Value(due_by))).filter(_free_at__lte=due_by)
    # ... and a row that another worker has is read, which waits for nothing, and not written to.
    return free.update(**{column: until}, **values) if free.exists() else 0


def backoff(failures: int, first: Duration, longest: Duration) -> Duration:
    """Return the pause after ``failures`` earlier failures: ``first``, doubled for each of them."""
    return min(first * (1 << min(failures, _MOST_DOUBLINGS)), longest)
