"""Leases on rows, pauses that grow, and the result of a batch.

A claim is a conditional UPDATE of a time column, so of any number of workers on any number of
machines one has a row, and the row of a worker that died is free again when its time is over::

    if retry_on_lock(partial(claim, rows, "leased_until", now + LEASE, longest=LEASE)):
        work()

A moment that is further ahead than it can be was written by a clock that was wrong, and holds
nobody up: such a row is free.

Rows claimed in a batch are marked with the claimant's name in the same UPDATE
(``report_claim=name``), and read back by it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from django.db import Error
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from django_wxpay.services import clock
from django_wxpay.services.transactions import connection, retry_on_lock

logger = logging.getLogger("django_wxpay.worker")

Row = TypeVar("Row")
Duration = TypeVar("Duration", timedelta, float)

# The clocks of two machines differ, and what one has just taken must not be free to the other.
SKEW: Final = timedelta(minutes=1)
# The database's own time, in seconds since 1970.
_EPOCH: Final = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP())",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}
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


def is_free(column: str, *, longest: timedelta, now: datetime, due_by: datetime | None = None) -> Q:
    """Return the condition that a row is free: due by then, or held for longer than it can be.

    ``longest`` is how far ahead the column can be; zero for one that holds when a row was taken.
    """
    held_by_no_clock = Q(**{f"{column}__gt": now + longest + SKEW})
    return (
        Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lte": due_by or now}) | held_by_no_clock
    )


def claim(
    rows: QuerySet[Any],
    column: str,
    until: datetime | None,
    *,
    longest: timedelta,
    due_by: datetime | None = None,
    **values: Any,
) -> int:
    """Claim those of ``rows`` that are free, and return how many are the caller's now.

    A row is free while ``column`` is null, not after ``due_by`` (default: now) or further ahead
    than ``longest``. It is given ``until``, and ``values`` in the same UPDATE. A column that
    holds when a row was taken, instead of until when, is claimed with ``until`` now, ``due_by``
    the oldest age allowed and ``longest`` zero.
    """
    # MariaDB waits for the lock of every row that it looks at in order to write. CASE is a
    # condition that no index on the column serves, so it looks up the rows themselves ...
    condition = is_free(column, longest=longest, now=clock.now(), due_by=due_by)
    state = Case(When(condition, then=1), default=0, output_field=IntegerField())
    free = rows.alias(_is_free=state).filter(_is_free=Value(1))
    # ... and a row that another worker has is read, which waits for nothing, and not written to.
    return free.update(**{column: until}, **values) if free.exists() else 0


def claim_as_seen(
    rows: QuerySet[Any],
    column: str,
    until: datetime | None,
    *,
    seen: datetime | None,
) -> int:
    """Give ``column`` the moment ``until`` in those of ``rows`` where it still is ``seen``.

    Returns how many are the caller's. For a schedule, which may reach any time ahead: no clock is
    compared, and of several callers who saw the same moment one is first.
    """
    return rows.filter(**{column: seen}).update(**{column: until})


def release(action: Callable[[], object], what: str) -> None:
    """Run ``action``, which ends the claim of ``what``; a database in trouble is logged.

    A claim ends by itself, and what its holder has done or found out must not be hidden by that.
    """
    try:
        retry_on_lock(action)
    except Error:
        logger.exception("the claim of %s was not given back, and ends by itself", what)


def second_half(rows: Iterable[Row], *, key: Callable[[Row], object]) -> deque[Row]:
    """Return the rows of that half of the keys which comes second; one key is a half by itself.

    For a worker that was second to claim a row. Another works through the same list, and without
    this both would go on to claim each row of it. Rows of one key stay together, in their order.
    """
    rows = list(rows)
    keys = list(dict.fromkeys(map(key, rows)))
    second = set(keys[len(keys) // 2 :])
    return deque(row for row in rows if key(row) in second)


def shared_clock() -> Callable[[], datetime]:
    """Return the clock by which a schedule is kept that machines share. One query.

    It is this machine's own, unless that differs from the database's by more than a minute: then
    it is put right by the difference.
    """
    sql = _EPOCH.get(str(connection().vendor))
    if sql is None:
        return clock.now
    with connection().cursor() as cursor:
        cursor.execute(sql)
        (seconds,) = cursor.fetchone()
    error = datetime.fromtimestamp(float(seconds), UTC) - clock.now()
    if abs(error) <= SKEW:
        return clock.now
    logger.warning("the clock of this machine is wrong: the database's differs by %s", error)
    return lambda: clock.now() + error


def backoff(failures: int, first: Duration, longest: Duration) -> Duration:
    """Return the pause after ``failures`` earlier failures: ``first``, doubled for each of them."""
    return min(first * (1 << min(failures, _MOST_DOUBLINGS)), longest)
