"""Hourly roll-up of recorded calls.

A batch is one short transaction: its rows are marked and their hours grow, or neither. The
mark is a conditional update, and so is the growth of an hour (on its ``version``). A worker
that another one was ahead of rolls its batch back and starts it again, so each call is
counted once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet

from django_wxpay.latency import Histogram, Tally
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services.database_errors import UndoneByAnother
from django_wxpay.services.transactions import atomic, require_no_transaction, retry_on_lock

# SQLite has a single writer, so every payment waits while a batch commits: keep it small.
_BATCH: Final = 500

_MEASURED: Final = (
    "merchant",
    "interface_url",
    "host",
    "created_at",
    "execute_time_ms",
    "failure",
    "return_code",
    "result_code",
    "is_standby",
)

# HourlyLatency has a column for each field of a tally, under the same name.
_TALLY_COLUMNS: Final = tuple(field.name for field in fields(Tally))


class HourKey(NamedTuple):
    """The unit of counting: one merchant's calls of one interface at one host in one hour."""

    hour: datetime
    merchant: str
    interface_url: str
    host: str


class ConcurrentUpdate(UndoneByAnother):
    """Another worker counted the same rows or changed the same hour; nothing was counted."""


def roll_up(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> int:
    """Count up to ``limit`` new rows (None: all) in their hours, and return how many.

    Ends early, between two batches, when ``stop`` returns True. Any number may run side by side.
    """
    require_no_transaction("roll_up")
    done = 0
    while not stop():
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        counted = retry_on_lock(partial(_roll_up, size)) if size > 0 else 0
        if not counted:
            break
        done += counted
    return done


def not_rolled_up() -> QuerySet[ApiReport]:
    """Return the rows that no hour counts yet."""
    # Not "=False": Django writes that as NOT, for which SQLite uses no index and reads every row.
    return ApiReport.objects.filter(is_rolled_up__in=[False])


def tally_by_hour(reports: QuerySet[ApiReport]) -> dict[HourKey, Tally]:
    """Count the rows themselves, by hour."""
    tallies: defaultdict[HourKey, Tally] = defaultdict(Tally)
    for row in reports.values_list(*_MEASURED):
        merchant, interface_url, host, at, took_ms, failure, returned, result, standby = row
        tallies[HourKey(start_of_hour(at), merchant, interface_url, host)].count(
            took_ms,
            at=at,
            failure=failure,
            is_refused="FAIL" in {returned, result},
            is_standby=standby,
        )
    return dict(tallies)


def stored_tallies(rows: QuerySet[HourlyLatency]) -> list[tuple[HourKey, Tally]]:
    """Read what the rows of the roll-up hold."""
    width = len(HourKey._fields)
    # Tuples, not models: a long period has tens of thousands of rows, and models cost most.
    values = rows.values_list(*HourKey._fields, *_TALLY_COLUMNS)
    return [(HourKey(*row[:width]), _tally(row[width:])) for row in values]


def start_of_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def columns_of(tally: Tally) -> dict[str, Any]:
    """Return a tally as values for the columns of ``HourlyLatency``."""
    values = {name: getattr(tally, name) for name in _TALLY_COLUMNS}
    return values | {"failures": dict(tally.failures), "histogram": tally.histogram.stored}


def _roll_up(size: int) -> int:
    with atomic():
        pks = list(not_rolled_up().order_by("id").values_list("pk", flat=True)[:size])
        if not pks:
            return 0
        rows = ApiReport.objects.filter(pk__in=pks)
        if rows.filter(is_rolled_up=False).update(is_rolled_up=True) != len(pks):
            raise ConcurrentUpdate("another worker counted these calls")
        tallies = tally_by_hour(rows)
        # Every worker takes the hours in the same order, so that two never deadlock.
        for hour in sorted(tallies):
            if not _add(hour, tallies[hour]):
                raise ConcurrentUpdate("another worker counted calls of the same hour")
    return len(pks)


def _add(hour: HourKey, new: Tally) -> int:
    """Return 1, or 0 if another worker changed the hour meanwhile."""
    # Looked up in the database and not by Python: MySQL takes "Shop" and "shop" for one value.
    rows = HourlyLatency.objects.filter(**hour._asdict())
    stored = rows.values_list("version", *_TALLY_COLUMNS)
    row = stored.first()
    if row is None:
        HourlyLatency.objects.bulk_create([HourlyLatency(**hour._asdict())], ignore_conflicts=True)
        row = stored.first()
    if row is None:
        # Another worker has just inserted it, in a transaction that this one cannot read yet.
        return 0
    version, *values = row
    total = _tally(values)
    total.add(new)
    return rows.filter(version=version).update(version=version + 1, **columns_of(total))


def _tally(values: Sequence[Any]) -> Tally:
    stored: dict[str, Any] = dict(zip(_TALLY_COLUMNS, values, strict=True))
    stored["failures"] = Counter(stored["failures"])
    # PostgreSQL's driver returns a memoryview.
    stored["histogram"] = Histogram(bytes(stored["histogram"]))
    return Tally(**stored)
