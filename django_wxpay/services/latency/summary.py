"""Summary of gateway calls: by merchant, interface and host, and over time.

Read from the hours of the roll-up, and from the newest of those calls that no hour counts
yet. So it takes as long at ten million calls as at ten thousand. A period is whole hours of
UTC. Where a worker runs, calls enter the roll-up within seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.latency import Tally
from django_wxpay.models import HourlyLatency
from django_wxpay.services import clock
from django_wxpay.services.latency.rollup import (
    HourKey,
    not_rolled_up,
    start_of_hour,
    stored_tallies,
    tally_by_hour,
)

# How many calls that no hour counts yet are read, so that a worker's outage slows nothing down.
PENDING_CALLS_READ: Final = 10_000

_HOUR: Final = timedelta(hours=1)
# Calls to a standby host with less than this between them belong to one failover.
_FAILOVER_GAP: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` up to, and not including, ``end``: both are full hours, in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def covering(
        cls,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        span: timedelta,
    ) -> Period:
        """Return the whole hours that the time from ``after`` to ``before`` touches.

        ``before`` defaults to now, and ``after`` to ``span`` earlier.
        """
        before = before or clock.now()
        end = start_of_hour(before)
        try:
            after = after or before - span
            return cls(start_of_hour(after), end if end == before else end + _HOUR)
        except OverflowError:
            # Dates at the ends of the calendar come from a filter that somebody typed.
            return cls(end, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A filter of calls; "" leaves a column unfiltered."""

    merchant: str = ""
    interface_url: str = ""
    host: str = ""

    @property
    def lookups(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value}

    def includes(self, hour: HourKey) -> bool:
        return all(getattr(hour, name) == value for name, value in self.lookups.items())


EVERYTHING: Final = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The figures of one merchant's calls of one interface at one host.

    ``failure_rate`` is the share, 0 to 1, of calls without a trustworthy answer; ``failures``
    counts them by kind. ``refused`` counts the calls that WeChat Pay refused. The percentiles
    are exact within 2 %.
    """

    merchant: str
    interface_url: str
    host: str
    count: int
    failure_rate: float
    p50_ms: int
    p95_ms: int
    p99_ms: int
    slowest_ms: int
    refused: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """A period in which one merchant's calls went to a standby host."""

    merchant: str
    host: str
    began_at: datetime
    ended_at: datetime
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries:
    """Tallies over time: ``series[name][n]`` covers the bucket that begins at ``buckets[n]``."""

    buckets: Sequence[datetime]
    series: Mapping[str, Sequence[Tally]]


def measure(period: Period, scope: Scope = EVERYTHING) -> Measurements:
    """Read the calls of a period, once for all figures that are made of them."""
    return Measurements(period, [*_rolled_up(period, scope), *_pending(period, scope)])


class Measurements:
    """The calls of one period, hour by hour."""

    def __init__(self, period: Period, hours: Sequence[tuple[HourKey, Tally]]) -> None:
        self.period = period
        self._hours = hours

    def summary(self) -> list[Latency]:
        """Return the figures of each merchant, interface and host that was called, by name."""
        totals: defaultdict[tuple[str, str, str], Tally] = defaultdict(Tally)
        for hour, tally in self._hours:
            totals[hour.merchant, hour.interface_url, hour.host].add(tally)
        return [_latency(*names, tally) for names, tally in sorted(totals.items())]

    def time_series(self, name_of: Callable[[HourKey], str], *, step: timedelta) -> TimeSeries:
        """Return a series for each name that ``name_of`` gives an hour, in buckets of ``step``."""
        start, end = self.period.start, self.period.end
        count = -(-(end - start) // step)
        series: defaultdict[str, list[Tally]] = defaultdict(lambda: [Tally() for _ in range(count)])
        for hour, tally in self._hours:
            series[name_of(hour)][(hour.hour - start) // step].add(tally)
        return TimeSeries(
            buckets=[start + number * step for number in range(count)],
            series=dict(sorted(series.items())),
        )

    def failovers(self) -> list[Failover]:
        """Return the periods in which calls went to a standby host, the latest first."""
        found: list[Failover] = []
        for one in sorted(filter(None, map(_failover, self._hours)), key=_order_of_failovers):
            latest = found[-1] if found else None
            if latest is not None and _is_one(latest, one):
                found[-1] = _merged(latest, one)
            else:
                found.append(one)
        return sorted(found, key=attrgetter("began_at"), reverse=True)


def interface_of(hour: HourKey) -> str:
    """Return the interface at whichever host: the path of its address."""
    return urlsplit(hour.interface_url).path


def host_of(hour: HourKey) -> str:
    return hour.host


def _rolled_up(period: Period, scope: Scope) -> Iterable[tuple[HourKey, Tally]]:
    hours = HourlyLatency.objects.filter(hour__gte=period.start, hour__lt=period.end)
    return stored_tallies(hours.filter(**scope.lookups).order_by())


def _pending(period: Period, scope: Scope) -> Iterable[tuple[HourKey, Tally]]:
    # Filtered by the mark alone, and by period and scope in Python: given the time as well,
    # databases take the index of the times and read every call of the period.
    newest = not_rolled_up().order_by("-id")[:PENDING_CALLS_READ]
    return [
        (hour, tally)
        for hour, tally in tally_by_hour(newest).items()
        if period.start <= hour.hour < period.end and scope.includes(hour)
    ]


def _latency(merchant: str, interface_url: str, host: str, tally: Tally) -> Latency:
    return Latency(
        merchant=merchant,
        interface_url=interface_url,
        host=host,
        count=tally.calls,
        failure_rate=tally.failure_rate,
        p50_ms=tally.percentile_ms(50),
        p95_ms=tally.percentile_ms(95),
        p99_ms=tally.percentile_ms(99),
        slowest_ms=tally.slowest_ms,
        refused=tally.refused,
        failures=dict(sorted(tally.failures.items())),
    )


def _failover(measured_hour: tuple[HourKey, Tally]) -> Failover | None:
    hour, tally = measured_hour
    if tally.first_standby_at is None or tally.last_standby_at is None:
        return None
    return Failover(
        merchant=hour.merchant,
        host=hour.host,
        began_at=tally.first_standby_at,
        ended_at=tally.last_standby_at,
        calls=tally.standby_calls,
    )


def _order_of_failovers(one: Failover) -> tuple[str, str, datetime]:
    return one.merchant, one.host, one.began_at


def _is_one(earlier: Failover, later: Failover) -> bool:
    same_host = (earlier.merchant, earlier.host) == (later.merchant, later.host)
    return same_host and later.began_at - earlier.ended_at < _FAILOVER_GAP


def _merged(earlier: Failover, later: Failover) -> Failover:
    return replace(
        earlier,
        ended_at=max(earlier.ended_at, later.ended_at),
        calls=earlier.calls + later.calls,
    )
