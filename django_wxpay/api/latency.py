"""What many calls come to: how many, how many failed, and how long they took.

The database counts calls by their milliseconds, of which there are few values however many
calls there are; percentiles are read off those counts, exactly (nearest rank) and on every
database alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Count, Q, QuerySet

from django_wxpay.models import ApiReport

_GROUP = ("merchant", "interface_url", "host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """``failure_rate`` is the share, 0 to 1, of calls that brought nothing to believe."""

    merchant: str
    interface_url: str
    host: str
    count: int
    failure_rate: float
    p50_ms: int
    p95_ms: int
    p99_ms: int


def summarise(reports: QuerySet[ApiReport]) -> list[Latency]:
    """Return a row for each merchant, interface and host of ``reports``, in one query."""
    counts = (
        reports.order_by()
        .values(*_GROUP, "execute_time_ms")
        .annotate(calls=Count("id"), failed=Count("id", filter=~Q(failure="")))
        .order_by(*_GROUP, "execute_time_ms")
    )
    groups = groupby(counts, key=itemgetter(*_GROUP))
    return [_latency(dict(zip(_GROUP, key, strict=True)), rows) for key, rows in groups]


def _latency(names: dict[str, str], rows: Iterable[dict[str, Any]]) -> Latency:
    times = [(row["execute_time_ms"], row["calls"], row["failed"]) for row in rows]
    count = sum(calls for _, calls, _ in times)
    failed = sum(failed for *_, failed in times)
    return Latency(
        **names,
        count=count,
        failure_rate=round(failed / count, 6),
        p50_ms=_percentile(times, count, 50),
        p95_ms=_percentile(times, count, 95),
        p99_ms=_percentile(times, count, 99),
    )


def _percentile(times: Sequence[tuple[int, int, int]], count: int, percent: int) -> int:
    """Return the time that ``percent`` of 100 calls did not exceed."""
    rank = -(-count * percent // 100)
    seen = 0
    for milliseconds, calls, _ in times:
        seen += calls
        if seen >= rank:
            return milliseconds
    raise ValueError("no calls")
