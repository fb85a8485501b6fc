"""Rolling up what was measured: each call is counted in its hour once, whoever does it.

A batch is one short transaction: the rows are marked, and the hours they belong to grow, or
neither. The mark is a conditional update, and so is the growth of an hour (by its
``version``); whoever was overtaken in either undoes the batch and begins it anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.db import OperationalError, transaction
from django.db.models import QuerySet

from django_wxpay.latency import Histogram, Tally
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

# Payments wait for a batch where a database has one writer only, so it is a small one.
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

# What an hour's row keeps of a tally; its columns are called as the tally's fields are.
_KEPT: Final = (
    "calls",
    "refused",
    "failures",
    "histogram",
    "fastest_ms",
    "slowest_ms",
    "standby_calls",
    "first_standby_at",
    "last_standby_at",
)


class Hour(NamedTuple):
    """What is counted together: one merchant's calls of one interface at one host in one hour."""

    hour: datetime
    merchant: str
    interface_url: str
    host: str


class Overtaken(OperationalError):
    """Another worker was quicker with the same rows or the same hour; nothing was counted."""


def roll_up(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> int:
    """Count up to ``limit`` new rows (None: all) in their hours; return how many it took in.

    Ends early, between two batches, when ``stop`` says so. Any number may run side by side.
    """
    require_no_transaction("roll_up")
    done = 0
    while not stop():
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        taken = retry_on_lock(partial(_roll_up, size)) if size > 0 else 0
        if not taken:
            break
        done += taken
    return done


def to_be_rolled_up() -> QuerySet[ApiReport]:
    """Return the rows that no hour counts yet."""
    # Not "=False": that becomes NOT, for which SQLite uses no index, and reads every row.
    return ApiReport.objects.filter(is_rolled_up__in=[False])


def tallies_of(reports: QuerySet[ApiReport]) -> dict[Hour, Tally]:
    """Return what the rows come to, by hour."""
    tallies: defaultdict[Hour, Tally] = defaultdict(Tally)
    for row in reports.values_list(*_MEASURED):
        merchant, interface_url, host, at, took_ms, failure, returned, result, standby = row
        tallies[Hour(full_hour(at), merchant, interface_url, host)].count(
            took_ms,
            at=at,
            failure=failure,
            is_refused="FAIL" in {returned, result},
            is_standby=standby,
        )
    return dict(tallies)


def counted_hours(rows: QuerySet[HourlyLatency]) -> list[tuple[Hour, Tally]]:
    """Return what the rows hold."""
    width = len(Hour._fields)
    # Tuples, because there may be tens of thousands, and making objects takes longest.
    kept = rows.values_list(*Hour._fields, *_KEPT)
    return [(Hour(*row[:width]), _tally(*row[width:])) for row in kept]


def full_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _roll_up(size: int) -> int:
    with transaction.atomic():
        pks = list(to_be_rolled_up().order_by("id").values_list("pk", flat=True)[:size])
        if not pks:
            return 0
        rows = ApiReport.objects.filter(pk__in=pks)
        if rows.filter(is_rolled_up=False).update(is_rolled_up=True) != len(pks):
            raise Overtaken("another worker counted these calls")
        _grow(tallies_of(rows))
    return len(pks)


def _grow(tallies: Mapping[Hour, Tally]) -> None:
    """Add each tally to its hour's row, always in the same order, so that nobody deadlocks."""
    for hour in sorted(tallies):
        if not _add(hour, tallies[hour]):
            raise Overtaken("another worker counted calls of the same hour")


def _add(hour: Hour, new: Tally) -> int:
    """Return 1, or 0 if somebody else changed the hour meanwhile."""
    # The database says which row is this hour's, for some take "Shop" and "shop" for one.
    mine = HourlyLatency.objects.filter(**hour._asdict())
    seen = mine.values_list("version", *_KEPT)
    row = seen.first()
    if row is None:
        HourlyLatency.objects.bulk_create([HourlyLatency(**hour._asdict())], ignore_conflicts=True)
        row = seen.first()
    if row is None:
        # Somebody else has just made it, in a transaction that this one cannot look into.
        return 0
    version, *kept = row
    total = _tally(*kept)
    total.add(new)
    return mine.filter(version=version).update(version=version + 1, **_columns(total))


def _tally(
    calls: int,
    refused: int,
    failures: Mapping[str, int],
    histogram: bytes,
    fastest_ms: int,
    slowest_ms: int,
    standby_calls: int,
    first_standby_at: datetime | None,
    last_standby_at: datetime | None,
) -> Tally:
    return Tally(
        calls=calls,
        refused=refused,
        failures=Counter(failures or None),
        histogram=Histogram(bytes(histogram)),
        fastest_ms=fastest_ms,
        slowest_ms=slowest_ms,
        standby_calls=standby_calls,
        first_standby_at=first_standby_at,
        last_standby_at=last_standby_at,
    )


def _columns(tally: Tally) -> dict[str, Any]:
    kept = {name: getattr(tally, name) for name in _KEPT}
    return kept | {"failures": dict(tally.failures), "histogram": tally.histogram.stored}
